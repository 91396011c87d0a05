// SPDX-License-Identifier: GPL-2.0-only
//! The annotation of code that fences need in order to signal.

use super::bindings;
use kernel::types::NotThreadSafe;

/// A section without which some published fence would not signal: from where the fence is
/// visible to others to where it signals, on whatever thread.
///
/// Inside, nothing may wait for what itself may wait for a fence: no reservation lock, no
/// allocation that can reclaim memory, no lock that is held elsewhere across a wait. Lockdep
/// checks this against the whole kernel, and without lockdep the annotation costs nothing.
/// Sections nest, from any context.
///
/// # Examples
///
/// ```
/// use dma_fence::Signalling;
///
/// fn complete_job() {
///     let _signalling = Signalling::begin();
///     // Whatever it takes to signal the job's fence.
/// }
/// # complete_job();
/// ```
#[must_use = "the section ends when this is dropped"]
#[doc(alias("dma_fence_begin_signalling", "dma_fence_end_signalling"))]
pub struct Signalling {
    cookie: bool,
    _not_send: NotThreadSafe,
}

impl Signalling {
    /// Begins a section. From any context.
    #[track_caller]
    pub fn begin() -> Self {
        Self {
            // SAFETY: It has no preconditions; the section ends when this is dropped, on the same
            // thread.
            cookie: unsafe { bindings::dma_fence_begin_signalling() },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        // SAFETY: The cookie is that of the section's beginning.
        unsafe { bindings::dma_fence_end_signalling(self.cookie) };
    }
}
