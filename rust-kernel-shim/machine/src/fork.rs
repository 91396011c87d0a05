// SPDX-License-Identifier: GPL-2.0-only
//! What fork() leaves of a machine: one thread. The workers that call RCU callbacks, run work and
//! timers, and all tasks but one are the parent's alone, and a child that waits for one of them
//! waits forever. So the machine ends where it would wait.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Once;

static IN_CHILD: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    IN_CHILD.store(true, Relaxed);
}

/// True in a child that was forked after the machine had its first task or worker.
pub(super) fn forked() -> bool {
    IN_CHILD.load(Relaxed)
}

/// From here on a child knows that it is one.
pub(super) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: The handler only stores to a static, which it may at any time. If there is no
        // memory for it, a child waits as before.
        #[cfg(not(miri))]
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

/// This thread is about to wait for another one: ends the machine in a child, which has none.
pub(super) fn about_to_wait(what: &str) {
    if forked() {
        crate::end(format_args!(
            "{what} is waited for after fork(), in whose child it does not run"
        ));
    }
}
