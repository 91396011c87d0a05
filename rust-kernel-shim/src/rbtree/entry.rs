// SPDX-License-Identifier: GPL-2.0-only

//! The place of one key in a tree.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h).

use super::{Links, Node, RBTree, RBTreeNode, RBTreeNodeReservation};
use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};

/// The place of a key in a tree, from [`RBTree::entry`].
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, rbtree::{Entry, RBTree, RBTreeNodeReservation}};
///
/// /// Counts a word.
/// fn count(words: &mut RBTree<&'static str, u32>, word: &'static str) -> Result<u32> {
///     let count = match words.entry(word) {
///         Entry::Occupied(entry) => entry.into_mut(),
///         Entry::Vacant(entry) => entry.insert(0, RBTreeNodeReservation::new(GFP_KERNEL)?),
///     };
///     *count += 1;
///     Ok(*count)
/// }
///
/// let mut words = RBTree::new();
/// assert_eq!(count(&mut words, "fence"), Ok(1));
/// assert_eq!(count(&mut words, "signal"), Ok(1));
/// assert_eq!(count(&mut words, "fence"), Ok(2));
/// # Ok::<(), Error>(())
/// ```
pub enum Entry<'a, K, V> {
    /// There is no node with the key.
    Vacant(VacantEntry<'a, K, V>),
    /// There is a node with the key.
    Occupied(OccupiedEntry<'a, K, V>),
}

/// The place for a key that is not in the tree.
pub struct VacantEntry<'a, K, V> {
    pub(super) key: K,
    pub(super) place: Place<'a, K, V>,
}

impl<'a, K, V> VacantEntry<'a, K, V> {
    /// Inserts the key with `value`, in memory that was allocated before.
    pub fn insert(self, value: V, reservation: RBTreeNodeReservation<K, V>) -> &'a mut V {
        self.place.insert(reservation.into_node(self.key, value))
    }
}

/// Where a node would be linked.
///
/// # Invariants
///
/// `link` is null, and the left or right link of `above`, or the link of `root` if that is null. They
/// are borrowed during `'a`.
pub(super) struct Place<'a, K, V> {
    root: *mut bindings::rb_root,
    above: *mut Links,
    link: *mut *mut Links,
    _tree: PhantomData<&'a mut RBTree<K, V>>,
}

impl<'a, K, V> Place<'a, K, V> {
    /// # Safety
    ///
    /// As the invariant has it.
    pub(super) unsafe fn new(
        root: *mut bindings::rb_root,
        above: *mut Links,
        link: *mut *mut Links,
    ) -> Self {
        // INVARIANT: The caller's guarantee.
        Place {
            root,
            above,
            link,
            _tree: PhantomData,
        }
    }

    /// Links a node, whose key belongs here.
    pub(super) fn insert(self, node: RBTreeNode<K, V>) -> &'a mut V {
        let links = node.into_links();
        // SAFETY: By the invariant the link is where a node without children can be.
        unsafe { bindings::rb_link_node(links.as_ptr(), self.above, self.link) };
        // SAFETY: Linked just now.
        unsafe { bindings::rb_insert_color(links.as_ptr(), self.root) };
        // SAFETY: A node of the tree, which is borrowed during 'a.
        unsafe { Node::<K, V>::exclusive(links) }.1
    }
}

/// The place of a key that is in the tree.
///
/// # Invariants
///
/// `links` are those of a node in `tree`.
pub struct OccupiedEntry<'a, K, V> {
    tree: &'a mut RBTree<K, V>,
    links: NonNull<Links>,
}

impl<'a, K, V> OccupiedEntry<'a, K, V> {
    /// # Safety
    ///
    /// `links` are those of a node in `tree`.
    pub(super) unsafe fn new(tree: &'a mut RBTree<K, V>, links: NonNull<Links>) -> Self {
        // INVARIANT: The caller's guarantee.
        OccupiedEntry { tree, links }
    }

    /// Returns the value.
    pub fn get(&self) -> &V {
        // SAFETY: A node of the tree, which is borrowed as long as this.
        unsafe { Node::<K, V>::shared(self.links) }.1
    }

    /// Returns the value, which can be changed.
    pub fn get_mut(&mut self) -> &mut V {
        // SAFETY: A node of the tree, which is borrowed mutably as long as this.
        unsafe { Node::<K, V>::exclusive(self.links) }.1
    }

    /// As [`Self::get_mut`], for as long as the tree is borrowed.
    pub fn into_mut(self) -> &'a mut V {
        // SAFETY: A node of the tree, which is borrowed mutably during 'a, by this alone.
        unsafe { Node::<K, V>::exclusive(self.links) }.1
    }

    /// Takes the node out of the tree.
    pub fn remove_node(self) -> RBTreeNode<K, V> {
        // SAFETY: A node of the tree.
        unsafe { bindings::rb_erase(self.links.as_ptr(), &mut self.tree.root) };
        // SAFETY: It is in no tree any more.
        unsafe { RBTreeNode::from_links(self.links) }
    }

    /// Takes the value out of the tree, and frees its node.
    pub fn remove(self) -> V {
        self.remove_node().to_key_value().1
    }

    /// Puts `node`, which has the same key, into the place of this one.
    pub(super) fn replace(self, node: RBTreeNode<K, V>) -> RBTreeNode<K, V> {
        let (old, new) = (self.links, node.into_links());
        // SAFETY: `old` is in the tree, and `new` was in none.
        unsafe { bindings::rb_replace_node(old.as_ptr(), new.as_ptr(), &mut self.tree.root) };
        // SAFETY: It is in no tree any more.
        unsafe { RBTreeNode::from_links(old) }
    }
}
