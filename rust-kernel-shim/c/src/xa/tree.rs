// SPDX-License-Identifier: GPL-2.0-only
//! The tree in an array: each node has a slot for each value of six bits of the index.
//!
//! Readers go down without a lock, in a read-side section. So a node is complete before it is linked,
//! and is freed a grace period after it was unlinked; it is linked as long as anything is in it.
//!
//! # Safety
//!
//! The functions that change the tree expect the array's lock to be held, the others that or a
//! read-side section.

use super::{xa_limit, xarray, XA_FLAGS_ZERO_BUSY, XA_ZERO_ENTRY};
use crate::{callback_head, ffi::c_void, gfp_t, kfree_rcu};
use core::{
    ptr::null_mut,
    sync::atomic::{
        AtomicPtr,
        Ordering::{Acquire, Release},
    },
};

const SHIFT: u32 = 6;
const SLOTS: usize = 1 << SHIFT;

#[repr(C, align(8))]
pub(super) struct Node {
    /// The bits of the index below those that choose a slot.
    shift: u32,
    /// Slots that are not null.
    count: u32,
    /// The slot of the parent that leads here.
    offset: usize,
    /// The node above; of one that is spare, the next.
    parent: *mut Node,
    rcu_head: callback_head,
    slots: [AtomicPtr<c_void>; SLOTS],
}

impl Node {
    /// Allocates a node, in front of a list of such.
    #[cfg_attr(feature = "debug", track_caller)]
    pub(super) unsafe fn alloc(gfp: gfp_t, next: *mut Node) -> *mut Node {
        // SAFETY: `kzalloc_obj()` has no preconditions; zeroes are a node whose slots are null.
        unsafe {
            let node: *mut Node = crate::kzalloc_obj(gfp);
            if !node.is_null() {
                (*node).parent = next;
            }
            node
        }
    }

    /// Takes the first off a list.
    ///
    /// # Safety
    ///
    /// There is one.
    pub(super) unsafe fn pop(list: &mut *mut Node) -> *mut Node {
        let node = *list;
        // SAFETY: There is one: the caller's guarantee.
        *list = unsafe { (*node).parent };
        node
    }

    /// The node that an entry is, if it is one.
    fn of(entry: *mut c_void) -> Option<*mut Node> {
        // Other internal entries are less than a page.
        let is_node = super::is_internal(entry) && entry.addr() > 4096;
        is_node.then(|| entry.map_addr(|addr| addr - 2).cast())
    }

    fn entry(node: *mut Node) -> *mut c_void {
        node.cast::<c_void>().map_addr(|addr| addr + 2)
    }

    /// The slot for an index.
    ///
    /// # Safety
    ///
    /// `node` is valid.
    unsafe fn slot<'a>(node: *mut Node, index: usize) -> &'a AtomicPtr<c_void> {
        // SAFETY: `node` is valid: the caller's guarantee.
        unsafe { &(*node).slots[index >> (*node).shift & (SLOTS - 1)] }
    }

    /// The largest index below a node that is at the head.
    ///
    /// # Safety
    ///
    /// `node` is valid.
    unsafe fn max(node: *mut Node) -> usize {
        // SAFETY: `node` is valid: the caller's guarantee.
        let bits = unsafe { (*node).shift } + SHIFT;
        usize::MAX
            .checked_shl(bits)
            .map_or(usize::MAX, |above| !above)
    }
}

/// The largest index that the tree has a place for.
///
/// # Safety
///
/// As of all here; `head` is the array's.
unsafe fn max(head: *mut c_void) -> usize {
    // SAFETY: A node that is linked is valid.
    Node::of(head).map_or(0, |node| unsafe { Node::max(node) })
}

/// The head. `Acquire` pairs with the `Release` in `store()`: what is in a node is seen.
unsafe fn head(xa: *mut xarray) -> *mut c_void {
    // SAFETY: The array is valid.
    unsafe { (*xa).xa_head.load(Acquire) }
}

