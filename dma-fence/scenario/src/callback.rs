// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks that run commands.

use crate::{
    call::Place,
    command,
    fence::is_locked,
    number,
    session::{current, Session},
    statement::Statement,
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb};
use core::{mem::MaybeUninit, ptr::NonNull};
use std::sync::Arc;

/// How many callbacks a scenario may have.
pub(crate) const MAX_CALLBACKS: usize = 48;

/// How many commands a callback may run.
pub(crate) const MAX_ACTIONS: usize = 6;

/// A callback of the scenario.
pub(crate) struct CallbackObject {
    pub(crate) node: Node,
    pub(crate) name: String,
    /// The fence that it was offered to last.
    pub(crate) target: Option<usize>,
    pub(crate) pending: bool,
    /// What it does.
    pub(crate) actions: Vec<Statement>,
}

/// What is linked into the list of a fence.
#[repr(C)]
struct Linked {
    // First, so that its address is that of the whole.
    base: MaybeUninit<dma_fence_cb>,
    /// Its place in the table of callbacks.
    index: usize,
}

/// The memory of a callback, which the kernel keeps in its lists.
///
/// # Invariants
///
/// The pointer comes from `Box::into_raw()`.
pub(crate) struct Node(NonNull<Linked>);

// SAFETY: A callback may be added, run and removed in any thread.
unsafe impl Send for Node {}

impl Node {
    /// A node for the callback with this place in the table.
    pub(crate) fn new(index: usize) -> Self {
        let linked = Box::into_raw(Box::new(Linked {
            base: MaybeUninit::zeroed(),
            index,
        }));
        // INVARIANT: It comes from a box.
        // SAFETY: A pointer from a box is not null.
        Self(unsafe { NonNull::new_unchecked(linked) })
    }

    /// The callback for the C functions.
    pub(crate) fn as_ptr(&self) -> *mut dma_fence_cb {
        self.0.as_ptr().cast()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it comes from a box. The replay drops
        // its callbacks after it has signalled all fences, which empties lists.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The function of all callbacks, which the kernel calls in atomic context with
/// the lock of the fence held.
///
/// # Safety
///
/// `callback` is a [`Node`], `fence` is the fence that it was added to.
pub(crate) unsafe extern "C" fn run(fence: *mut dma_fence, callback: *mut dma_fence_cb) {
    let linked: *mut Linked = callback.cast();
    // SAFETY: By the safety requirements; the index never changes.
    let index = unsafe { (*linked).index };
    // SAFETY: The fence is alive while its callbacks run.
    let error = unsafe { c::dma_fence_error(fence) };
    // SAFETY: As above.
    let locked = unsafe { is_locked(fence) };
    current(|session, _| {
        let Some(name) = begin(session, index, error, locked) else {
            return;
        };
        let mut step = 0;
        while let Some(action) = action(session, index, step) {
            session.state().recorder.step(&name, action.text());
            let outcome = command::run(session, &action, Place::Callback);
            let prefix = format!("! {name}: ");
            session.state().recorder.outcome(&prefix, &outcome);
            step += 1;
        }
    });
}

/// The callback is not pending any more; its name, if it should do something.
fn begin(session: &Arc<Session>, index: usize, error: i32, locked: bool) -> Option<String> {
    let mut state = session.state();
    let callback = state.callbacks.get_mut(index)?;
    callback.pending = false;
    let name = callback.name.clone();
    let unlocked = if locked { "" } else { " unlocked" };
    let error = match error {
        0 => String::new(),
        error => format!(" error={}", number::show(error.into())),
    };
    state
        .recorder
        .note(&format!("! cb {name}{unlocked}{error}"));
    (!state.recorder.is_muted()).then_some(name)
}

fn action(session: &Arc<Session>, index: usize, step: usize) -> Option<Statement> {
    let state = session.state();
    state.callbacks.get(index)?.actions.get(step).cloned()
}
