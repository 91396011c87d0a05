// SPDX-License-Identifier: GPL-2.0-only
//! A scenario from its first line to the last trace of it.

use crate::{
    call::Place,
    command,
    probe::Probes,
    session::{enter, Session},
    statement::statements,
    Refusal, Replay,
};
use ::dma_fence::bindings as c;
use kernel::{
    bindings::rcu_barrier,
    testing::{
        vcpu::{self, Stuck},
        without_checks,
    },
};
use std::sync::Arc;

/// The stack of the thread that runs the commands at top: enough for callbacks
/// nested as deep as there are fences. Only what is used becomes memory.
const STACK: usize = 64 << 20;

/// Runs a scenario and returns its transcript.
///
/// The source may be any bytes. A command that is wrong is refused with a line
/// `? ...` in the transcript and an entry in [`Replay::refusals`], and the
/// scenario goes on with the next. A scenario that does not say `end` gets one.
///
/// Replays share nothing but the kernel and may run in several threads at once.
/// What a scenario leaves behind is signalled and put when it is over, so that
/// nothing of it is left when this function returns.
///
/// # Examples
///
/// ```
/// let replay = dma_fence_scenario::replay(b"context A\nfence a A 1\nput a\n");
/// assert!(replay.transcript.ends_with(b"end\n  = live 0\n"));
/// assert!(replay.refusals.is_empty());
/// assert_eq!(replay.live, 0);
/// ```
pub fn replay(source: &[u8]) -> Replay {
    let session = Arc::new(Session::default());
    let probes = Probes::register();
    let finished = vcpu::fifo_with_stack(STACK, || {
        // Scenarios break rules on purpose.
        without_checks(|| {
            prepare();
            enter(&session, STACK / 2, || {
                play(&session, source);
                tear_down(&session);
            });
        });
    });
    // SAFETY: No locks are held here.
    unsafe { rcu_barrier() };
    drop(probes);
    let mut state = session.state();
    let mut transcript = state.recorder.take();
    if let Err(stuck) = finished {
        let message = match &stuck {
            Stuck::Deadlock => {
                "the scenario got stuck: expected a thread of it that can run, or a timer"
            }
            Stuck::Bug(said) => said,
            Stuck::NoThread => {
                state.no_thread = true;
                "no thread for the scenario: expected the host to have one more"
            }
        };
        transcript.extend_from_slice(format!("  ? {message}\n").as_bytes());
        state.refuse(Refusal {
            line: 1,
            column: 1,
            message: message.to_owned(),
        });
    }
    Replay {
        transcript,
        refusals: std::mem::take(&mut state.refusals),
        live: state.live.unsigned_abs(),
        no_thread: state.no_thread,
    }
}

/// Brings the machine to where scenarios expect it. Its clock is past the first
/// second already, below which timestamps are a scenario's own.
fn prepare() {
    // The stub is made by the first who asks for it, which must not show.
    // SAFETY: May be called by anyone.
    let stub = unsafe { c::dma_fence_get_stub() };
    // SAFETY: The reference is from the line above.
    unsafe { c::dma_fence_put(stub) };
}

fn play(session: &Arc<Session>, source: &[u8]) {
    for statement in statements(source) {
        session.state().recorder.command(statement.text());
        let outcome = command::run(session, &statement, Place::Top);
        vcpu::settle();
        session.state().recorder.outcome("", &outcome);
    }
}

/// Ends whatever the scenario has left, and says nothing about it.
fn tear_down(session: &Arc<Session>) {
    session.state().recorder.mute();
    let fences = session.state().fences.len();
    for index in 0..fences {
        if let Some((fence, _)) = left(session, index) {
            // SAFETY: The fence is not destroyed; nobody else drops references
            // now. At top no locks are held.
            let signaled = unsafe { c::dma_fence_test_signaled_flag(fence) };
            if !signaled {
                // SAFETY: As above.
                unsafe { c::dma_fence_signal(fence) };
            }
        }
    }
    // Threads that were blocked on one of them come to an end.
    vcpu::settle();
    for index in 0..fences {
        while let Some((fence, true)) = left(session, index) {
            if let Some(object) = session.state().fences.get_mut(index) {
                object.held -= 1;
            }
            // SAFETY: The reference was the scenario's.
            unsafe { c::dma_fence_put(fence) };
        }
    }
    vcpu::settle();
}

/// The fence with this place in the table unless it is gone, and whether the
/// scenario holds a reference to it.
fn left(session: &Arc<Session>, index: usize) -> Option<(*mut c::dma_fence, bool)> {
    let state = session.state();
    let object = state.fences.get(index).filter(|object| !object.gone)?;
    Some((object.ptr.0.as_ptr(), object.held > 0))
}