/// What is at an index, and the last node on the way there.
unsafe fn look_up(xa: *mut xarray, index: usize) -> (*mut c_void, Option<*mut Node>) {
    // SAFETY: As of all here.
    unsafe {
        let (mut entry, mut last) = (head(xa), None);
        if index > max(entry) {
            return (null_mut(), None);
        }
        while let Some(node) = Node::of(entry) {
            // Pairs with the `Release` in `store()`.
            entry = Node::slot(node, index).load(Acquire);
            last = Some(node);
            if (*node).shift == 0 {
                break;
            }
        }
        (entry, last)
    }
}

/// What is at an index.
pub(super) unsafe fn load(xa: *mut xarray, index: usize) -> *mut c_void {
    // SAFETY: As of all here.
    unsafe { look_up(xa, index) }.0
}

/// The first entry from `index` to `max`, with its index.
pub(super) unsafe fn find(
    xa: *mut xarray,
    mut index: usize,
    max: usize,
) -> Option<(usize, *mut c_void)> {
    // SAFETY: As of all here.
    unsafe {
        loop {
            let mut entry = head(xa);
            if index > self::max(entry) {
                return None;
            }
            // The bits below those that have chosen a slot.
            let mut shift = usize::BITS;
            while let Some(node) = Node::of(entry) {
                shift = (*node).shift;
                // Pairs with the `Release` in `store()`.
                entry = Node::slot(node, index).load(Acquire);
                if shift == 0 || entry.is_null() {
                    break;
                }
            }
            if index > max {
                return None;
            }
            if !entry.is_null() && entry != XA_ZERO_ENTRY {
                return Some((index, entry));
            }
            // The first index of the next slot, if there is one.
            index = index
                .checked_shr(shift)?
                .checked_add(1)?
                .checked_mul(1 << shift)?;
        }
    }
}

/// The first index within the limit that is free.
pub(super) unsafe fn first_free(xa: *mut xarray, limit: xa_limit) -> Option<u32> {
    // SAFETY: As of all here.
    unsafe {
        let mut index = limit.min;
        if index == 0 && (*xa).xa_flags & XA_FLAGS_ZERO_BUSY != 0 {
            index = 1;
        }
        while index <= limit.max {
            // CAST: 64 bits take it.
            let (entry, leaf) = look_up(xa, index as usize);
            if entry.is_null() {
                return Some(index);
            }
            // CAST: There are 64.
            let full = leaf.is_some_and(|leaf| (*leaf).count == SLOTS as u32);
            index = if full {
                index | (SLOTS as u32 - 1)
            } else {
                index
            }
            .checked_add(1)?;
        }
        None
    }
}

/// Whether the entry of index 0 can be the head.
unsafe fn can_be_head(xa: *mut xarray, entry: *mut c_void) -> bool {
    // SAFETY: The array is valid.
    entry != XA_ZERO_ENTRY && unsafe { (*xa).xa_flags } & XA_FLAGS_ZERO_BUSY == 0
}

/// The bits below those for which a head that reaches `index` has slots.
fn shift_for(index: usize) -> u32 {
    (usize::BITS - index.leading_zeros()).saturating_sub(1) / SHIFT * SHIFT
}

/// The nodes that are missing for an entry at `index`.
pub(super) unsafe fn missing(xa: *mut xarray, index: usize, entry: *mut c_void) -> usize {
    // SAFETY: As of all here.
    unsafe {
        let head = head(xa);
        // CAST: There are eleven at the most.
        let levels = |shift: u32| (shift / SHIFT) as usize;
        let Some(mut node) = Node::of(head) else {
            return match index {
                _ if entry.is_null() => 0,
                0 if !head.is_null() || can_be_head(xa, entry) => 0,
                // Down to the entry; and to the one at index 0, where that is the head.
                _ if head.is_null() => levels(shift_for(index)) + 1,
                _ => 2 * levels(shift_for(index)) + 1,
            };
        };
        if entry.is_null() {
            return 0;
        }
        if index > Node::max(node) {
            // Those above the head, and those below the highest of them.
            let shift = shift_for(index);
            return levels(shift - (*node).shift) + levels(shift);
        }
        while (*node).shift != 0 {
            match Node::of(Node::slot(node, index).load(Acquire)) {
                Some(below) => node = below,
                None => return levels((*node).shift),
            }
        }
        0
    }
}

