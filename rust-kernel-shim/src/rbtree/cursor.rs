// SPDX-License-Identifier: GPL-2.0-only

//! A node of a tree, from which to go to others.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h).

use super::{Links, Node, RBTree, RBTreeNode};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};

/// The node before `at`; `None` if there is none.
///
/// # Safety
///
/// `at` is in a tree.
unsafe fn before(at: NonNull<Links>) -> Option<NonNull<Links>> {
    // SAFETY: `at` is in a tree: the caller's guarantee.
    NonNull::new(unsafe { bindings::rb_prev(at.as_ptr()) })
}

/// The node after `at`; `None` if there is none.
///
/// # Safety
///
/// `at` is in a tree.
unsafe fn after(at: NonNull<Links>) -> Option<NonNull<Links>> {
    // SAFETY: `at` is in a tree: the caller's guarantee.
    NonNull::new(unsafe { bindings::rb_next(at.as_ptr()) })
}

/// A node of a tree, and its neighbours.
///
/// # Invariants
///
/// `at` is in the tree, which is borrowed during `'a`.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, rbtree::RBTree};
///
/// let mut tree = RBTree::new();
/// for key in [10, 20, 30] {
///     tree.try_create_and_insert(key, (), GFP_KERNEL)?;
/// }
/// let cursor = tree.cursor_lower_bound(&11).ok_or(ENOENT)?;
/// assert_eq!(cursor.current(), (&20, &()));
/// assert_eq!(cursor.peek_prev(), Some((&10, &())));
/// assert_eq!(cursor.peek_next(), Some((&30, &())));
/// assert!(tree.cursor_lower_bound(&31).is_none());
/// # Ok::<(), Error>(())
/// ```
pub struct Cursor<'a, K, V> {
    at: NonNull<Links>,
    _tree: PhantomData<&'a RBTree<K, V>>,
}

// SAFETY: It is a shared reference to the tree.
unsafe impl<K: Sync, V: Sync> Send for Cursor<'_, K, V> {}

// SAFETY: It is a shared reference to the tree.
unsafe impl<K: Sync, V: Sync> Sync for Cursor<'_, K, V> {}

impl<'a, K, V> Cursor<'a, K, V> {
    /// # Safety
    ///
    /// `at` is in the tree.
    pub(super) unsafe fn new(_tree: &'a RBTree<K, V>, at: NonNull<Links>) -> Self {
        // INVARIANT: In the tree: the caller's guarantee.
        Cursor {
            at,
            _tree: PhantomData,
        }
    }

    /// Returns the key and the value.
    pub fn current(&self) -> (&K, &V) {
        // SAFETY: In the tree, which is borrowed.
        unsafe { Node::shared(self.at) }
    }

    /// Returns the key and the value before; `None` if there are none.
    pub fn peek_prev(&self) -> Option<(&K, &V)> {
        // SAFETY: In the tree, which is borrowed.
        unsafe { before(self.at).map(|at| Node::shared(at)) }
    }

    /// Returns the key and the value after; `None` if there are none.
    pub fn peek_next(&self) -> Option<(&K, &V)> {
        // SAFETY: In the tree, which is borrowed.
        unsafe { after(self.at).map(|at| Node::shared(at)) }
    }
}

/// As [`Cursor`]; it can change values, go to the neighbours and take nodes out.
///
/// # Invariants
///
/// `at` is in the tree.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, rbtree::RBTree};
///
/// /// Takes out all that are even.
/// fn only_odd(tree: &mut RBTree<u32, ()>) {
///     let mut cursor = tree.cursor_front_mut();
///     while let Some(at) = cursor {
///         let even = at.current().0 % 2 == 0;
///         // At the end it goes back to the one before, which is odd.
///         cursor = if even { at.remove_current().0 } else { at.move_next() };
///     }
/// }
///
/// let mut tree = RBTree::new();
/// for key in 0..10 {
///     tree.try_create_and_insert(key, (), GFP_KERNEL)?;
/// }
/// only_odd(&mut tree);
/// assert!(tree.keys().eq(&[1, 3, 5, 7, 9]));
/// # Ok::<(), Error>(())
/// ```
pub struct CursorMut<'a, K, V> {
    tree: &'a mut RBTree<K, V>,
    at: NonNull<Links>,
}

