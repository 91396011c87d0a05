// SPDX-License-Identifier: GPL-2.0-only

//! Lists of reference-counted values, linked through their members.
//!
//! C header: none.
//!
//! To be on a list is a right that a value has once, a [`ListArc`]. The list owns it, so that putting
//! a value there, finding it and taking it out need no memory.
//!
//! Unlike in the kernel, a `ListArc<T>` does not become a `ListArc<dyn Trait>` by itself, and is no
//! receiver, both of which are unstable Rust.

use crate::{sync::ArcBorrow, types::Opaque};
use core::{
    marker::PhantomData,
    ptr::{eq, null_mut},
};

use pin_init::PinInit;

mod arc;
mod arc_field;
mod cursor;
mod impl_list_item_mod;
mod iter;

#[doc(inline)]
pub use arc::{impl_list_arc_safe, AtomicTracker, ListArc, ListArcSafe, TryNewListArc};
#[doc(inline)]
pub use arc_field::{define_list_arc_field_getter, ListArcField};
#[doc(inline)]
pub use cursor::{Cursor, CursorPeek};
#[doc(inline)]
pub use impl_list_item_mod::{
    impl_has_list_links, impl_has_list_links_self_ptr, impl_list_item, HasListLinks, HasSelfPtr,
};
#[doc(inline)]
pub use iter::{IntoIter, Iter};

/// A list; it owns a [`ListArc`] of each value on it.
///
/// A value can be on one list for each `ID`.
///
/// # Invariants
///
/// `first` is null if the list is empty. Otherwise it is the first of a ring of links, each of which
/// `T::prepare_to_insert()` has returned for a value whose `ListArc` the list owns.
///
/// # Examples
///
/// ```
/// use kernel::{list::{impl_list_arc_safe, impl_list_item, List, ListArc, ListLinks}, prelude::*};
///
/// #[pin_data]
/// struct Job {
///     number: u32,
///     #[pin]
///     links: ListLinks,
/// }
///
/// impl_list_arc_safe! {
///     impl ListArcSafe<0> for Job { untracked; }
/// }
///
/// impl_list_item! {
///     impl ListItem<0> for Job { using ListLinks { self.links }; }
/// }
///
/// fn job(number: u32) -> Result<ListArc<Job>> {
///     let init = try_pin_init!(Job { number, links <- ListLinks::new() });
///     ListArc::pin_init(init, GFP_KERNEL)
/// }
///
/// let mut jobs = List::new();
/// jobs.push_back(job(2)?);
/// jobs.push_back(job(3)?);
/// jobs.push_front(job(1)?);
/// assert!(jobs.iter().map(|job| job.number).eq([1, 2, 3]));
///
/// let last = jobs.pop_back().ok_or(ENOENT)?;
/// assert_eq!(last.number, 3);
/// jobs.push_front(last);
/// assert!(jobs.into_iter().map(|job| job.number).eq([3, 1, 2]));
/// # Ok::<(), Error>(())
/// ```
pub struct List<T: ?Sized + ListItem<ID>, const ID: u64 = 0> {
    first: *mut ListLinksFields,
    _owns: PhantomData<ListArc<T, ID>>,
}

// SAFETY: The list owns the `ListArc`s.
unsafe impl<T: ?Sized + ListItem<ID>, const ID: u64> Send for List<T, ID> where ListArc<T, ID>: Send {}

// SAFETY: A shared list shares the `ListArc`s.
unsafe impl<T: ?Sized + ListItem<ID>, const ID: u64> Sync for List<T, ID> where ListArc<T, ID>: Sync {}

/// A value that can be on a list; [`impl_list_item!`] implements it.
///
/// # Safety
///
/// The functions keep their guarantees.
pub unsafe trait ListItem<const ID: u64 = 0>: ListArcSafe<ID> {
    /// Returns the links of a value.
    ///
    /// # Guarantees
    ///
    /// They are what [`Self::prepare_to_insert`] has returned, as long as the value is on a list, and
    /// null and not written to otherwise.
    ///
    /// # Safety
    ///
    /// `me` is valid.
    unsafe fn view_links(me: *const Self) -> *mut ListLinks<ID>;

    /// Returns the value that has links.
    ///
    /// # Guarantees
    ///
    /// It is that which was passed to [`Self::prepare_to_insert`], and is valid while it is on the list.
    ///
    /// # Safety
    ///
    /// `me` is from [`Self::prepare_to_insert`], or later from [`Self::view_links`], and
    /// [`Self::post_remove`] was not called since.
    unsafe fn view_value(me: *mut ListLinks<ID>) -> *const Self;

    /// Makes ready for a list, and returns the links of the value.
    ///
    /// # Guarantees
    ///
    /// They are the caller's alone until it calls [`Self::post_remove`].
    ///
    /// # Safety
    ///
    /// `me` is in an [`Arc`](crate::sync::Arc), and on no list. The caller has the value's `ListArc`,
    /// and keeps it until it has called [`Self::post_remove`].
    unsafe fn prepare_to_insert(me: *const Self) -> *mut ListLinks<ID>;

