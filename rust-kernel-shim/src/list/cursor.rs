// SPDX-License-Identifier: GPL-2.0-only

//! A place on a list.
//!
//! C header: none.

use super::{value, List, ListArc, ListItem, ListLinksFields};
use crate::sync::ArcBorrow;
use core::{ops::Deref, ptr::null_mut};

/// A place between two values of a list, or at an end of it.
///
/// # Invariants
///
/// `next` is on the list, or null behind the last.
///
/// # Examples
///
/// ```
/// use kernel::{
///     list::{impl_list_arc_safe, impl_list_item, Cursor, List, ListArc, ListLinks},
///     prelude::*,
/// };
///
/// #[pin_data]
/// struct Timer {
///     at: u32,
///     #[pin]
///     links: ListLinks,
/// }
///
/// impl_list_arc_safe! {
///     impl ListArcSafe<0> for Timer { untracked; }
/// }
///
/// impl_list_item! {
///     impl ListItem<0> for Timer { using ListLinks { self.links }; }
/// }
///
/// /// Puts a timer behind those that are due no later.
/// fn add(timers: &mut List<Timer>, at: u32) -> Result {
///     let new = try_pin_init!(Timer { at, links <- ListLinks::new() });
///     let new = ListArc::pin_init(new, GFP_KERNEL)?;
///     let mut place = timers.cursor_front();
///     while place.peek_next().is_some_and(|next| next.at <= at) {
///         place.move_next();
///     }
///     place.insert(new);
///     Ok(())
/// }
///
/// let mut timers = List::new();
/// for at in [5, 1, 3, 4, 2] {
///     add(&mut timers, at)?;
/// }
/// assert!(timers.iter().map(|timer| timer.at).eq([1, 2, 3, 4, 5]));
///
/// // Takes out the last that is even.
/// let mut place = timers.cursor_back();
/// while place.peek_prev().is_some_and(|timer| timer.at % 2 != 0) {
///     place.move_prev();
/// }
/// assert_eq!(place.remove_prev().map(|timer| timer.at), Some(4));
/// assert!(timers.iter().map(|timer| timer.at).eq([1, 2, 3, 5]));
/// # Ok::<(), Error>(())
/// ```
pub struct Cursor<'a, T: ?Sized + ListItem<ID>, const ID: u64 = 0> {
    list: &'a mut List<T, ID>,
    next: *mut ListLinksFields,
}

impl<'a, T: ?Sized + ListItem<ID>, const ID: u64> Cursor<'a, T, ID> {
    /// `next` is on the list, or null.
    pub(super) fn new(next: *mut ListLinksFields, list: &'a mut List<T, ID>) -> Self {
        // INVARIANT: As the functions have it that call this.
        Cursor { list, next }
    }

    /// The links in front; null at the start.
    fn prev(&self) -> *mut ListLinksFields {
        let first = self.list.first;
        if self.next == first {
            return null_mut();
        }
        // In front of the end is the last, which is in front of the first in the ring.
        let next = if self.next.is_null() {
            first
        } else {
            self.next
        };
        // SAFETY: The list is not empty, or both would be null; the links are its own.
        unsafe { (*next).prev }
    }

    /// Returns the value behind the cursor; `None` at the end.
    pub fn peek_next(&mut self) -> Option<CursorPeek<'_, 'a, T, true, ID>> {
        let ptr = self.next;
        // INVARIANT: On the list, and the next.
        (!ptr.is_null()).then_some(CursorPeek { cursor: self, ptr })
    }

    /// Returns the value in front of the cursor; `None` at the start.
    pub fn peek_prev(&mut self) -> Option<CursorPeek<'_, 'a, T, false, ID>> {
        let ptr = self.prev();
        // INVARIANT: On the list, and not the next.
        (!ptr.is_null()).then_some(CursorPeek { cursor: self, ptr })
    }

    /// Moves behind the next value; false at the end.
    pub fn move_next(&mut self) -> bool {
        if self.next.is_null() {
            return false;
        }
        // SAFETY: On the list, whose own the links are.
        let next = unsafe { (*self.next).next };
        // INVARIANT: Behind the last one the ring begins again.
        self.next = if next == self.list.first {
            null_mut()
        } else {
            next
        };
        true
    }

    /// Moves in front of the value before; false at the start.
    pub fn move_prev(&mut self) -> bool {
        let prev = self.prev();
        if prev.is_null() {
            return false;
        }
        // INVARIANT: On the list.
        self.next = prev;
        true
    }

    /// Puts a value here, and returns its links.
    fn put(&mut self, item: ListArc<T, ID>) -> *mut ListLinksFields {
        let at_the_start = self.next == self.list.first;
        // At the end it comes in front of the first in the ring.
        let before = if self.next.is_null() {
            self.list.first
        } else {
            self.next
        };
        // SAFETY: On the list, or null if that is empty.
        let item = unsafe { self.list.insert_before(item, before) };
        if at_the_start {
            self.list.first = item;
        }
        item
    }

    /// Puts a value here.
    pub fn insert(mut self, item: ListArc<T, ID>) {
        self.put(item);
    }

    /// Puts a value behind the cursor.
    pub fn insert_next(&mut self, item: ListArc<T, ID>) {
        // INVARIANT: On the list.
        self.next = self.put(item);
    }

    /// Puts a value in front of the cursor.
    pub fn insert_prev(&mut self, item: ListArc<T, ID>) {
        self.put(item);
    }

    /// Takes the value behind the cursor off the list; `None` at the end.
    pub fn remove_next(&mut self) -> Option<ListArc<T, ID>> {
        self.peek_next().map(CursorPeek::remove)
    }

    /// Takes the value in front of the cursor off the list; `None` at the start.
    pub fn remove_prev(&mut self) -> Option<ListArc<T, ID>> {
        self.peek_prev().map(CursorPeek::remove)
    }
}

/// A value next to a cursor.
///
/// # Invariants
///
/// `ptr` is on the list of the cursor, and the next of that if `ISNEXT`, else not.
pub struct CursorPeek<'a, 'b, T: ?Sized + ListItem<ID>, const ISNEXT: bool, const ID: u64> {
    cursor: &'a mut Cursor<'b, T, ID>,
    ptr: *mut ListLinksFields,
}

impl<T: ?Sized + ListItem<ID>, const ISNEXT: bool, const ID: u64>
    CursorPeek<'_, '_, T, ISNEXT, ID>
{
    /// Takes the value off the list.
    pub fn remove(self) -> ListArc<T, ID> {
        if ISNEXT {
            self.cursor.move_next();
        }
        // INVARIANT: The cursor's next stays.
        // SAFETY: On the list.
        unsafe { self.cursor.list.take(self.ptr) }
    }

    /// Borrows the value; the borrow can become an owner.
    pub fn arc(&self) -> ArcBorrow<'_, T> {
        // SAFETY: It stays on the list as long as this is borrowed, and with it the list.
        unsafe { value(self.ptr) }
    }
}

impl<T: ?Sized + ListItem<ID>, const ISNEXT: bool, const ID: u64> Deref
    for CursorPeek<'_, '_, T, ISNEXT, ID>
{
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: It is on the list, and valid there.
        let value = unsafe { T::view_value(super::ListLinks::from_fields(self.ptr)) };
        // SAFETY: It stays there as long as this is borrowed.
        unsafe { &*value }
    }
}
