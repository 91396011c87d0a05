// SPDX-License-Identifier: GPL-2.0-only

//! Sleepable read-copy update.
//!
//! C header: [`include/linux/srcu.h`](srctree/include/linux/srcu.h).

use crate::{
    bindings,
    error::{to_result, Error},
    implement::c_synchronises,
    str::{CStr, CStrExt as _},
    sync::LockClassKey,
    try_pin_init,
    types::{NotThreadSafe, Opaque},
};
use core::pin::Pin;
use pin_init::{pin_data, pinned_drop, PinInit};

/// Initialises an [`Srcu`](crate::sync::Srcu); its name is the literal, or file and line.
#[macro_export]
macro_rules! new_srcu {
    ($($name:literal)?) => {
        $crate::sync::Srcu::new($crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_srcu;

/// A domain of readers that may sleep.
///
/// Dropping it waits for readers and callbacks, so that it may sleep: forever, if a guard was
/// forgotten.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::{new_srcu, Srcu}};
///
/// #[pin_data]
/// struct Device {
///     #[pin]
///     users: Srcu,
/// }
///
/// let device = KBox::try_pin_init(
///     try_pin_init!(Device { users <- new_srcu!("Device::users") }),
///     GFP_KERNEL,
/// )?;
/// let user = device.users.read_lock();
/// user.unlock();
/// // Sections that have begun before this are over after it.
/// device.users.synchronize();
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "srcu_struct")]
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub struct Srcu {
    #[pin]
    inner: Opaque<bindings::srcu_struct>,
}

c_synchronises!(Srcu);

impl Srcu {
    /// Initialises a domain; for [`new_srcu!`](crate::new_srcu). May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "init_srcu_struct")]
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- Opaque::try_ffi_init(|slot: *mut bindings::srcu_struct| {
                // SAFETY: The memory is valid, and pinned until it is cleaned up by drop().
                to_result(unsafe {
                    bindings::init_srcu_struct_with_key(slot, name.as_char_ptr(), key.as_ptr())
                })
            }),
        }? Error)
    }

    /// Begins a section, in which the task may sleep.
    #[doc(alias = "srcu_read_lock")]
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn read_lock(&self) -> Guard<'_> {
        // SAFETY: The domain is initialised. Unlocked by the guard's drop(), in the same thread.
        let idx = unsafe { bindings::srcu_read_lock(self.inner.get()) };
        Guard {
            srcu: self,
            idx,
            _not_send: NotThreadSafe,
        }
    }

    /// Waits until all sections begun so far have ended; may sleep.
    #[doc(alias = "synchronize_srcu")]
    #[inline]
    #[track_caller]
    pub fn synchronize(&self) {
        // SAFETY: The domain is initialised; C checks the context.
        unsafe { bindings::synchronize_srcu(self.inner.get()) };
    }

    /// As [`synchronize`](Self::synchronize), sooner but at a higher cost for all; here they are
    /// one.
    #[doc(alias = "synchronize_srcu_expedited")]
    #[inline]
    #[track_caller]
    pub fn synchronize_expedited(&self) {
        // SAFETY: The domain is initialised; C checks the context.
        unsafe { bindings::synchronize_srcu_expedited(self.inner.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Srcu {
    fn drop(self: Pin<&mut Self>) {
        let srcu = self.inner.get();
        // SAFETY: The domain is initialised. A guard that was forgotten has its section open
        // forever: the wait for that keeps the memory.
        unsafe {
            if crate::warn_on!(bindings::srcu_readers_active(srcu)) {
                bindings::synchronize_srcu(srcu);
            }
            bindings::srcu_barrier(srcu);
            bindings::cleanup_srcu_struct(srcu);
        }
    }
}

/// A read-side section of an [`Srcu`].
///
/// Having one tells you that what was reachable when it began, and is freed after a grace period
/// of that domain, stays in memory until it ends. Sections nest.
#[must_use = "the section ends at once if the guard is not kept"]
pub struct Guard<'a> {
    srcu: &'a Srcu,
    idx: i32,
    _not_send: NotThreadSafe,
}

impl Guard<'_> {
    /// Ends the section.
    #[doc(alias = "srcu_read_unlock")]
    #[inline]
    pub fn unlock(self) {}
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Locked by `Srcu::read_lock()`, which returned the index, in this thread.
        unsafe { bindings::srcu_read_unlock(self.srcu.inner.get(), self.idx) };
    }
}
