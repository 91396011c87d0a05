// SPDX-License-Identifier: GPL-2.0-only

//! The right to put a value on a list.
//!
//! C header: none.

use crate::{
    alloc::{AllocError, Flags},
    build_assert::const_assert,
    prelude::*,
    sync::{
        atomic::{ordering, AtomicFlag},
        Arc, ArcBorrow, UniqueArc,
    },
};
use core::{marker::PhantomPinned, ops::Deref};

/// A value that has at most one [`ListArc`] for `ID`; [`impl_list_arc_safe!`] implements it.
///
/// It may keep a note of whether there is one. The note may say that there is one where there is none,
/// but not the other way round. Without a note, only who is the only owner can make one.
pub trait ListArcSafe<const ID: u64 = 0> {
    /// Notes that there is a `ListArc`, whatever the note said.
    ///
    /// # Safety
    ///
    /// There was none.
    unsafe fn on_create_list_arc_from_unique(self: Pin<&mut Self>);

    /// Notes that there is no `ListArc` any more.
    ///
    /// # Safety
    ///
    /// There is none, and the note says that there is one.
    unsafe fn on_drop_list_arc(&self);
}

/// A value that knows whether it has a [`ListArc`].
///
/// # Safety
///
/// [`Self::try_new_list_arc`] keeps its guarantee.
pub unsafe trait TryNewListArc<const ID: u64 = 0>: ListArcSafe<ID> {
    /// Notes that there is a `ListArc` if the note says that there is none; true if so. For
    /// [`ListArc::try_from_arc`].
    ///
    /// # Guarantees
    ///
    /// If it returns true there is none, and it has done so once since there was one.
    fn try_new_list_arc(&self) -> bool;
}

/// Implements [`ListArcSafe`] for types, without a note or with one in a field of theirs.
///
/// # Examples
///
/// ```
/// use kernel::{list::{impl_list_arc_safe, AtomicTracker, ListArc}, prelude::*, sync::Arc};
///
/// #[pin_data]
/// struct Job {
///     #[pin]
///     tracker: AtomicTracker,
/// }
///
/// impl_list_arc_safe! {
///     impl ListArcSafe<0> for Job { tracked_by tracker: AtomicTracker; }
/// }
///
/// let job = Arc::pin_init(pin_init!(Job { tracker <- AtomicTracker::new() }), GFP_KERNEL)?;
/// let right = ListArc::<Job>::try_from_arc(job.clone()).map_err(|_| EBUSY)?;
/// assert!(ListArc::<Job>::try_from_arc(job.clone()).is_err());
/// drop(right);
/// assert!(ListArc::<Job>::try_from_arc(job).is_ok());
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! impl_list_arc_safe {
    (impl$({$($generics:tt)*})? ListArcSafe<$num:tt> for $t:ty { untracked; } $($rest:tt)*) => {
        impl$(<$($generics)*>)? $crate::list::ListArcSafe<$num> for $t {
            unsafe fn on_create_list_arc_from_unique(self: ::core::pin::Pin<&mut Self>) {}

            unsafe fn on_drop_list_arc(&self) {}
        }
        $crate::list::impl_list_arc_safe! { $($rest)* }
    };

    (impl$({$($generics:tt)*})? ListArcSafe<$num:tt> for $t:ty {
        tracked_by $field:ident : $fty:ty;
    } $($rest:tt)*) => {
        impl$(<$($generics)*>)? $crate::list::ListArcSafe<$num> for $t {
            unsafe fn on_create_list_arc_from_unique(self: ::core::pin::Pin<&mut Self>) {
                ::pin_init::assert_pinned!($t, $field, $fty, inline);

                // SAFETY: The field is pinned as the value is, says the line above.
                let field = unsafe {
                    ::core::pin::Pin::map_unchecked_mut(self, |value| &mut value.$field)
                };
                // SAFETY: There was no `ListArc`: the caller's guarantee.
                unsafe {
                    <$fty as $crate::list::ListArcSafe<$num>>::on_create_list_arc_from_unique(field)
                };
            }

            unsafe fn on_drop_list_arc(&self) {
                // SAFETY: There is no `ListArc`, but in the note: the caller's guarantee.
                unsafe { <$fty as $crate::list::ListArcSafe<$num>>::on_drop_list_arc(&self.$field) };
            }
        }

        // SAFETY: The note is that of the field, which is this value's.
        unsafe impl$(<$($generics)*>)? $crate::list::TryNewListArc<$num> for $t
        where
            $fty: $crate::list::TryNewListArc<$num>,
        {
            fn try_new_list_arc(&self) -> bool {
                <$fty as $crate::list::TryNewListArc<$num>>::try_new_list_arc(&self.$field)
            }
        }
        $crate::list::impl_list_arc_safe! { $($rest)* }
    };

    () => {};
}
pub use impl_list_arc_safe;

