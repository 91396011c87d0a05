// SPDX-License-Identifier: GPL-2.0-only
//! Commands that wait, and threads that do.

use super::{keeps, threaded, top, Command, ANY};
use crate::{
    call::Call,
    fence::Fence,
    name::Kind,
    number,
    outcome::{limit, refuse, refused, Answer, Outcome, Refused},
    session::Place,
    thread,
    world::{
        fence::{FenceKind, Script},
        thread::MAX_THREADS,
    },
};
use ::dma_fence::bindings as c;
use kernel::{
    bindings::{send_sig, MAX_SCHEDULE_TIMEOUT, SIGUSR1},
    ffi::c_long,
    testing::vcpu,
};

pub(crate) const COMMANDS: &[Command] = &[
    threaded("wait", (1, 2), "FENCE [intr]", wait),
    threaded("wait_timeout", (2, 3), "FENCE JIFFIES [intr]", wait_timeout),
    threaded("default_wait", (2, 3), "FENCE JIFFIES [intr]", default_wait),
    threaded(
        "wait_any_timeout",
        (1, ANY),
        "JIFFIES FENCE... [intr]",
        wait_any_timeout,
    ),
    keeps(
        Place::Thread,
        top("thread", (2, ANY), "NEW COMMAND...", thread),
    ),
    top("interrupt", (1, 1), "THREAD", interrupt),
];

/// The most jiffies that a scenario may sleep at top, all its waits together.
///
/// That is some 139 years. The clock is virtual, so they pass in no time; but it has an end, as the
/// kernel's clock has.
const LONGEST_SLEEP: u64 = 1 << 40;

/// The longest timeout is no timeout at all, to be refused like all too long.
const _: () = assert!(MAX_SCHEDULE_TIMEOUT as u64 > LONGEST_SLEEP);

/// The result of a wait in jiffies.
pub(super) fn waited(call: &Call<'_>, result: c_long) -> String {
    match result {
        0 => "timeout".to_owned(),
        1.. if call.place == Place::Thread => "done".to_owned(),
        1.. => result.to_string(),
        _ => number::show(result as i64),
    }
}

/// Returns the script of the fence's ops, if they are the scenario's.
fn script(call: &Call<'_>, fence: Fence<'_>) -> Script {
    match fence.kind(call.session) {
        FenceKind::Scripted(script) => script,
        _ => Script::default(),
    }
}

/// Is the fence signalled, or will it refuse when it is enabled now, or all that it is made of, and so
/// be signalled?
fn ends(call: &Call<'_>, fence: Fence<'_>) -> bool {
    let refuses = || match fence.kind(call.session) {
        FenceKind::Container(_) => {
            // An array without members, once it is enabled, waits to be asked.
            let parts = call.parts(fence);
            !parts.is_empty() && parts.into_iter().all(|part| ends(call, part))
        }
        _ => script(call, fence).refuses,
    };
    fence.is_flagged() || (!fence.is_enabled() && refuses())
}

/// Refuses a wait at top that would never end.
///
/// `ends` is whether the wait ends at once; otherwise it runs out, since no task is left that could
/// signal the fence.
pub(super) fn may_sleep(
    call: &Call<'_>,
    index: usize,
    timeout: c_long,
    ends: bool,
) -> Result<(), Refused> {
    let jiffies = u64::try_from(timeout).unwrap_or(0);
    if call.place == Place::Thread || ends || jiffies == 0 {
        return Ok(());
    }
    let mut world = call.world();
    let slept = world.slept.saturating_add(jiffies);
    if slept > LONGEST_SLEEP {
        refuse!(
            index,
            "the wait would not end: nothing signals the fence; expected a thread, or waits of at \
             most {LONGEST_SLEEP} jiffies together"
        );
    }
    world.slept = slept;
    Ok(())
}

/// A timeout, which is a long in the kernel as well.
pub(super) fn jiffies(call: &Call<'_>, index: usize) -> Result<c_long, Refused> {
    let timeout = call.signed(index)?;
    c_long::try_from(timeout).map_err(|_| {
        let (least, most) = (c_long::MIN, c_long::MAX);
        refused!(
            index,
            "not a timeout: {timeout}; expected {least} to {most}"
        )
    })
}

