// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks that run commands.

use crate::{
    fence::is_locked,
    number,
    session::{current, Place, Session},
    statement::Statement,
    world::callback::Linked,
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb};

/// The function of all callbacks, which the kernel calls in atomic context with the lock of the
/// fence held.
///
/// # Safety
///
/// `callback` is that of a [`Node`](crate::world::callback::Node), `fence` the fence that it was
/// added to.
pub(crate) unsafe extern "C" fn run(fence: *mut dma_fence, callback: *mut dma_fence_cb) {
    // SAFETY: It is the first member of a `Linked`. Its place never
    // changes.
    let place = unsafe { (*callback.cast::<Linked>()).place };
    // SAFETY: The fence is valid while its callbacks run.
    let (error, locked) = unsafe { (c::dma_fence_error(fence), is_locked(fence)) };
    current(|session, _| {
        let Some(name) = begin(session, place, error, locked) else {
            return;
        };
        let prefix = format!("! {name}: ");
        let mut step = 0;
        while let Some(action) = action(session, place, step) {
            session.world().recorder.step(&prefix, action.text());
            let outcome = session.run(&action, Place::Callback);
            session.world().recorder.outcome(&prefix, &outcome);
            step += 1;
        }
    });
}

/// The callback is not pending any more; returns its name, if it has something to do.
fn begin(session: &Session, place: usize, error: i32, locked: bool) -> Option<String> {
    let mut world = session.world();
    world.callbacks[place].pending = false;
    let name = world.callbacks[place].name.clone();
    let unlocked = if locked { "" } else { " unlocked" };
    let error = match error {
        0 => String::new(),
        error => format!(" error={}", number::show(error.into())),
    };
    world
        .recorder
        .note(&format!("! cb {name}{unlocked}{error}"));
    (!world.recorder.is_muted()).then_some(name)
}

fn action(session: &Session, place: usize, step: usize) -> Option<Statement> {
    session.world().callbacks[place].actions.get(step).cloned()
}
