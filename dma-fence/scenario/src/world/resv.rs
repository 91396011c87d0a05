// SPDX-License-Identifier: GPL-2.0-only
//! The reservation objects of a scenario.

use ::dma_fence::bindings::{dma_resv, dma_resv_fini, dma_resv_init, dma_resv_unlock};
use kernel::types::Opaque;
use std::sync::Arc;

/// The most reservation objects that a scenario may make.
pub(crate) const MAX_RESVS: usize = 8;

/// The memory of a reservation object, which stays where it is.
pub(crate) struct Resv(Opaque<dma_resv>);

// SAFETY: A reservation object may be used by any task.
unsafe impl Send for Resv {}
// SAFETY: As above.
unsafe impl Sync for Resv {}

impl Resv {
    /// A new one.
    pub(crate) fn new() -> Arc<Self> {
        let new = Arc::new(Self(Opaque::uninit()));
        // SAFETY: The memory is the object's own.
        unsafe { dma_resv_init(new.as_ptr()) };
        new
    }

    /// The object for the C functions.
    pub(crate) fn as_ptr(&self) -> *mut dma_resv {
        self.0.get()
    }
}

/// A reservation object of the scenario.
pub(crate) struct ResvObject {
    pub(crate) name: String,
    pub(crate) resv: Arc<Resv>,
    /// The scenario holds the lock.
    pub(crate) held: bool,
    /// It was ended.
    pub(crate) gone: bool,
    /// Slots that were reserved since the lock was taken, and not used.
    pub(crate) slots: u32,
}

impl ResvObject {
    /// Ends it, whatever it was left in.
    pub(crate) fn end(&mut self) {
        // SAFETY: No thread is left that uses it, and this is the task that has its lock, if one has.
        unsafe {
            if std::mem::take(&mut self.held) {
                dma_resv_unlock(self.resv.as_ptr());
            }
            if !std::mem::replace(&mut self.gone, true) {
                dma_resv_fini(self.resv.as_ptr());
            }
        }
    }
}
