// SPDX-License-Identifier: GPL-2.0-only

//! The part of an object by which it is queued when its time has come.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).

use super::{HasWork, Work, WorkItem, WorkItemPointer};
use crate::{bindings, implement::c_synchronises, prelude::*, sync::LockClassKey, types::Opaque};
use core::marker::PhantomData;

/// Initialises a [`DelayedWork`]; its name is the literal, or file and line.
#[macro_export]
macro_rules! new_delayed_work {
    ($($name:literal)?) => {
        $crate::workqueue::DelayedWork::new(
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
            $crate::optional_name!($($name)?; "_timer"),
            $crate::static_lock_class!(),
        )
    };
}
pub use new_delayed_work;

/// The field by which an object of type `T` is queued, now or later.
///
/// # Invariants
///
/// The function of the C struct is that of `T`'s [`WorkItem::Pointer`].
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::{Arc, Completion},
///     workqueue::{self, impl_has_delayed_work, new_delayed_work, DelayedWork, WorkItem},
/// };
///
/// #[pin_data]
/// struct Alarm {
///     #[pin]
///     rang: Completion,
///     #[pin]
///     work: DelayedWork<Alarm>,
/// }
///
/// impl_has_delayed_work! {
///     impl HasDelayedWork<Self> for Alarm { self.work }
/// }
///
/// impl WorkItem for Alarm {
///     type Pointer = Arc<Alarm>;
///
///     fn run(this: Arc<Alarm>) {
///         this.rang.complete_all();
///     }
/// }
///
/// let alarm = Arc::pin_init(
///     pin_init!(Alarm {
///         rang <- Completion::new(),
///         work <- new_delayed_work!("Alarm::work"),
///     }),
///     GFP_KERNEL,
/// )?;
/// assert!(workqueue::system().enqueue_delayed(alarm.clone(), 2).is_ok());
/// alarm.rang.wait_for_completion();
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "delayed_work")]
#[pin_data]
#[repr(transparent)]
pub struct DelayedWork<T: ?Sized, const ID: u64 = 0> {
    #[pin]
    dwork: Opaque<bindings::delayed_work>,
    _inner: PhantomData<T>,
}

c_synchronises!(DelayedWork<T, ID>, T: ?Sized, const ID: u64);

impl<T: ?Sized, const ID: u64> DelayedWork<T, ID> {
    /// One that is on no queue.
    #[doc(alias = "INIT_DELAYED_WORK")]
    #[inline]
    pub fn new(
        work_name: &'static CStr,
        work_key: Pin<&'static LockClassKey>,
        timer_name: &'static CStr,
        timer_key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self>
    where
        T: WorkItem<ID>,
    {
        let (work_name, timer_name) = (work_name.as_char_ptr(), timer_name.as_char_ptr());
        // INVARIANT: The function is that of `T`.
        pin_init!(Self {
            dwork <- Opaque::ffi_init(move |slot: *mut bindings::delayed_work| {
                let run = Some(T::Pointer::run as unsafe extern "C" fn(_));
                let expired = Some(bindings::delayed_work_timer_fn as unsafe extern "C" fn(_));
                // SAFETY: The slot is valid memory.
                let (work, timer) = unsafe { (&raw mut (*slot).work, &raw mut (*slot).timer) };
                // SAFETY: The memory is valid; name and key are static.
                unsafe {
                    bindings::init_work_with_key(work, run, false, work_name, work_key.as_ptr())
                };
                // SAFETY: The memory is valid; name and key are static; the function is C's own.
                unsafe {
                    bindings::timer_init_key(
                        timer,
                        expired,
                        bindings::TIMER_IRQSAFE,
                        timer_name,
                        timer_key.as_ptr(),
                    )
                };
            }),
            _inner: PhantomData,
        })
    }

    /// The work that is queued when the time has come.
    ///
    /// # Safety
    ///
    /// `ptr` is aligned and points to valid memory, initialised or not.
    #[inline]
    pub unsafe fn raw_as_work(ptr: *const Self) -> *mut Work<T, ID> {
        // SAFETY: The memory is valid.
        let delayed = Opaque::cast_into(unsafe { &raw const (*ptr).dwork });
        // SAFETY: The memory is valid.
        let work = unsafe { &raw mut (*delayed).work };
        // CAST: `Work` is transparent.
        work.cast()
    }
}

/// A type that has a [`DelayedWork`] in it; see [`impl_has_delayed_work!`].
///
/// # Safety
///
/// The work of its [`HasWork`] is that of a `delayed_work`, all of which is as valid.
pub unsafe trait HasDelayedWork<T, const ID: u64 = 0>: HasWork<T, ID> {}

/// Says which field of a type is its [`DelayedWork`], and so its [`Work`].
///
/// # Examples
///
/// ```
/// use kernel::workqueue::{impl_has_delayed_work, DelayedWork};
///
/// struct Job<'a, T, const N: usize> {
///     work: DelayedWork<Job<'a, T, N>, 17>,
///     function: fn(&'a [T; N]),
/// }
///
/// impl_has_delayed_work! {
///     impl{'a, T, const N: usize} HasDelayedWork<Job<'a, T, N>, 17>
///     for Job<'a, T, N> { self.work }
/// }
/// # let _ = |job: Job<'_, u8, 1>| job.function;
/// ```
#[macro_export]
macro_rules! impl_has_delayed_work {
    ($(impl$({$($generics:tt)*})?
       HasDelayedWork<$work_type:ty $(, $id:tt)?>
       for $self:ty
       { self.$field:ident }
    )*) => {$(
        // SAFETY: The work is that of the field, whose type the compiler checks.
        unsafe impl$(<$($generics)+>)?
            $crate::workqueue::HasDelayedWork<$work_type $(, $id)?> for $self {}

        // SAFETY: Both functions are about the work of the same field.
        unsafe impl$(<$($generics)+>)? $crate::workqueue::HasWork<$work_type $(, $id)?> for $self {
            #[inline]
            unsafe fn raw_get_work(
                object: *mut Self,
            ) -> *mut $crate::workqueue::Work<$work_type $(, $id)?> {
                let field: *mut $crate::workqueue::DelayedWork<$work_type $(, $id)?> =
                    $crate::__own_field!(mut object.$field);
                // SAFETY: The field of an object is valid.
                unsafe { $crate::workqueue::DelayedWork::raw_as_work(field) }
            }

            #[inline]
            unsafe fn work_container_of(
                work: *mut $crate::workqueue::Work<$work_type $(, $id)?>,
            ) -> *mut Self {
                // SAFETY: The caller says that there is an object around.
                let work = unsafe { $crate::workqueue::Work::raw_get(work) };
                // SAFETY: The work is that of the object's `delayed_work`.
                let field = unsafe {
                    $crate::container_of!(work, $crate::bindings::delayed_work, work)
                };
                let field: *mut $crate::workqueue::DelayedWork<$work_type $(, $id)?> =
                    field.cast();
                // SAFETY: The `delayed_work` is that of the object's field.
                unsafe { $crate::container_of!(field, Self, $field) }
            }
        }
    )*};
}
pub use impl_has_delayed_work;
