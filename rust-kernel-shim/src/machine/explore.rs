// SPDX-License-Identifier: GPL-2.0-only
//! What exploring needs of the host: panics, and the environment.

use super::{
    baton, console,
    std::{
        env,
        panic::{self, AssertUnwindSafe},
        string::{String, ToString as _},
        sync::Once,
    },
};

/// What somebody said when he panicked.
pub type Message = String;

/// A number from the environment.
pub(crate) fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is `{value}`, but should be a number such as 1"),
    }
}

/// Calls `f`; what was said if it panicked.
///
/// A panic in a callback that C would call ends the process; so the seed of the schedule is
/// printed along with it.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Message> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(super::std::boxed::Box::new(move |info| {
            if let Some(seed) = baton::with(|baton| baton.seed()).flatten() {
                console::write_line(format_args!(
                    "under a schedule that FENCE_SEED={seed} replays:"
                ));
            }
            before(info);
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        payload
            .downcast_ref::<&str>()
            .map(|message| message.to_string())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "(no message)".to_string())
    })
}
