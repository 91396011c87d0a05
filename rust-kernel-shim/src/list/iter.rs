// SPDX-License-Identifier: GPL-2.0-only

//! All values of a list.
//!
//! C header: none.

use super::{value, List, ListArc, ListItem, ListLinksFields};
use crate::sync::ArcBorrow;
use core::{iter::FusedIterator, marker::PhantomData, ptr::null_mut};

/// The values of a list, from [`List::iter`].
///
/// # Invariants
///
/// `next` is null, or on the list, whose first is `first`; the list is borrowed during `'a`.
#[derive(Clone)]
pub struct Iter<'a, T: ?Sized + ListItem<ID>, const ID: u64 = 0> {
    next: *mut ListLinksFields,
    first: *mut ListLinksFields,
    _list: PhantomData<&'a ListArc<T, ID>>,
}

impl<'a, T: ?Sized + ListItem<ID>, const ID: u64> Iter<'a, T, ID> {
    pub(super) fn new(list: &'a List<T, ID>) -> Self {
        // INVARIANT: The first one, or null if there is none.
        Iter {
            next: list.first,
            first: list.first,
            _list: PhantomData,
        }
    }
}

impl<'a, T: ?Sized + ListItem<ID>, const ID: u64> Iterator for Iter<'a, T, ID> {
    type Item = ArcBorrow<'a, T>;

    fn next(&mut self) -> Option<ArcBorrow<'a, T>> {
        let item = self.next;
        if item.is_null() {
            return None;
        }
        // SAFETY: On the list, whose links do not change while it is borrowed.
        let next = unsafe { (*item).next };
        // INVARIANT: Behind the last one the ring begins again.
        self.next = if next == self.first { null_mut() } else { next };
        // SAFETY: It stays on the list while that is borrowed, during 'a.
        Some(unsafe { value(item) })
    }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> FusedIterator for Iter<'_, T, ID> {}

impl<'a, T: ?Sized + ListItem<ID>, const ID: u64> IntoIterator for &'a List<T, ID> {
    type IntoIter = Iter<'a, T, ID>;
    type Item = ArcBorrow<'a, T>;

    fn into_iter(self) -> Iter<'a, T, ID> {
        self.iter()
    }
}

/// The values of a list, which they leave.
pub struct IntoIter<T: ?Sized + ListItem<ID>, const ID: u64 = 0> {
    list: List<T, ID>,
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> Iterator for IntoIter<T, ID> {
    type Item = ListArc<T, ID>;

    fn next(&mut self) -> Option<ListArc<T, ID>> {
        self.list.pop_front()
    }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> FusedIterator for IntoIter<T, ID> {}

impl<T: ?Sized + ListItem<ID>, const ID: u64> DoubleEndedIterator for IntoIter<T, ID> {
    fn next_back(&mut self) -> Option<ListArc<T, ID>> {
        self.list.pop_back()
    }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> IntoIterator for List<T, ID> {
    type IntoIter = IntoIter<T, ID>;
    type Item = ListArc<T, ID>;

    fn into_iter(self) -> IntoIter<T, ID> {
        IntoIter { list: self }
    }
}