/// Stores an entry, or null, and returns what was there; takes as many nodes as [`missing`] says.
pub(super) unsafe fn store(
    xa: *mut xarray,
    index: usize,
    entry: *mut c_void,
    mut take: impl FnMut() -> *mut Node,
) -> *mut c_void {
    // SAFETY: As of all here. The nodes that are taken are spare, and are linked once.
    unsafe {
        let mut top = head(xa);
        if entry.is_null() && index > max(top) {
            return null_mut();
        }
        if Node::of(top).is_none() && index == 0 {
            let stays = entry.is_null() || !top.is_null() || can_be_head(xa, entry);
            if stays {
                // Pairs with the `Acquire` in `head()`.
                (*xa).xa_head.store(entry, Release);
                return top;
            }
        }
        if top.is_null() {
            let node = new(take(), shift_for(index), null_mut(), 0);
            top = Node::entry(node);
            // Pairs with the `Acquire` in `head()`; as the others below.
            (*xa).xa_head.store(top, Release);
        }
        while Node::of(top).is_none() || index > max(top) {
            let below = Node::of(top);
            let shift = below.map_or(0, |below| (*below).shift + SHIFT);
            let node = new(take(), shift, null_mut(), 0);
            (*node).slots[0].store(top, Release);
            (*node).count = 1;
            if let Some(below) = below {
                (*below).parent = node;
            }
            top = Node::entry(node);
            (*xa).xa_head.store(top, Release);
        }
        let mut at = Node::of(top).unwrap_unchecked();
        while (*at).shift != 0 {
            let slot = Node::slot(at, index);
            at = match Node::of(slot.load(Acquire)) {
                Some(below) => below,
                None if entry.is_null() => return null_mut(),
                None => {
                    let shift = (*at).shift - SHIFT;
                    let below = new(take(), shift, at, index >> (*at).shift & (SLOTS - 1));
                    (*at).count += 1;
                    slot.store(Node::entry(below), Release);
                    below
                }
            };
        }
        // Pairs with the `Acquire` in `load()` and `find()`; what is taken is ordered by the lock.
        let old = Node::slot(at, index).swap(entry, Release);
        (*at).count += u32::from(!entry.is_null());
        (*at).count -= u32::from(!old.is_null());
        prune(xa, at);
        old
    }
}

/// Makes a spare node one of the tree.
///
/// # Safety
///
/// `node` is spare.
unsafe fn new(node: *mut Node, shift: u32, parent: *mut Node, offset: usize) -> *mut Node {
    // SAFETY: `node` is spare: the caller's guarantee.
    unsafe {
        (*node).shift = shift;
        (*node).parent = parent;
        (*node).offset = offset;
    }
    node
}

/// Unlinks a node in which nothing is, and those above it in which nothing is then.
///
/// # Safety
///
/// `node` is linked.
unsafe fn prune(xa: *mut xarray, mut node: *mut Node) {
    // SAFETY: `node` is linked: the caller's guarantee. What was unlinked is not used again here.
    unsafe {
        while (*node).count == 0 {
            let (parent, offset) = ((*node).parent, (*node).offset);
            let link = if parent.is_null() {
                &(*xa).xa_head
            } else {
                (*parent).count -= 1;
                &(*parent).slots[offset]
            };
            link.store(null_mut(), Release);
            kfree_rcu!(node, Node, rcu_head);
            if parent.is_null() {
                return;
            }
            node = parent;
        }
    }
}

/// Unlinks and frees all nodes.
pub(super) unsafe fn clear(xa: *mut xarray) {
    // SAFETY: As of all here.
    unsafe {
        let head = (*xa).xa_head.swap(null_mut(), Release);
        if let Some(node) = Node::of(head) {
            free(node);
        }
    }
}

/// # Safety
///
/// `node` was unlinked.
unsafe fn free(node: *mut Node) {
    // SAFETY: `node` was unlinked, and with it those below, whose slots are no entries.
    unsafe {
        if (*node).shift != 0 {
            let slots = (*node).slots.iter();
            slots
                .filter_map(|slot| Node::of(slot.load(Acquire)))
                .for_each(|below| free(below));
        }
        kfree_rcu!(node, Node, rcu_head);
    }
}
