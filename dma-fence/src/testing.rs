// SPDX-License-Identifier: GPL-2.0-only
//! The door to what exists only in userspace: the books of all fences.

use super::bindings::{
    self, __tracepoint_dma_fence_destroy, __tracepoint_dma_fence_init,
    __tracepoint_dma_fence_signaled, dma_fence, dma_fence_error,
};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use kernel::{
    bindings::{tracepoint, tracepoint_probe_register, tracepoint_probe_unregister},
    error::{to_result, Result},
    ffi::c_void,
};

/// Counts of all fences of the machine since the books were opened.
///
/// They are kept by listening to the trace events, so nothing is counted while no books are
/// open, and several may be.
#[derive(Default)]
pub struct Books {
    created: AtomicUsize,
    signalled: AtomicUsize,
    in_error: AtomicUsize,
    destroyed: AtomicUsize,
}

impl Books {
    /// Empty books, to be opened.
    pub const fn new() -> Self {
        Self {
            created: AtomicUsize::new(0),
            signalled: AtomicUsize::new(0),
            in_error: AtomicUsize::new(0),
            destroyed: AtomicUsize::new(0),
        }
    }

    /// Counts from now on. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EBUSY if too many listen already.
    pub fn open(&'static self) -> Result<OpenBooks> {
        let mut open = OpenBooks {
            books: self,
            listening: 0,
        };
        for (event, probe) in PROBES {
            // SAFETY: The probes count fences in these books, which are static.
            to_result(unsafe { tracepoint_probe_register(event, probe, open.data()) })?;
            open.listening += 1;
        }
        Ok(open)
    }

    /// Fences that were initialised.
    pub fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// Fences that have signalled, with or without an error.
    pub fn signalled(&self) -> usize {
        self.signalled.load(Relaxed)
    }

    /// Fences that have signalled with an error.
    pub fn in_error(&self) -> usize {
        self.in_error.load(Relaxed)
    }

    /// Fences that were initialised and whose last reference is not gone.
    pub fn live(&self) -> usize {
        self.created().saturating_sub(self.destroyed.load(Relaxed))
    }
}

type Probe = unsafe extern "C" fn(*mut c_void, *mut c_void);

static PROBES: [(&tracepoint, Probe); 3] = [
    (&__tracepoint_dma_fence_init, on_init),
    (&__tracepoint_dma_fence_signaled, on_signaled),
    (&__tracepoint_dma_fence_destroy, on_destroy),
];

/// # Safety
///
/// `data` is what [`OpenBooks::data`] gives.
unsafe fn books<'a>(data: *mut c_void) -> &'a Books {
    // SAFETY: By the safety requirements.
    unsafe { &*data.cast::<Books>() }
}

/// # Safety
///
/// `data` is what [`OpenBooks::data`] gives; the other is a fence.
unsafe extern "C" fn on_init(data: *mut c_void, _fence: *mut c_void) {
    // SAFETY: Registered with it.
    unsafe { books(data) }.created.fetch_add(1, Relaxed);
}

/// # Safety
///
/// `data` is what [`OpenBooks::data`] gives; the other is a fence.
unsafe extern "C" fn on_signaled(data: *mut c_void, fence: *mut c_void) {
    // SAFETY: Registered with it.
    let books = unsafe { books(data) };
    books.signalled.fetch_add(1, Relaxed);
    // SAFETY: The object of the event is a fence.
    if unsafe { dma_fence_error(fence.cast::<dma_fence>()) } != 0 {
        books.in_error.fetch_add(1, Relaxed);
    }
}

/// # Safety
///
/// `data` is what [`OpenBooks::data`] gives; the other is a fence.
unsafe extern "C" fn on_destroy(data: *mut c_void, _fence: *mut c_void) {
    // SAFETY: Registered with it.
    unsafe { books(data) }.destroyed.fetch_add(1, Relaxed);
}

/// Books that count until this is dropped.
#[must_use = "dropping it closes the books"]
pub struct OpenBooks {
    books: &'static Books,
    /// How many of the probes are registered.
    listening: usize,
}

impl OpenBooks {
    fn data(&self) -> *mut c_void {
        core::ptr::from_ref(self.books).cast_mut().cast()
    }
}

impl Drop for OpenBooks {
    fn drop(&mut self) {
        for (event, probe) in &PROBES[..self.listening] {
            // SAFETY: Nothing is asked for.
            unsafe { tracepoint_probe_unregister(event, *probe, self.data()) };
        }
    }
}

/// The trace events, to be recorded by [`kernel::testing::trace`].
pub static EVENTS: [&tracepoint; 7] = [
    &bindings::__tracepoint_dma_fence_emit,
    &bindings::__tracepoint_dma_fence_init,
    &bindings::__tracepoint_dma_fence_destroy,
    &bindings::__tracepoint_dma_fence_enable_signal,
    &bindings::__tracepoint_dma_fence_signaled,
    &bindings::__tracepoint_dma_fence_wait_start,
    &bindings::__tracepoint_dma_fence_wait_end,
];
