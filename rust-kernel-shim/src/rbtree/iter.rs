// SPDX-License-Identifier: GPL-2.0-only

//! All nodes of a tree, in order.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h).

use super::{Links, Node, RBTree};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};

/// The links of a node and of those after it.
///
/// # Invariants
///
/// Null or a node of a tree, which does not change as long as this is used.
struct Rest(*mut Links);

impl Iterator for Rest {
    type Item = NonNull<Links>;

    fn next(&mut self) -> Option<NonNull<Links>> {
        let links = NonNull::new(self.0)?;
        // SAFETY: A node of a tree, says the invariant.
        self.0 = unsafe { bindings::rb_next(links.as_ptr()) };
        Some(links)
    }
}

/// The keys and values of a tree, from [`RBTree::iter`].
pub struct Iter<'a, K, V> {
    rest: Rest,
    _tree: PhantomData<&'a RBTree<K, V>>,
}

// SAFETY: It is a shared reference to the tree.
unsafe impl<K: Sync, V: Sync> Send for Iter<'_, K, V> {}

// SAFETY: It is a shared reference to the tree.
unsafe impl<K: Sync, V: Sync> Sync for Iter<'_, K, V> {}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(tree: &'a RBTree<K, V>) -> Self {
        // INVARIANT: The tree is borrowed during 'a.
        Iter {
            rest: Rest(tree.first()),
            _tree: PhantomData,
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: A node of the tree, which is borrowed during 'a.
        (self.rest.next()).map(|links| unsafe { Node::shared(links) })
    }
}

/// The keys and values of a tree, from [`RBTree::iter_mut`].
pub struct IterMut<'a, K, V> {
    rest: Rest,
    _tree: PhantomData<&'a mut RBTree<K, V>>,
}

// SAFETY: It is a mutable reference to the tree.
unsafe impl<K: Send, V: Send> Send for IterMut<'_, K, V> {}

// SAFETY: It is a mutable reference to the tree; shared it is of no use.
unsafe impl<K: Sync, V: Sync> Sync for IterMut<'_, K, V> {}

impl<'a, K, V> IterMut<'a, K, V> {
    pub(super) fn new(tree: &'a mut RBTree<K, V>) -> Self {
        // INVARIANT: The tree is borrowed during 'a; of the nodes that were returned only the values
        // are.
        IterMut {
            rest: Rest(tree.first()),
            _tree: PhantomData,
        }
    }
}

impl<'a, K, V> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: A node of the tree, which is borrowed mutably during 'a, and returned once.
        (self.rest.next()).map(|links| unsafe { Node::exclusive(links) })
    }
}
