// SPDX-License-Identifier: GPL-2.0-only
//! A scenario from its first line to the last trace of it.

use crate::{
    probe::Probes,
    run::run,
    session::{enter, Place, Session},
    statement::statements,
    world::{fence::FencePtr, resv::ResvObject, Refusal},
};
use ::dma_fence::{
    bindings as c,
    testing::{self, Seen},
    DmaResv, Fence,
};
use core::cmp::Reverse;
use kernel::{
    bindings::rcu_barrier,
    testing::{
        vcpu::{self, Stuck},
        without_checks,
    },
};
use std::sync::{Arc, Mutex, PoisonError};

/// The result of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The transcript.
    pub transcript: Vec<u8>,
    /// The commands that were refused, in the order in which they ran; of more than ten thousand
    /// the first ten thousand.
    pub refusals: Vec<Refusal>,
    /// The number of fences of the scenario that were left after everything was put: those leaked.
    pub live: usize,
    /// True if the host had no thread where the scenario needs one: the transcript is not what the
    /// fences would have made of it.
    pub no_thread: bool,
}

/// The stack of the thread that runs the commands at top: enough for callbacks nested as deep as
/// there are fences. Only what is used becomes memory.
const STACK: usize = 64 << 20;

/// Runs a scenario and returns its transcript.
///
/// The source may be any bytes. A command that is wrong is refused with a line `? ...` in the
/// transcript and an entry in [`Replay::refusals`], and the scenario goes on with the next. A
/// scenario that does not say `end` gets one.
///
/// Replays share nothing but the kernel and may run in several threads at once. What a scenario
/// leaves behind is signalled and put when it is over, so that nothing of it is left when this
/// function returns.
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
    // Nor is the kernel watched around the machine in which it plays: a host that is short of memory
    // has none for places.
    without_checks(|| in_a_machine(source, None))
}

/// As [`replay`], and draws what is there once the commands up to `line` have run, or before the
/// scenario's `end`: what its names lead to, as [`testing::graph`](::dma_fence::testing::graph) does. The
/// text is empty if the host has no memory for it, or if the scenario got stuck before.
///
/// # Examples
///
/// ```
/// let source = b"context A\nfence a A 1\narray both a\nput both\nput a\n";
/// let (picture, _) = dma_fence_scenario::graph(source, Some(3));
/// assert!(picture.contains("f2 -> f1"));
/// ```
pub fn graph(source: &[u8], line: Option<usize>) -> (String, Replay) {
    let line = line.unwrap_or(usize::MAX);
    let drawing = Arc::new(Mutex::default());
    let replay = without_checks(|| in_a_machine(source, Some((line, drawing.clone()))));
    let picture = std::mem::take(&mut *drawing.lock().unwrap_or_else(PoisonError::into_inner));
    (picture, replay)
}

/// The line behind which a picture is wanted, and the picture.
type Drawing = (usize, Arc<Mutex<String>>);

fn in_a_machine(source: &[u8], drawing: Option<Drawing>) -> Replay {
    let session = Session::new(run);
    let probes = Probes::register();
    let (played, source) = (session.clone(), source.to_vec());
    let finished = vcpu::fifo_with_stack(STACK, move || {
        // Scenarios break rules on purpose.
        without_checks(|| {
            prepare();
            enter(&played, STACK / 2, || {
                play(&played, &source, drawing);
                tear_down(&played);
            });
        });
    });
    // SAFETY: This thread may sleep: it holds no lock, and is in no read-side section.
    unsafe { rcu_barrier() };
    drop(probes);
    let mut world = session.world();
    let mut transcript = world.recorder.take();
    if let Err(stuck) = finished {
        let message = match &stuck {
            Stuck::Deadlock(_) | Stuck::Endless(_) => {
                "the scenario got stuck: expected a thread of it that can run, or a timer"
            }
            Stuck::Bug(said) => said,
            Stuck::NoThread => {
                world.no_thread = true;
                "no thread for the scenario: expected the host to have one more"
            }
        };
        transcript.extend_from_slice(format!("  ? {message}\n").as_bytes());
        world.refuse(Refusal {
            line: 1,
            column: 1,
            message: message.to_owned(),
        });
    }
    Replay {
        transcript,
        refusals: std::mem::take(&mut world.refusals),
        live: world.live.unsigned_abs(),
        no_thread: world.no_thread,
    }
}

