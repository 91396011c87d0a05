// SPDX-License-Identifier: GPL-2.0-only
//! The callbacks of a scenario.

use crate::statement::Statement;
use ::dma_fence::bindings::dma_fence_cb;
use core::{mem::MaybeUninit, ptr::NonNull};

/// The most callbacks that a scenario may have.
pub(crate) const MAX_CALLBACKS: usize = 48;

/// The most commands that a callback may run.
pub(crate) const MAX_ACTIONS: usize = 6;

/// A callback of the scenario.
pub(crate) struct CallbackObject {
    pub(crate) node: Node,
    pub(crate) name: String,
    /// The fence that it was offered to last.
    pub(crate) target: Option<usize>,
    pub(crate) pending: bool,
    /// The commands that it runs.
    pub(crate) actions: Vec<Statement>,
}

impl CallbackObject {
    /// A callback for this place in the table, which does nothing yet.
    pub(crate) fn new(place: usize, name: &str) -> Self {
        Self {
            node: Node::new(place),
            name: name.to_owned(),
            target: None,
            pending: false,
            actions: Vec::new(),
        }
    }
}

/// A link in the list of a fence.
#[repr(C)]
pub(crate) struct Linked {
    // First, so that its address is that of the whole.
    base: MaybeUninit<dma_fence_cb>,
    /// Its place in the table of callbacks.
    pub(crate) place: usize,
}

/// The memory of a callback, which the kernel keeps in its lists.
///
/// # Invariants
///
/// The pointer comes from `Box::into_raw()`.
pub(crate) struct Node(NonNull<Linked>);

// SAFETY: The node owns its memory, which has no data of a thread; the kernel links it under the
// lock of its fence, and may run and unlink it on any thread.
unsafe impl Send for Node {}

impl Node {
    fn new(place: usize) -> Self {
        let base = MaybeUninit::zeroed();
        // INVARIANT: It comes from a box.
        Self(NonNull::from(Box::leak(Box::new(Linked { base, place }))))
    }

    /// The callback for the C functions.
    pub(crate) fn as_ptr(&self) -> *mut dma_fence_cb {
        self.0.as_ptr().cast()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: It comes from a box. The replay drops its callbacks after it has signalled all
        // fences, so it is on no list.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