/// The longest that a fence may be waited for which is one of many: an op says itself what is left for
/// those after it.
pub(super) fn longest(call: &Call<'_>, timeout: c_long) -> c_long {
    let world = call.world();
    let answers = world.fences.iter().filter_map(|object| match object.kind {
        FenceKind::Scripted(script) => c_long::try_from(script.wait?).ok(),
        _ => None,
    });
    answers.fold(timeout, c_long::max)
}

fn wait(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let intr = call.flag(2, "intr")?;
    if call.place != Place::Thread && !fence.is_flagged() {
        refuse!(
            1,
            "{} is not signalled and nothing would signal it; expected a signalled fence or a thread",
            call.name_at(fence.as_ptr())
        );
    }
    // SAFETY: The scenario holds a reference until this command is over, and no locks, since this
    // is no callback.
    let result = unsafe { c::dma_fence_wait(fence.as_ptr(), intr) };
    Answer::number(result as i64)
}

fn wait_timeout(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let timeout = jiffies(call, 2)?;
    let intr = call.flag(3, "intr")?;
    let ends = ends(call, fence) || script(call, fence).wait.is_some();
    may_sleep(call, 2, timeout, ends)?;
    // SAFETY: The scenario holds a reference until this command is over, and no locks, since this
    // is no callback.
    let result = unsafe { c::dma_fence_wait_timeout(fence.as_ptr(), intr, timeout) };
    Answer::text(waited(call, result))
}

fn default_wait(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let timeout = jiffies(call, 2)?;
    let intr = call.flag(3, "intr")?;
    may_sleep(call, 2, timeout, fence.is_flagged())?;
    // SAFETY: The scenario holds a reference until this command is over, and no locks, since this
    // is no callback.
    let result = unsafe { c::dma_fence_default_wait(fence.as_ptr(), intr, timeout) };
    Answer::text(waited(call, result))
}

fn wait_any_timeout(call: &Call<'_>) -> Outcome {
    let timeout = jiffies(call, 1)?;
    let mut intr = false;
    let mut fences = Vec::new();
    for index in 2..call.len() {
        match call.word(index) {
            b"intr" => intr = true,
            _ => fences.push(call.fence(index)?),
        }
    }
    let ends = fences.is_empty() || fences.iter().any(|&fence| ends(call, fence));
    may_sleep(call, 1, timeout, ends)?;
    let mut pointers: Vec<_> = fences.into_iter().map(Fence::as_ptr).collect();
    let mut first = 0;
    // At most as many as there are words, so the number fits.
    let count = pointers.len() as u32;
    let fences = pointers.as_mut_ptr();
    // SAFETY: The scenario holds references to all of them until this command is over, and no
    // locks, since this is no callback.
    let result = unsafe { c::dma_fence_wait_any_timeout(fences, count, intr, timeout, &mut first) };
    let mut text = waited(call, result);
    if result > 0 {
        text.push_str(&format!(" idx={first}"));
    }
    Answer::text(text)
}

fn thread(call: &Call<'_>) -> Outcome {
    let name = call.new_name(Kind::Thread, 1)?;
    let place = call.world().threads.len();
    limit(1, "threads", place, MAX_THREADS)?;
    let Some(thread) = thread::create(call.session, name, call.statement.tail(2)) else {
        call.world().no_thread = true;
        refuse!(
            0,
            "no thread for {name}: expected the host to have one more"
        );
    };
    let task = thread.task.clone();
    call.world().threads.push(thread);
    call.world().names.add(Kind::Thread, name, place);
    task.wake_up();
    vcpu::settle();
    let finished = call.world().threads[place].finished;
    Answer::text(if finished { "finished" } else { "blocked" })
}

fn interrupt(call: &Call<'_>) -> Outcome {
    let place = call.named(Kind::Thread, 1)?;
    let task = {
        let thread = &call.world().threads[place];
        if thread.finished {
            refuse!(1, "the thread has finished; expected one that is blocked");
        }
        thread.task.clone()
    };
    // SAFETY: `task` is a reference to it.
    unsafe { send_sig(SIGUSR1, task.as_ptr(), 1) };
    Answer::ok()
}