    /// Ends what [`Self::prepare_to_insert`] has begun.
    ///
    /// # Guarantees
    ///
    /// The result is what was passed there.
    ///
    /// # Safety
    ///
    /// `me` is from [`Self::prepare_to_insert`], and ended once.
    unsafe fn post_remove(me: *mut ListLinks<ID>) -> *const Self;
}

#[repr(C)]
#[derive(Copy, Clone)]
struct ListLinksFields {
    next: *mut ListLinksFields,
    prev: *mut ListLinksFields,
}

impl ListLinksFields {
    /// Those of a value that is on no list.
    const NONE: Self = ListLinksFields {
        next: null_mut(),
        prev: null_mut(),
    };
}

/// Links of a value to its neighbours on a list.
///
/// # Invariants
///
/// Null as long as the value is on no list.
#[repr(transparent)]
pub struct ListLinks<const ID: u64 = 0>(Opaque<ListLinksFields>);

// SAFETY: Only who has the value's `ListArc` uses the links, and that goes nowhere but where it may.
unsafe impl<const ID: u64> Send for ListLinks<ID> {}

// SAFETY: As above; a reference to the links is of no use.
unsafe impl<const ID: u64> Sync for ListLinks<ID> {}

impl<const ID: u64> ListLinks<ID> {
    /// Initialises links of a value that is on no list.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: Null. What was initialised in place before is not initialised again.
        ListLinks(Opaque::new(ListLinksFields::NONE))
    }

    fn fields(me: *mut Self) -> *mut ListLinksFields {
        // CAST: Both are transparent.
        Opaque::cast_into(me.cast())
    }

    fn from_fields(me: *mut ListLinksFields) -> *mut Self {
        // CAST: Both are transparent.
        me.cast()
    }
}

/// As [`ListLinks`], with a pointer to the value, whose size need not be known.
#[repr(C)]
pub struct ListLinksSelfPtr<T: ?Sized, const ID: u64 = 0> {
    /// The links.
    pub inner: ListLinks<ID>,
    /// The value, while it is on a list.
    self_ptr: Opaque<*const T>,
}

// SAFETY: As `ListLinks`; the pointer is used as they are.
unsafe impl<T: ?Sized + Send, const ID: u64> Send for ListLinksSelfPtr<T, ID> {}

// SAFETY: As `ListLinks`; the pointer is used as they are.
unsafe impl<T: ?Sized + Sync, const ID: u64> Sync for ListLinksSelfPtr<T, ID> {}

