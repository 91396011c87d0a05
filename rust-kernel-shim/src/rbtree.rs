// SPDX-License-Identifier: GPL-2.0-only

//! Trees of keys with values, which are ordered by their keys.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h).
//!
//! A node can be allocated before, where that may sleep, and inserted later under a spinlock.

use crate::{alloc::Flags, bindings, error::Result};
use core::{
    cmp::Ordering,
    marker::PhantomData,
    ptr::{null_mut, NonNull},
};

mod cursor;
mod entry;
mod iter;
mod node;

pub use self::{
    cursor::{Cursor, CursorMut},
    entry::{Entry, OccupiedEntry, VacantEntry},
    iter::{Iter, IterMut},
    node::{RBTreeNode, RBTreeNodeReservation},
};

use self::{entry::Place, node::Node};

/// A link of a node: what C knows of it.
type Links = bindings::rb_node;

/// A tree of keys, each with a value; C keeps it balanced.
///
/// Looking up, inserting and removing take a time that grows with the logarithm of the number of
/// nodes. Only the making of nodes allocates.
///
/// # Invariants
///
/// All that `root` leads to are the links of nodes of this type, each of which is in a box that the
/// tree owns; their keys ascend if the order of the type is one.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, rbtree::RBTree};
///
/// let mut prices = RBTree::new();
/// for (name, price) in [("pear", 3), ("apple", 2), ("quince", 5)] {
///     prices.try_create_and_insert(name, price, GFP_KERNEL)?;
/// }
/// assert!(prices.keys().eq(&["apple", "pear", "quince"]));
///
/// // What was there before is returned.
/// let old = prices.try_create_and_insert("pear", 4, GFP_KERNEL)?;
/// assert_eq!(old.map(|node| node.to_key_value()), Some(("pear", 3)));
///
/// for (_, price) in &mut prices {
///     *price += 1;
/// }
/// assert_eq!(prices.get(&"pear"), Some(&5));
/// assert_eq!(prices.remove(&"quince"), Some(6));
/// assert_eq!(prices.remove(&"quince"), None);
/// # Ok::<(), Error>(())
/// ```
///
/// Under a spinlock nothing is allocated:
///
/// ```
/// use kernel::{new_spinlock, prelude::*, rbtree::{RBTree, RBTreeNode}, sync::Arc};
///
/// let jobs = Arc::pin_init(new_spinlock!(RBTree::new()), GFP_KERNEL)?;
/// let job = RBTreeNode::new(7, "seventh", GFP_KERNEL)?;
/// jobs.lock().insert(job);
/// let job = jobs.lock().remove_node(&7);
///
/// // Its memory is used again.
/// let memory = job.ok_or(ENOENT)?.into_reservation();
/// jobs.lock().insert(memory.into_node(8, "eighth"));
/// assert_eq!(jobs.lock().get(&8), Some(&"eighth"));
/// # Ok::<(), Error>(())
/// ```
pub struct RBTree<K, V> {
    root: bindings::rb_root,
    _owns: PhantomData<Node<K, V>>,
}

// SAFETY: The tree owns its keys and values, and is as they are.
unsafe impl<K: Send, V: Send> Send for RBTree<K, V> {}

// SAFETY: As above; what is shared of the tree is shared of them.
unsafe impl<K: Sync, V: Sync> Sync for RBTree<K, V> {}

impl<K, V> RBTree<K, V> {
    /// Returns a tree without nodes.
    pub fn new() -> Self {
        // INVARIANT: Leads to nothing.
        RBTree {
            root: bindings::rb_root::default(),
            _owns: PhantomData,
        }
    }

    /// Returns whether there is no node.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.root.rb_node.is_null()
    }

    /// Returns all keys and values, in the order of the keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self)
    }

    /// Returns all keys and values in the order of the keys; the values can be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut::new(self)
    }

    /// Returns all keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'_ K> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns all values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &'_ V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns all values, which can be changed, in the order of their keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &'_ mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// Returns a cursor at the smallest key; `None` if there is no node.
    pub fn cursor_front(&self) -> Option<Cursor<'_, K, V>> {
        // SAFETY: The first node of the tree, if it is not null.
        NonNull::new(self.first()).map(|first| unsafe { Cursor::new(self, first) })
    }

    /// As [`Self::cursor_front`], with access to the tree.
    pub fn cursor_front_mut(&mut self) -> Option<CursorMut<'_, K, V>> {
        // SAFETY: The first node of the tree, if it is not null.
        NonNull::new(self.first()).map(|first| unsafe { CursorMut::new(self, first) })
    }

    /// Returns a cursor at the largest key; `None` if there is no node.
    pub fn cursor_back(&self) -> Option<Cursor<'_, K, V>> {
        // SAFETY: The last node of the tree, if it is not null.
        NonNull::new(self.last()).map(|last| unsafe { Cursor::new(self, last) })
    }

    /// As [`Self::cursor_back`], with access to the tree.
    pub fn cursor_back_mut(&mut self) -> Option<CursorMut<'_, K, V>> {
        // SAFETY: The last node of the tree, if it is not null.
        NonNull::new(self.last()).map(|last| unsafe { CursorMut::new(self, last) })
    }

    fn first(&self) -> *mut Links {
        // SAFETY: The nodes are valid, says the invariant, and do not change while borrowed.
        unsafe { bindings::rb_first(&self.root) }
    }

    fn last(&self) -> *mut Links {
        // SAFETY: The nodes are valid, says the invariant, and do not change while borrowed.
        unsafe { bindings::rb_last(&self.root) }
    }
}

