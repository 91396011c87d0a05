// SPDX-License-Identifier: GPL-2.0-only
//! Commands that wait, and threads that do.

use super::{find, threaded, top, Command, ANY};
use crate::{
    call::{Call, Place},
    fence::{Fence, FenceKind},
    name::Kind,
    number,
    outcome::{Answer, Outcome, Refused},
    thread::{self, MAX_THREADS},
};
use ::dma_fence::bindings as c;
use kernel::{bindings::MAX_SCHEDULE_TIMEOUT, ffi::c_long, testing::vcpu};

pub(super) const COMMANDS: &[Command] = &[
    threaded("wait", (1, 2), "FENCE [intr]", wait),
    threaded("wait_timeout", (2, 3), "FENCE JIFFIES [intr]", wait_timeout),
    threaded("default_wait", (2, 3), "FENCE JIFFIES [intr]", default_wait),
    threaded(
        "wait_any_timeout",
        (1, ANY),
        "JIFFIES FENCE... [intr]",
        wait_any_timeout,
    ),
    top("thread", (2, ANY), "NEW COMMAND...", thread),
    top("interrupt", (1, 1), "THREAD", interrupt),
];

/// How many jiffies a scenario may sleep at top, all its waits together.
///
/// That is some 139 years. The clock is virtual, so they pass in no time; but it
/// has an end, as the kernel's clock has.
const LONGEST_SLEEP: u64 = 1 << 40;

/// The result of a wait in jiffies.
fn waited(call: &Call<'_>, result: c_long) -> String {
    match result {
        0 => "timeout".to_owned(),
        1.. if call.place == Place::Thread => "done".to_owned(),
        1.. => result.to_string(),
        _ => number::show(result as i64),
    }
}

/// Will the fence refuse when it is enabled now, and so be signalled?
fn will_refuse(call: &Call<'_>, fence: Fence<'_>) -> bool {
    match fence.kind(call.session) {
        FenceKind::Scripted(script) => script.refuses && !fence.is_enabled(),
        FenceKind::SharedStub | FenceKind::PrivateStub => false,
    }
}

/// Refuses a wait at top that nobody will ever end.
///
/// `ends` is whether the wait ends at once; otherwise it runs out, since nobody
/// is there to signal the fence.
fn may_sleep(call: &Call<'_>, index: usize, timeout: i64, ends: bool) -> Result<(), Refused> {
    let jiffies = u64::try_from(timeout).unwrap_or(0);
    if call.place == Place::Thread || ends || jiffies == 0 {
        return Ok(());
    }
    let mut state = call.session.state();
    let slept = state.slept.saturating_add(jiffies);
    if slept > LONGEST_SLEEP {
        return Err(Refused::new(
            index,
            format!(
                "the wait would not end: nobody signals the fence; expected a thread, or waits \
                 of at most {LONGEST_SLEEP} jiffies together"
            ),
        ));
    }
    state.slept = slept;
    Ok(())
}

/// A timeout, which is a long in the kernel as well.
fn jiffies(call: &Call<'_>, index: usize) -> Result<c_long, Refused> {
    let timeout = call.signed(index)?;
    c_long::try_from(timeout).map_err(|_| {
        Refused::new(
            index,
            format!(
                "not a timeout: {timeout}; expected {} to {}",
                c_long::MIN,
                c_long::MAX
            ),
        )
    })
}

fn wait(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let intr = call.flag(2, "intr")?;
    if call.place != Place::Thread && !fence.is_flagged() {
        return Err(Refused::new(
            1,
            format!(
                "{} is not signalled and nobody would signal it; expected a signalled fence or a \
                 thread",
                call.name_of(fence)
            ),
        ));
    }
    // SAFETY: The scenario holds a reference until this command is over, and no
    // locks, since this is no callback.
    let result = unsafe { c::dma_fence_wait(fence.as_ptr(), intr) };
    Answer::number(result as i64)
}

fn wait_timeout(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let timeout = jiffies(call, 2)?;
    let intr = call.flag(3, "intr")?;
    let fixed = match fence.kind(call.session) {
        FenceKind::Scripted(script) => script.wait.is_some(),
        FenceKind::SharedStub | FenceKind::PrivateStub => false,
    };
    let ends = fence.is_flagged() || fixed || will_refuse(call, fence);
    may_sleep(call, 2, timeout as i64, ends)?;
    // SAFETY: As for dma_fence_wait() above.
    let result = unsafe { c::dma_fence_wait_timeout(fence.as_ptr(), intr, timeout) };
    Answer::text(waited(call, result))
}

fn default_wait(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let timeout = jiffies(call, 2)?;
    let intr = call.flag(3, "intr")?;
    may_sleep(call, 2, timeout as i64, fence.is_flagged())?;
    // SAFETY: As for dma_fence_wait() above.
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
    let ends = fences.is_empty()
        || fences
            .iter()
            .any(|&fence| fence.is_flagged() || will_refuse(call, fence));
    may_sleep(call, 1, timeout as i64, ends)?;
    let mut pointers: Vec<_> = fences.iter().map(|fence| fence.as_ptr()).collect();
    let mut first = 0;
    // SAFETY: The scenario holds references to all of them until this command is
    // over, and no locks, since this is no callback.
    let result = unsafe {
        c::dma_fence_wait_any_timeout(
            pointers.as_mut_ptr(),
            // At most as many as there are words, so the number fits.
            u32::try_from(pointers.len()).unwrap_or(u32::MAX),
            intr,
            timeout,
            &mut first,
        )
    };
    let mut text = waited(call, result);
    if result > 0 {
        text.push_str(&format!(" idx={first}"));
    }
    Answer::text(text)
}

fn thread(call: &Call<'_>) -> Outcome {
    let name = call.new_name(Kind::Thread, 1)?;
    find(call.statement, 2, Place::Thread)?;
    let number = call.session.state().threads.len();
    if number >= MAX_THREADS {
        return Err(Refused::new(
            1,
            format!("too many threads: expected at most {MAX_THREADS}"),
        ));
    }
    let Some(thread) = thread::start(call.session, name, call.statement.tail(2)) else {
        call.session.state().no_thread = true;
        return Err(Refused::new(
            0,
            format!("no thread for {name}: expected the host to have one more"),
        ));
    };
    let task = thread.task.get();
    {
        let mut state = call.session.state();
        state.threads.push(thread);
        state.names.add(Kind::Thread, name, number as u64);
    }
    thread::wake(&task);
    vcpu::settle();
    let state = call.session.state();
    let finished = state.threads.get(number).is_some_and(|t| t.finished);
    Answer::text(if finished { "finished" } else { "blocked" })
}

fn interrupt(call: &Call<'_>) -> Outcome {
    let number = call.named(Kind::Thread, 1)?;
    let task = {
        let state = call.session.state();
        let thread = usize::try_from(number)
            .ok()
            .and_then(|number| state.threads.get(number));
        match thread {
            Some(thread) if !thread.finished => thread.task.get(),
            _ => {
                return Err(Refused::new(
                    1,
                    "the thread has finished; expected one that is blocked",
                ))
            }
        }
    };
    task.interrupt();
    Answer::ok()
}

/// The longest timeout is no timeout at all, to be refused like all too long.
const _: () = assert!(MAX_SCHEDULE_TIMEOUT as u64 > LONGEST_SLEEP);
