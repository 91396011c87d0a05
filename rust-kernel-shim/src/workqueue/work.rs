// SPDX-License-Identifier: GPL-2.0-only

//! The part of an object by which it is queued.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).

use super::{WorkItem, WorkItemPointer};
use crate::{bindings, implement::c_synchronises, prelude::*, sync::LockClassKey, types::Opaque};
use core::marker::PhantomData;

/// An initialiser of a [`Work`], with a name for reports, else file and line.
#[macro_export]
macro_rules! new_work {
    ($($name:literal)?) => {
        $crate::workqueue::Work::new($crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_work;

/// The field by which an object of type `T` is queued.
///
/// # Invariants
///
/// The function of the C struct is that of `T`'s [`WorkItem::Pointer`].
#[doc(alias = "work_struct")]
#[pin_data]
#[repr(transparent)]
pub struct Work<T: ?Sized, const ID: u64 = 0> {
    #[pin]
    work: Opaque<bindings::work_struct>,
    _inner: PhantomData<T>,
}

c_synchronises!(Work<T, ID>, T: ?Sized, const ID: u64);

impl<T: ?Sized, const ID: u64> Work<T, ID> {
    /// One that is on no queue.
    #[doc(alias = "INIT_WORK")]
    #[inline]
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self>
    where
        T: WorkItem<ID>,
    {
        let name = name.as_char_ptr();
        // INVARIANT: The function is that of `T`.
        pin_init!(Self {
            work <- Opaque::ffi_init(move |slot| {
                let run = Some(T::Pointer::run as unsafe extern "C" fn(_));
                // SAFETY: The memory is valid; name and key are static.
                unsafe { bindings::init_work_with_key(slot, run, false, name, key.as_ptr()) }
            }),
            _inner: PhantomData,
        })
    }

    /// C's pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is aligned and points to valid memory, initialised or not.
    #[inline]
    pub unsafe fn raw_get(ptr: *const Self) -> *mut bindings::work_struct {
        // SAFETY: The memory is valid.
        Opaque::cast_into(unsafe { &raw const (*ptr).work })
    }
}

/// A type that has a [`Work`] in it; see [`impl_has_work!`].
///
/// # Safety
///
/// Each of the two functions undoes what the other one does.
pub unsafe trait HasWork<T, const ID: u64 = 0> {
    /// From the object to its work.
    ///
    /// # Safety
    ///
    /// `ptr` points to an object.
    unsafe fn raw_get_work(ptr: *mut Self) -> *mut Work<T, ID>;

    /// From the work to the object around it.
    ///
    /// # Safety
    ///
    /// `ptr` points to the work of an object.
    unsafe fn work_container_of(ptr: *mut Work<T, ID>) -> *mut Self;
}

/// Says which field of a type is its [`Work`].
///
/// # Examples
///
/// ```
/// use kernel::workqueue::{impl_has_work, Work};
///
/// struct Job<'a, T, const N: usize> {
///     work: Work<Job<'a, T, N>, 17>,
///     function: fn(&'a [T; N]),
/// }
///
/// impl_has_work! {
///     impl{'a, T, const N: usize} HasWork<Job<'a, T, N>, 17> for Job<'a, T, N> { self.work }
/// }
/// # let _ = |job: Job<'_, u8, 1>| job.function;
/// ```
#[macro_export]
macro_rules! impl_has_work {
    ($(impl$({$($generics:tt)*})?
       HasWork<$work_type:ty $(, $id:tt)?>
       for $self:ty
       { self.$field:ident }
    )*) => {$(
        // SAFETY: Both functions use the same field, whose type the compiler checks.
        unsafe impl$(<$($generics)+>)? $crate::workqueue::HasWork<$work_type $(, $id)?> for $self {
            #[inline]
            unsafe fn raw_get_work(
                object: *mut Self,
            ) -> *mut $crate::workqueue::Work<$work_type $(, $id)?> {
                $crate::__own_field!(mut object.$field)
            }

            #[inline]
            unsafe fn work_container_of(
                work: *mut $crate::workqueue::Work<$work_type $(, $id)?>,
            ) -> *mut Self {
                // SAFETY: The caller says that there is an object around.
                unsafe { $crate::container_of!(work, Self, $field) }
            }
        }
    )*};
}
pub use impl_has_work;
