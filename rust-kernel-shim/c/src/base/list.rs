// SPDX-License-Identifier: GPL-2.0-only
//! Doubly linked circular lists, linked through their members.
//!
//! C header: [`include/linux/list.h`](srctree/include/linux/list.h)

use core::ptr::addr_of_mut;

/// A link, and as an anchor the whole list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct list_head {
    /// The next link; the anchor's own address if there is none.
    pub next: *mut list_head,
    /// The previous link.
    pub prev: *mut list_head,
}

impl list_head {
    /// A link that [`INIT_LIST_HEAD`] has yet to close.
    pub const fn new() -> Self {
        Self {
            next: core::ptr::null_mut(),
            prev: core::ptr::null_mut(),
        }
    }
}

impl Default for list_head {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes `list` an empty list.
#[inline]
pub unsafe fn INIT_LIST_HEAD(list: *mut list_head) {
    // SAFETY: `list` is valid for writes: the caller's guarantee.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

/// True if nothing is linked to `head`.
///
/// # Safety
///
/// `head` is initialised, and does not change during the call.
#[inline]
pub unsafe fn list_empty(head: *const list_head) -> bool {
    // SAFETY: `head` is initialised, and does not change: the caller's guarantee.
    unsafe { (*head).next.cast_const() == head }
}

/// # Safety
///
/// `prev` and `next` are neighbours in a list that only the caller uses.
#[inline]
unsafe fn insert(new: *mut list_head, prev: *mut list_head, next: *mut list_head) {
    // SAFETY: Links of one list, and a new one, are valid for writes: the caller's guarantee.
    unsafe {
        (*next).prev = new;
        (*new).next = next;
        (*new).prev = prev;
        (*prev).next = new;
    }
}

/// Puts `new` at the head of the list.
///
/// # Safety
///
/// `head` is a list that only the caller uses; `new` is on none.
#[inline]
pub unsafe fn list_add(new: *mut list_head, head: *mut list_head) {
    // SAFETY: `head` is a list of the caller's, and `new` on none: its guarantee.
    unsafe { insert(new, head, (*head).next) }
}

/// Puts `new` at the tail of the list.
///
/// # Safety
///
/// As [`list_add`].
#[inline]
pub unsafe fn list_add_tail(new: *mut list_head, head: *mut list_head) {
    // SAFETY: `head` is a list of the caller's, and `new` on none: its guarantee.
    unsafe { insert(new, (*head).prev, head) }
}

/// Takes `entry` off its list and makes it a list of its own.
///
/// # Safety
///
/// `entry` is on a list that only the caller uses, or is a list of its own.
#[inline]
pub unsafe fn list_del_init(entry: *mut list_head) {
    // SAFETY: The neighbours in a list of the caller's, or itself, are valid for writes.
    unsafe {
        let list_head { next, prev } = *entry;
        (*next).prev = prev;
        (*prev).next = next;
        INIT_LIST_HEAD(entry);
    }
}

/// Moves the list of `old` to `new`, which need not be initialised.
///
/// # Safety
///
/// `old` is a list that only the caller uses; `new` is valid for writes.
#[inline]
pub unsafe fn list_replace(old: *mut list_head, new: *mut list_head) {
    // SAFETY: Both are the caller's: its guarantee. The links of an empty list are to `old` itself:
    // copied, they would send the last two writes to `old`, and `new` would stay linked to it. So
    // an empty `new` is closed by itself; the neighbours of any other are entries, valid for
    // writes.
    unsafe {
        if list_empty(old) {
            INIT_LIST_HEAD(new);
            return;
        }
        *new = *old;
        *addr_of_mut!((*(*new).next).prev) = new;
        *addr_of_mut!((*(*new).prev).next) = new;
    }
}