impl<K: Ord, V> RBTree<K, V> {
    /// Inserts a key with a value; returns the node that had the same key before.
    ///
    /// Allocates, and may sleep if `flags` say so. Fails with `ENOMEM`.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_create_and_insert(
        &mut self,
        key: K,
        value: V,
        flags: Flags,
    ) -> Result<Option<RBTreeNode<K, V>>> {
        Ok(self.insert(RBTreeNode::new(key, value, flags)?))
    }

    /// Inserts a node; returns the node that had the same key before. May be called from any context
    /// in which the keys can be compared.
    pub fn insert(&mut self, node: RBTreeNode<K, V>) -> Option<RBTreeNode<K, V>> {
        match self.place(node.key()) {
            Ok(occupied) => Some(occupied.replace(node)),
            Err(vacant) => {
                vacant.insert(node);
                None
            }
        }
    }

    /// Returns the place of a key, to use or to fill it.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        match self.place(&key) {
            Ok(occupied) => Entry::Occupied(occupied),
            Err(place) => Entry::Vacant(VacantEntry { key, place }),
        }
    }

    /// Returns the node of a key; `None` if there is none.
    pub fn find_mut(&mut self, key: &K) -> Option<OccupiedEntry<'_, K, V>> {
        self.place(key).ok()
    }

    /// Returns the value of a key; `None` if there is none.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut at = self.root.rb_node;
        while let Some(links) = NonNull::new(at) {
            // SAFETY: All that the root leads to are links of nodes, which are borrowed as the tree.
            let (this, value) = unsafe { Node::<K, V>::shared(links) };
            at = match key.cmp(this) {
                Ordering::Equal => return Some(value),
                // SAFETY: As above.
                Ordering::Less => unsafe { (*at).rb_left },
                // SAFETY: As above.
                Ordering::Greater => unsafe { (*at).rb_right },
            };
        }
        None
    }

    /// Returns the value of a key, which can be changed; `None` if there is none.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find_mut(key).map(OccupiedEntry::into_mut)
    }

    /// Takes out the node of a key; `None` if there is none.
    pub fn remove_node(&mut self, key: &K) -> Option<RBTreeNode<K, V>> {
        self.find_mut(key).map(OccupiedEntry::remove_node)
    }

    /// Takes out the value of a key, and frees its node; `None` if there is none.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.find_mut(key).map(OccupiedEntry::remove)
    }

    /// Returns a cursor at the smallest key that is not less than `key`; `None` if there is none.
    pub fn cursor_lower_bound(&self, key: &K) -> Option<Cursor<'_, K, V>> {
        // SAFETY: A node of the tree.
        (self.lower_bound(key)).map(|node| unsafe { Cursor::new(self, node) })
    }

    /// As [`Self::cursor_lower_bound`], with access to the tree.
    pub fn cursor_lower_bound_mut(&mut self, key: &K) -> Option<CursorMut<'_, K, V>> {
        // SAFETY: A node of the tree.
        (self.lower_bound(key)).map(|node| unsafe { CursorMut::new(self, node) })
    }

    fn lower_bound(&self, key: &K) -> Option<NonNull<Links>> {
        let (mut at, mut best) = (self.root.rb_node, None);
        while let Some(links) = NonNull::new(at) {
            // SAFETY: All that the root leads to are links of nodes, which are borrowed as the tree.
            let (this, _) = unsafe { Node::<K, V>::shared(links) };
            at = match key.cmp(this) {
                Ordering::Equal => return Some(links),
                Ordering::Less => {
                    // Less than those before, to the left of which it is.
                    best = Some(links);
                    // SAFETY: As above.
                    unsafe { (*at).rb_left }
                }
                // SAFETY: As above.
                Ordering::Greater => unsafe { (*at).rb_right },
            };
        }
        best
    }

    /// The node of a key, or where it would be linked.
    fn place(&mut self, key: &K) -> Result<OccupiedEntry<'_, K, V>, Place<'_, K, V>> {
        let mut above = null_mut();
        let mut link = &raw mut self.root.rb_node;
        // SAFETY: The link of the root, and then of a node.
        while let Some(links) = NonNull::new(unsafe { *link }) {
            // SAFETY: All that the root leads to are links of nodes, which are borrowed as the tree.
            let (this, _) = unsafe { Node::<K, V>::shared(links) };
            above = links.as_ptr();
            link = match key.cmp(this) {
                // SAFETY: A node of this tree.
                Ordering::Equal => return Ok(unsafe { OccupiedEntry::new(self, links) }),
                // SAFETY: As above.
                Ordering::Less => unsafe { &raw mut (*above).rb_left },
                // SAFETY: As above.
                Ordering::Greater => unsafe { &raw mut (*above).rb_right },
            };
        }
        let root = &raw mut self.root;
        // SAFETY: The link is null, and that of `above`, or of the root if that is null.
        Err(unsafe { Place::new(root, above, link) })
    }
}

impl<K, V> Default for RBTree<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Drop for RBTree<K, V> {
    fn drop(&mut self) {
        // SAFETY: The nodes are valid, says the invariant.
        let mut next = unsafe { bindings::rb_first_postorder(&self.root) };
        while let Some(links) = NonNull::new(next) {
            // SAFETY: This one is in the tree; those that came before are not looked at.
            next = unsafe { bindings::rb_next_postorder(links.as_ptr()) };
            // SAFETY: A node of the tree, which is not used again.
            drop(unsafe { RBTreeNode::<K, V>::from_links(links) });
        }
    }
}

impl<'a, K, V> IntoIterator for &'a RBTree<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut RBTree<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