impl<T: ?Sized, const ID: u64> ListLinksSelfPtr<T, ID> {
    /// Initialises links of a value that is on no list.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: As `ListLinks::new()`.
        ListLinksSelfPtr {
            inner: ListLinks(Opaque::new(ListLinksFields::NONE)),
            self_ptr: Opaque::uninit(),
        }
    }

    /// Returns where the pointer to the value is.
    ///
    /// # Safety
    ///
    /// `me` is valid.
    pub unsafe fn raw_get_self_ptr(me: *const Self) -> *const Opaque<*const T> {
        // SAFETY: `me` is valid: the caller's guarantee.
        unsafe { &raw const (*me).self_ptr }
    }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> List<T, ID> {
    /// Returns an empty list.
    pub const fn new() -> Self {
        // INVARIANT: Empty.
        List {
            first: null_mut(),
            _owns: PhantomData,
        }
    }

    /// Returns whether nothing is on the list.
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Puts a value in front of `next` in the ring, and returns its links.
    ///
    /// # Safety
    ///
    /// `next` is on the list; null if that is empty.
    unsafe fn insert_before(
        &mut self,
        item: ListArc<T, ID>,
        next: *mut ListLinksFields,
    ) -> *mut ListLinksFields {
        let value = item.into_raw();
        // SAFETY: It is in an `Arc`. Its `ListArc` was not the list's, so it is on none.
        let item = ListLinks::fields(unsafe { T::prepare_to_insert(value) });
        // SAFETY: The links are this list's alone, and those of the ring are so too.
        unsafe {
            if next.is_null() {
                // INVARIANT: A ring of one.
                (*item).next = item;
                (*item).prev = item;
                self.first = item;
            } else {
                let prev = (*next).prev;
                (*item).next = next;
                (*item).prev = prev;
                (*prev).next = item;
                (*next).prev = item;
            }
        }
        item
    }

    /// Puts a value at the end of the list.
    pub fn push_back(&mut self, item: ListArc<T, ID>) {
        // SAFETY: The first one, or null. In a ring the last one is in front of the first.
        unsafe { self.insert_before(item, self.first) };
    }

    /// Puts a value at the start of the list.
    pub fn push_front(&mut self, item: ListArc<T, ID>) {
        // SAFETY: The first one, or null.
        self.first = unsafe { self.insert_before(item, self.first) };
    }

    /// Takes the last value off the list; `None` if it is empty.
    pub fn pop_back(&mut self) -> Option<ListArc<T, ID>> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: Not empty; the last one is on the list.
        Some(unsafe { self.take((*self.first).prev) })
    }

    /// Takes the first value off the list; `None` if it is empty.
    pub fn pop_front(&mut self) -> Option<ListArc<T, ID>> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: Not empty; the first one is on the list.
        Some(unsafe { self.take(self.first) })
    }

    /// Takes a value off the list; `None` if it is on no list.
    ///
    /// # Safety
    ///
    /// It is on no other list of this `ID`, nor put on one meanwhile.
    pub unsafe fn remove(&mut self, item: &T) -> Option<ListArc<T, ID>> {
        // SAFETY: A reference is valid.
        let item = ListLinks::fields(unsafe { T::view_links(item) });
        // SAFETY: The links are this list's alone, or null and not written to.
        let next = unsafe { (*item).next };
        if next.is_null() {
            return None;
        }
        // SAFETY: It is on this list. The pointer of the next one is used, since that is not made of
        // a shared reference.
        Some(unsafe { self.take((*next).prev) })
    }

    /// # Safety
    ///
    /// `item` is on the list.
    unsafe fn take(&mut self, item: *mut ListLinksFields) -> ListArc<T, ID> {
        // SAFETY: All links of the ring are this list's alone.
        unsafe {
            let ListLinksFields { next, prev } = *item;
            (*next).prev = prev;
            (*prev).next = next;
            // INVARIANT: If it was the only one, nothing is left.
            if eq(next, item) {
                self.first = null_mut();
            } else if eq(self.first, item) {
                self.first = next;
            }
            *item = ListLinksFields::NONE;
        }
        // SAFETY: From `prepare_to_insert()`, for a value that is on the list no more.
        let value = unsafe { T::post_remove(ListLinks::from_fields(item)) };
        // SAFETY: From `into_raw()`, in `insert_before()`.
        unsafe { ListArc::from_raw(value) }
    }

    /// Moves all values of `other` to the end of this list.
    pub fn push_all_back(&mut self, other: &mut List<T, ID>) {
        let (ours, theirs) = (self.first, other.first);
        if ours.is_null() {
            self.first = theirs;
        } else if !theirs.is_null() {
            // SAFETY: All links of both rings are these lists' alone.
            unsafe {
                let (our_last, their_last) = ((*ours).prev, (*theirs).prev);
                (*our_last).next = theirs;
                (*theirs).prev = our_last;
                (*their_last).next = ours;
                (*ours).prev = their_last;
            }
        }
        // INVARIANT: They are owned once.
        other.first = null_mut();
    }

    /// Returns a cursor in front of the first value.
    pub fn cursor_front(&mut self) -> Cursor<'_, T, ID> {
        Cursor::new(self.first, self)
    }

    /// Returns a cursor behind the last value.
    pub fn cursor_back(&mut self) -> Cursor<'_, T, ID> {
        Cursor::new(null_mut(), self)
    }

    /// Returns all values, in order.
    pub fn iter(&self) -> Iter<'_, T, ID> {
        Iter::new(self)
    }
}

/// The value that has links.
///
/// # Safety
///
/// `item` is on a list, on which it stays during `'a`.
unsafe fn value<'a, T: ?Sized + ListItem<ID>, const ID: u64>(
    item: *mut ListLinksFields,
) -> ArcBorrow<'a, T> {
    // SAFETY: It is on a list: the caller's guarantee.
    let value = unsafe { T::view_value(ListLinks::from_fields(item)) };
    // SAFETY: The list is an owner, so that there is no `UniqueArc`.
    unsafe { ArcBorrow::from_raw(value) }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> Default for List<T, ID> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized + ListItem<ID>, const ID: u64> Drop for List<T, ID> {
    fn drop(&mut self) {
        while let Some(item) = self.pop_front() {
            drop(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prelude::*, sync::Arc};

    #[pin_data]
    struct Item {
        #[pin]
        links: ListLinks,
    }

    impl_list_arc_safe! {
        impl ListArcSafe<0> for Item { untracked; }
    }

    impl_list_item! {
        impl ListItem<0> for Item { using ListLinks { self.links }; }
    }

    #[test]
    fn a_value_is_taken_off_by_reference() -> Result {
        let mut list = List::<Item>::new();
        let mut arcs = KVec::new();
        for _ in 0..4 {
            let item = ListArc::pin_init(
                try_pin_init!(Item { links <- ListLinks::new() }),
                GFP_KERNEL,
            )?;
            arcs.push(item.clone_arc(), GFP_KERNEL)?;
            list.push_back(item);
        }
        let same = |item: &ListArc<Item>, arc: &Arc<Item>| Arc::ptr_eq(item.as_arc(), arc);
        // The first, one between, the last, the only one.
        for (left, n) in [(3, 0), (2, 2), (1, 3), (0, 1)] {
            // SAFETY: There is one list.
            let item = unsafe { list.remove(&arcs[n]) };
            assert!(item.is_some_and(|item| same(&item, &arcs[n])));
            assert_eq!(list.iter().count(), left);
            // SAFETY: There is one list.
            assert!(unsafe { list.remove(&arcs[n]) }.is_none());
        }
        assert!(list.is_empty());
        Ok(())
    }
}
