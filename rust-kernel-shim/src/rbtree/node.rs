// SPDX-License-Identifier: GPL-2.0-only

//! The nodes of a tree, and memory for them.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h).

use super::Links;
use crate::{
    alloc::{Flags, KBox},
    bindings, container_of,
    error::Result,
};
use core::{mem::MaybeUninit, ptr::NonNull};

pub(super) struct Node<K, V> {
    links: Links,
    key: K,
    value: V,
}

impl<K, V> Node<K, V> {
    /// The key and the value of a node.
    ///
    /// # Safety
    ///
    /// `links` are those of a node of this type, which no one changes during `'a`.
    pub(super) unsafe fn shared<'a>(links: NonNull<Links>) -> (&'a K, &'a V) {
        bindings::rb_visits();
        // SAFETY: The links of a node.
        let node = unsafe { container_of!(links.as_ptr(), Node<K, V>, links) };
        // SAFETY: The node is valid and does not change: the caller's guarantees.
        unsafe { (&(*node).key, &(*node).value) }
    }

    /// The key and the value of a node; only the value can be changed.
    ///
    /// # Safety
    ///
    /// `links` are those of a node of this type, which is the caller's alone during `'a`.
    pub(super) unsafe fn exclusive<'a>(links: NonNull<Links>) -> (&'a K, &'a mut V) {
        // SAFETY: The links of a node.
        let node = unsafe { container_of!(links.as_ptr(), Node<K, V>, links) };
        // SAFETY: The node is valid and the caller's alone: its guarantees.
        unsafe { (&(*node).key, &mut (*node).value) }
    }
}

/// Memory for a node.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, rbtree::{RBTree, RBTreeNodeReservation}};
///
/// let mut tree = RBTree::new();
/// let memory = RBTreeNodeReservation::new(GFP_KERNEL)?;
/// // From here on nothing fails.
/// tree.insert(memory.into_node("key", 1));
/// assert_eq!(tree.get(&"key"), Some(&1));
/// # Ok::<(), Error>(())
/// ```
pub struct RBTreeNodeReservation<K, V> {
    node: KBox<MaybeUninit<Node<K, V>>>,
}

// SAFETY: There is no key and no value in it.
unsafe impl<K, V> Send for RBTreeNodeReservation<K, V> {}

// SAFETY: There is no key and no value in it.
unsafe impl<K, V> Sync for RBTreeNodeReservation<K, V> {}

impl<K, V> RBTreeNodeReservation<K, V> {
    /// Allocates memory; may sleep if `flags` say so. Fails with `ENOMEM`.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(flags: Flags) -> Result<RBTreeNodeReservation<K, V>> {
        Ok(RBTreeNodeReservation {
            node: KBox::new_uninit(flags)?,
        })
    }

    /// Makes it a node.
    pub fn into_node(self, key: K, value: V) -> RBTreeNode<K, V> {
        let links = Links::default();
        RBTreeNode {
            node: KBox::write(self.node, Node { links, key, value }),
        }
    }
}

/// A node that is in no tree.
pub struct RBTreeNode<K, V> {
    node: KBox<Node<K, V>>,
}

// SAFETY: The links are not used outside of a tree; the key and the value are owned.
unsafe impl<K: Send, V: Send> Send for RBTreeNode<K, V> {}

// SAFETY: As above.
unsafe impl<K: Sync, V: Sync> Sync for RBTreeNode<K, V> {}

impl<K, V> RBTreeNode<K, V> {
    /// Allocates a node; may sleep if `flags` say so. Fails with `ENOMEM`.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(key: K, value: V, flags: Flags) -> Result<RBTreeNode<K, V>> {
        Ok(RBTreeNodeReservation::new(flags)?.into_node(key, value))
    }

    /// Frees the node, and returns what was in it.
    pub fn to_key_value(self) -> (K, V) {
        let Node { key, value, .. } = KBox::into_inner(self.node);
        (key, value)
    }

    /// Drops the key and the value, and keeps the memory.
    pub fn into_reservation(self) -> RBTreeNodeReservation<K, V> {
        RBTreeNodeReservation {
            node: KBox::drop_contents(self.node),
        }
    }

    pub(super) fn key(&self) -> &K {
        &self.node.key
    }

    /// Leaves the node to a tree.
    pub(super) fn into_links(self) -> NonNull<Links> {
        let node = KBox::into_raw(self.node);
        // SAFETY: The node is valid, and not at address 0.
        unsafe { NonNull::new_unchecked(&raw mut (*node).links) }
    }

    /// Takes a node back that is in no tree any more.
    ///
    /// # Safety
    ///
    /// `links` is from [`Self::into_links`], of this type, taken back once.
    pub(super) unsafe fn from_links(links: NonNull<Links>) -> Self {
        // SAFETY: The links of a node.
        let node = unsafe { container_of!(links.as_ptr(), Node<K, V>, links) };
        RBTreeNode {
            // SAFETY: From a box, taken back once: the caller's guarantee.
            node: unsafe { KBox::from_raw(node) },
        }
    }
}
