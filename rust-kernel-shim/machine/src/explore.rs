// SPDX-License-Identifier: GPL-2.0-only
//! What exploring needs of the host: panics, and the environment.

use super::{console, location, report_log, vcpu};
use std::{
    any::Any,
    env,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Once},
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
