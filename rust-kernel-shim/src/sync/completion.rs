// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for something to be done.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h).

use crate::{bindings, implement::c_synchronises, types::Opaque};
use core::panic::Location;
use pin_init::{pin_data, pin_init, PinInit};

/// Something that is done once, and that others wait for.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::Completion};
///
/// let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
/// done.complete_all();
/// done.wait_for_completion();
/// # Ok::<(), Error>(())
/// ```
#[pin_data]
pub struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

c_synchronises!(Completion);

impl Completion {
    /// Not done yet.
    #[doc(alias = "init_completion")]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn new() -> impl PinInit<Self> {
        let at = Location::caller();
        pin_init!(Self {
            inner <- Opaque::ffi_init(move |slot: *mut bindings::completion| {
                // SAFETY: The memory is valid, and pinned.
                unsafe { bindings::init_completion_at(slot, at) };
            }),
        })
    }

    fn as_raw(&self) -> *mut bindings::completion {
        self.inner.get()
    }

    /// Wakes all waiters, now and later; in any context.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn complete_all(&self) {
        // SAFETY: The completion is initialised.
        unsafe { bindings::complete_all(self.as_raw()) };
    }

    /// Waits until it is done; may sleep, and no signal ends it.
    #[inline]
    #[track_caller]
    pub fn wait_for_completion(&self) {
        // SAFETY: The completion is initialised.
        unsafe { bindings::wait_for_completion(self.as_raw()) };
        bindings::debug_fail_point();
    }
}