// SAFETY: It is a mutable reference to the tree.
unsafe impl<K: Send, V: Send> Send for CursorMut<'_, K, V> {}

// SAFETY: It is a mutable reference to the tree.
unsafe impl<K: Sync, V: Sync> Sync for CursorMut<'_, K, V> {}

impl<'a, K, V> CursorMut<'a, K, V> {
    /// # Safety
    ///
    /// `at` is in the tree.
    pub(super) unsafe fn new(tree: &'a mut RBTree<K, V>, at: NonNull<Links>) -> Self {
        // INVARIANT: In the tree: the caller's guarantee.
        CursorMut { tree, at }
    }

    /// Returns the key and the value.
    pub fn current(&self) -> (&K, &V) {
        // SAFETY: In the tree, which is borrowed.
        unsafe { Node::shared(self.at) }
    }

    /// Returns the key and the value, which can be changed.
    pub fn current_mut(&mut self) -> (&K, &mut V) {
        // SAFETY: In the tree, which is borrowed mutably.
        unsafe { Node::exclusive(self.at) }
    }

    /// Takes the node out. Returns a cursor at the next one, or at the one before if there is no
    /// next, or `None` if there is none at all; and the node.
    pub fn remove_current(self) -> (Option<Self>, RBTreeNode<K, V>) {
        // SAFETY: In the tree.
        let stays = unsafe { after(self.at).or_else(|| before(self.at)) };
        // SAFETY: In the tree.
        let node = unsafe { Self::take(self.tree, self.at) };
        // INVARIANT: A neighbour, which is in the tree.
        let cursor = stays.map(|at| CursorMut {
            tree: self.tree,
            at,
        });
        (cursor, node)
    }

    /// Takes the node before out; `None` if there is none.
    pub fn remove_prev(&mut self) -> Option<RBTreeNode<K, V>> {
        // SAFETY: In the tree, and so is the neighbour.
        unsafe { before(self.at).map(|at| Self::take(self.tree, at)) }
    }

    /// Takes the node after out; `None` if there is none.
    pub fn remove_next(&mut self) -> Option<RBTreeNode<K, V>> {
        // SAFETY: In the tree, and so is the neighbour.
        unsafe { after(self.at).map(|at| Self::take(self.tree, at)) }
    }

    /// # Safety
    ///
    /// `at` is in the tree.
    unsafe fn take(tree: &mut RBTree<K, V>, at: NonNull<Links>) -> RBTreeNode<K, V> {
        // SAFETY: In the tree: the caller's guarantee.
        unsafe { bindings::rb_erase(at.as_ptr(), &mut tree.root) };
        // SAFETY: It is in no tree any more.
        unsafe { RBTreeNode::from_links(at) }
    }

    /// Goes to the node before; `None` if there is none.
    pub fn move_prev(self) -> Option<Self> {
        // SAFETY: In the tree.
        let at = unsafe { before(self.at) }?;
        // INVARIANT: A neighbour, which is in the tree.
        Some(CursorMut { at, ..self })
    }

    /// Goes to the node after; `None` if there is none.
    pub fn move_next(self) -> Option<Self> {
        // SAFETY: In the tree.
        let at = unsafe { after(self.at) }?;
        // INVARIANT: A neighbour, which is in the tree.
        Some(CursorMut { at, ..self })
    }

    /// Returns the key and the value before; `None` if there are none.
    pub fn peek_prev(&self) -> Option<(&K, &V)> {
        // SAFETY: In the tree, which is borrowed.
        unsafe { before(self.at).map(|at| Node::shared(at)) }
    }

    /// Returns the key and the value after; `None` if there are none.
    pub fn peek_next(&self) -> Option<(&K, &V)> {
        // SAFETY: In the tree, which is borrowed.
        unsafe { after(self.at).map(|at| Node::shared(at)) }
    }

    /// As [`Self::peek_prev`]; the value can be changed.
    pub fn peek_prev_mut(&mut self) -> Option<(&K, &mut V)> {
        // SAFETY: In the tree, which is borrowed mutably.
        unsafe { before(self.at).map(|at| Node::exclusive(at)) }
    }

    /// As [`Self::peek_next`]; the value can be changed.
    pub fn peek_next_mut(&mut self) -> Option<(&K, &mut V)> {
        // SAFETY: In the tree, which is borrowed mutably.
        unsafe { after(self.at).map(|at| Node::exclusive(at)) }
    }
}