/// Brings the machine to where scenarios expect it. Its clock is past the first second already,
/// below which timestamps are a scenario's own.
fn prepare() {
    // The first call makes the stub, which must not show.
    // SAFETY: Any task may ask for the stub; the reference is dropped at once.
    unsafe { c::dma_fence_put(c::dma_fence_get_stub()) };
}

fn play(session: &Arc<Session>, source: &[u8], mut drawing: Option<Drawing>) {
    for statement in statements(source) {
        // There is an `end`, whether it was written or not.
        let draws = |(line, _): &mut Drawing| statement.line > *line || statement.text() == b"end";
        if let Some((_, picture)) = drawing.take_if(draws) {
            *picture.lock().unwrap_or_else(PoisonError::into_inner) = draw(session);
        }
        session.world().recorder.command(statement.text());
        let outcome = session.run(&statement, Place::Top);
        vcpu::settle();
        session.world().recorder.outcome("", &outcome);
    }
}

/// Draws what the names of the scenario lead to.
fn draw(session: &Session) -> String {
    let (fences, resvs, callbacks, tasks): (Vec<_>, Vec<_>, Vec<_>, Vec<_>) = {
        let world = session.world();
        let fences = world.fences.iter().filter(|fence| !fence.gone);
        let fences = fences.map(|fence| (fence.name.clone(), fence.ptr));
        let resvs = world.resvs.iter().filter(|resv| !resv.gone);
        let resvs = resvs.map(|resv| (resv.name.clone(), resv.resv.clone()));
        let callbacks = world.callbacks.iter().map(|callback| {
            let start = callback.node.as_ptr().addr();
            let range = start..start + size_of::<c::dma_fence_cb>();
            (callback.name.clone(), range)
        });
        let tasks = world.threads.iter();
        let tasks = tasks.map(|thread| (thread.name.clone(), thread.task.clone()));
        (
            fences.collect(),
            resvs.collect(),
            callbacks.collect(),
            tasks.collect(),
        )
    };
    let mut seen: Vec<(&str, Seen<'_>)> = Vec::new();
    for (name, fence) in &fences {
        // SAFETY: The fence is not destroyed, and no other task runs that could drop a reference.
        seen.push((name, unsafe { Fence::from_raw(fence.0.as_ptr()) }.into()));
    }
    for (name, resv) in &resvs {
        // SAFETY: The object is not ended; `resvs` keeps its memory.
        seen.push((name, unsafe { DmaResv::from_raw(resv.as_ptr()) }.into()));
    }
    for (name, range) in &callbacks {
        seen.push((name, Seen::Callback(range.clone())));
    }
    for (name, task) in &tasks {
        seen.push((name, (&**task).into()));
    }
    testing::graph(&seen).unwrap_or_default()
}

/// Ends whatever the scenario has left, and says nothing about it.
fn tear_down(session: &Session) {
    session.world().recorder.mute();
    let fences = session.world().fences.len();
    for place in 0..fences {
        if let Some((fence, _)) = left(session, place) {
            // SAFETY: The fence is valid: `left()` skips those that are gone, and no other task
            // runs that could drop a reference. Its lock is free: at top none is held.
            unsafe {
                if !c::dma_fence_test_signaled_flag(fence) {
                    c::dma_fence_signal(fence);
                }
            }
        }
    }
    // Threads that were blocked on one of them come to an end.
    vcpu::settle();
    let mut resvs = std::mem::take(&mut session.world().resvs);
    resvs.iter_mut().for_each(ResvObject::end);
    for place in 0..fences {
        while let Some((fence, true)) = left(session, place) {
            session.world().fences[place].held -= 1;
            // SAFETY: The reference was the scenario's, which has just counted it off.
            unsafe { c::dma_fence_put(fence) };
        }
    }
    let mut walked_into = std::mem::take(&mut session.world().walked_into);
    // What is made of others was made after them, and goes before them.
    let place = |fence: &FencePtr| session.world().fences.at(fence.0.as_ptr());
    walked_into.sort_by_key(|fence| Reverse(place(fence)));
    for fence in walked_into {
        while place(&fence).is_some() {
            // SAFETY: The fence is not destroyed, and all references but those of walks are dropped.
            unsafe { c::dma_fence_put(fence.0.as_ptr()) };
        }
    }
    vcpu::settle();
}

/// The fence with this place in the table unless it is gone, and whether the scenario holds a
/// reference to it.
fn left(session: &Session, place: usize) -> Option<(*mut c::dma_fence, bool)> {
    let object = &session.world().fences[place];
    (!object.gone).then_some((object.ptr.0.as_ptr(), object.held > 0))
}
