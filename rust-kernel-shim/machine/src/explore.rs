// SPDX-License-Identifier: GPL-2.0-only
//! What exploring needs of the host: panics, and the environment.

use super::{
    border, console, location, report_log,
    vcpu::{self, Path},
};
use fastrand::Rng;
use std::{
    any::Any,
    env,
    fmt::Display,
    fs::File,
    io::Write as _,
    panic::{self, AssertUnwindSafe, Location},
    sync::{Arc, LazyLock, Once},
    thread,
};

/// The message of a panic.
pub type Message = String;

/// A number from the environment.
pub fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is `{value}`, but should be a number such as 1"),
    }
}

/// What the environment wants lockdep to look at: 1 for `off`, 2 for `kernel`, 3 for `strict`; 3 if it
/// says nothing.
pub fn lockdep_mode() -> u8 {
    static MODE: LazyLock<u8> = LazyLock::new(|| match env::var("FENCE_LOCKDEP").as_deref() {
        Err(_) | Ok("strict") => 3,
        Ok("kernel") => 2,
        Ok("off") => 1,
        Ok(value) => panic!("FENCE_LOCKDEP is `{value}`, but should be off, kernel or strict"),
    });
    *MODE
}

/// The shard that the environment wants tried, from 0, and of how many.
pub fn shard() -> Option<(usize, usize)> {
    let value = env::var("FENCE_SHARD").ok()?;
    let shard = value.split_once('/').and_then(|(shard, count)| {
        let (shard, count) = (shard.parse().ok()?, count.parse().ok()?);
        (1..=count).contains(&shard).then(|| (shard - 1, count))
    });
    match shard {
        Some(shard) => Some(shard),
        None => panic!("FENCE_SHARD is `{value}`, but should be such as 2/4, the second of four"),
    }
}

/// The path of the only schedule of a search, if the environment has one.
pub fn path() -> Option<Path> {
    let value = env::var("FENCE_PATH").ok()?;
    match value.parse() {
        Ok(path) => Some(path),
        Err(()) => panic!("FENCE_PATH is `{value}`, but should be such as 3:1,17:2"),
    }
}

/// Adds a line to the report that the environment wants of what was explored. What is `found` is the
/// seed or the path of what failed.
pub fn explored(
    at: &Location<'_>,
    (shard, shards): (usize, usize),
    schedules: usize,
    found: Option<&dyn Display>,
) {
    let Some(path) = env::var_os("FENCE_REPORT") else {
        return;
    };
    let test = thread::current()
        .name()
        .unwrap_or("")
        .replace(['"', '\\'], "");
    let line = format!(
        "{{\"test\":\"{test}\",\"at\":\"{}:{}\",\"shard\":\"{}/{}\",\"schedules\":{schedules},\"failed\":{}}}\n",
        at.file().replace('\\', "/"),
        at.line(),
        shard + 1,
        shards,
        found.map_or("null".into(), |found| format!("\"{found}\"")),
    );
    // In one piece: other tests and processes add to it at the same time.
    let file = File::options().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        panic!("FENCE_REPORT is `{}`: {error}", path.display());
    }
}

/// A number up to `most` that belongs to `seed`.
pub fn drawn(seed: u64, most: usize) -> usize {
    // Not the numbers that the schedule draws.
    Rng::with_seed(!seed).usize(..=most)
}

/// From now on, a panic says under which schedule it came, and what was reported before it: one
/// that no frame of Rust can catch ends the process.
pub fn hook_panics() {
    static HOOK: Once = Once::new();
    // While it panics, a thread must not change the hook.
    if thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(std::boxed::Box::new(move |info| {
            if let Some(seed) = vcpu::with(|vcpu| vcpu.seed()).flatten() {
                console::write_line(format_args!(
                    "under a schedule that FENCE_SEED={seed} replays:"
                ));
            }
            if let Some(held) = vcpu::with(|vcpu| vcpu.held_reports()).flatten() {
                report_log::show(held);
            }
            if let Some(at) = info.location() {
                location::panics(at);
            }
            border::panics();
            before(info);
        }));
    });
}

/// `body`, for several machines: one that is stuck may use it forever.
pub fn shared(
    body: impl Fn() + Send + Sync + 'static,
) -> impl Fn() + Clone + Send + Sync + 'static {
    let body = Arc::new(body);
    move || body()
}

/// Calls `f`; what was said if it panicked.
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Message> {
    hook_panics();
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| message(&*payload))
}

/// What was said by a panic.
pub(super) fn message(payload: &(dyn Any + Send)) -> Message {
    payload
        .downcast_ref::<&str>()
        .map(|message| message.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_string())
}