/// An owner of a value, which alone may put it on lists of one `ID`.
///
/// There may be other owners, [`Arc`]s; they have no such right.
///
/// # Invariants
///
/// It is the only one of the value for this `ID`, and the value's note says that there is one.
#[repr(transparent)]
#[cfg_attr(unstable, derive(core::marker::CoercePointee))]
pub struct ListArc<T: ListArcSafe<ID> + ?Sized, const ID: u64 = 0> {
    arc: Arc<T>,
}

impl<T: ListArcSafe<ID>, const ID: u64> ListArc<T, ID> {
    /// Allocates memory for `contents`; may sleep if `flags` say so.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new(contents: T, flags: Flags) -> Result<Self, AllocError> {
        UniqueArc::new(contents, flags).map(Self::from)
    }

    /// Allocates memory and initialises it in place; may sleep if `flags` say so.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self, E>
    where
        E: From<AllocError>,
    {
        UniqueArc::try_pin_init(init, flags).map(Self::from)
    }

    /// As [`Self::pin_init`], of a value that could have been moved.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self, E>
    where
        E: From<AllocError>,
    {
        UniqueArc::try_init(init, flags).map(Self::from)
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> From<UniqueArc<T>> for ListArc<T, ID> {
    #[inline]
    fn from(unique: UniqueArc<T>) -> Self {
        Self::from(Pin::from(unique))
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> From<Pin<UniqueArc<T>>> for ListArc<T, ID> {
    #[inline]
    fn from(mut unique: Pin<UniqueArc<T>>) -> Self {
        // SAFETY: It would be another owner.
        unsafe { T::on_create_list_arc_from_unique(unique.as_mut()) };
        // INVARIANT: The only one, and noted just now.
        ListArc {
            arc: Arc::from(unique),
        }
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> ListArc<T, ID> {
    /// Makes a right for each of two `ID`s, which must differ.
    #[inline]
    pub fn pair_from_unique<const ID2: u64>(unique: UniqueArc<T>) -> (Self, ListArc<T, ID2>)
    where
        T: ListArcSafe<ID2>,
    {
        Self::pair_from_pin_unique(Pin::from(unique))
    }

    /// As [`Self::pair_from_unique`], of a pinned value.
    #[inline]
    pub fn pair_from_pin_unique<const ID2: u64>(
        mut unique: Pin<UniqueArc<T>>,
    ) -> (Self, ListArc<T, ID2>)
    where
        T: ListArcSafe<ID2>,
    {
        const_assert!(ID != ID2, "two rights for one list");
        // SAFETY: It would be another owner.
        unsafe { <T as ListArcSafe<ID2>>::on_create_list_arc_from_unique(unique.as_mut()) };
        let first = Self::from(unique);
        // INVARIANT: The only one for this `ID`, and noted above.
        let second = ListArc {
            arc: first.clone_arc(),
        };
        (first, second)
    }

    /// Makes an owner one that has the right; returns it if another has.
    pub fn try_from_arc(arc: Arc<T>) -> Result<Self, Arc<T>>
    where
        T: TryNewListArc<ID>,
    {
        if arc.try_new_list_arc() {
            // INVARIANT: There was none, and it is noted, says the guarantee.
            Ok(ListArc { arc })
        } else {
            Err(arc)
        }
    }

    /// As [`Self::try_from_arc`], of a borrow; `None` if another owner has the right.
    pub fn try_from_arc_borrow(arc: ArcBorrow<'_, T>) -> Option<Self>
    where
        T: TryNewListArc<ID>,
    {
        // INVARIANT: There was none, and it is noted, says the guarantee.
        (arc.try_new_list_arc()).then(|| ListArc { arc: arc.into() })
    }

    /// As [`Self::try_from_arc`]; if another owner has the right, drops this one, and not the value.
    pub fn try_from_arc_or_drop(arc: Arc<T>) -> Option<Self>
    where
        T: TryNewListArc<ID>,
    {
        match Self::try_from_arc(arc) {
            Ok(right) => Some(right),
            // If it was the last owner, no one has the right, whatever the note says.
            Err(arc) => Arc::into_unique_or_drop(arc).map(Self::from),
        }
    }

    /// The owner, without the note that the right is gone.
    #[inline]
    fn keep_note(self) -> Arc<T> {
        let right = core::mem::ManuallyDrop::new(self);
        // SAFETY: `right` is not dropped, nor used again.
        unsafe { core::ptr::read(&right.arc) }
    }

    /// Passes the ownership and the right to the caller; [`Self::from_raw`] takes them back.
    #[inline]
    pub fn into_raw(self) -> *const T {
        self.keep_note().into_raw()
    }

    /// Takes back what [`Self::into_raw`] returned.
    ///
    /// # Safety
    ///
    /// As [`Arc::from_raw`]; there is no `ListArc` of the value, and its note says that there is one.
    #[inline]
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // INVARIANT: The only one: the caller's guarantee.
        ListArc {
            // SAFETY: From `into_raw()`, taken back once: the caller's guarantee.
            arc: unsafe { Arc::from_raw(ptr) },
        }
    }

    /// Gives up the right, and stays an owner.
    #[inline]
    pub fn into_arc(self) -> Arc<T> {
        let arc = self.keep_note();
        // SAFETY: This was the one that the note is of.
        unsafe { T::on_drop_list_arc(&arc) };
        arc
    }

    /// Returns another owner, without the right.
    #[inline]
    pub fn clone_arc(&self) -> Arc<T> {
        self.arc.clone()
    }

    /// Returns the owner, to clone it for example.
    #[inline]
    pub fn as_arc(&self) -> &Arc<T> {
        &self.arc
    }

    /// Borrows the value; the borrow can become an owner.
    #[inline]
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        self.arc.as_arc_borrow()
    }

    /// Returns whether both own the same value.
    #[inline]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&this.arc, &other.arc)
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> Deref for ListArc<T, ID> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.arc
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> Drop for ListArc<T, ID> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This was the one that the note is of, says the invariant.
        unsafe { T::on_drop_list_arc(&self.arc) };
    }
}

impl<T: ListArcSafe<ID> + ?Sized, const ID: u64> AsRef<Arc<T>> for ListArc<T, ID> {
    #[inline]
    fn as_ref(&self) -> &Arc<T> {
        self.as_arc()
    }
}

/// A note of whether there is a [`ListArc`], in a field of the value.
///
/// # Invariants
///
/// If it says that there is none, there is none. It stays in its value, as it is pinned.
#[repr(transparent)]
pub struct AtomicTracker<const ID: u64 = 0> {
    exists: AtomicFlag,
    _pin: PhantomPinned,
}

impl<const ID: u64> AtomicTracker<ID> {
    /// Initialises a note that says that there is none.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: What was initialised in place before, in an `Arc`, is not initialised again.
        AtomicTracker {
            exists: AtomicFlag::new(false),
            _pin: PhantomPinned,
        }
    }
}

impl<const ID: u64> ListArcSafe<ID> for AtomicTracker<ID> {
    unsafe fn on_create_list_arc_from_unique(self: Pin<&mut Self>) {
        self.exists.store(true, ordering::Relaxed);
    }

    unsafe fn on_drop_list_arc(&self) {
        // INVARIANT: There is none any more: the caller's guarantee.
        // Pairs with the `Acquire` in `try_new_list_arc()`: what was done with the last right comes
        // before what is done with the next.
        self.exists.store(false, ordering::Release);
    }
}

// SAFETY: By the invariant there is none where it says so, and of those who ask one finds it so.
unsafe impl<const ID: u64> TryNewListArc<ID> for AtomicTracker<ID> {
    fn try_new_list_arc(&self) -> bool {
        // Pairs with the `Release` in `on_drop_list_arc()`.
        (self.exists.cmpxchg(false, true, ordering::Acquire)).is_ok()
    }
}
