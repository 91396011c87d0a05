// SPDX-License-Identifier: GPL-2.0-only
//! Asymmetric memory barriers: free for the side that runs often, dear for the other.
//!
//! `sys_membarrier` makes every running thread of the process pass a full barrier between two
//! of its instructions. The frequent side then needs no more than to keep the compiler from
//! moving accesses. Where the system call is missing, both sides use a full fence.

use core::sync::atomic::{
    compiler_fence, fence, AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::OnceLock;

const MEMBARRIER_CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

/// True once the process has registered; until then the light side fences in full.
static REGISTERED: AtomicBool = AtomicBool::new(false);

fn membarrier(cmd: libc::c_int) -> bool {
    // SAFETY: The system call takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, cmd, 0, 0) == 0 }
}

/// The barrier of the frequent side.
///
/// Pairs with [`heavy`]: if the accesses before this barrier are not visible to the caller of
/// `heavy`, then the accesses after it see what that caller wrote before.
#[inline(always)]
pub fn light() {
    if REGISTERED.load(Relaxed) {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// The barrier of the rare side; pairs with [`light`] in every other thread.
pub fn heavy() {
    static READY: OnceLock<bool> = OnceLock::new();
    let ready = *READY.get_or_init(|| {
        let ok = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        // `Relaxed`: no data is published, and a reader of either value is right. A light side that
        // still reads `false` fences in full, which pairs with anything.
        REGISTERED.store(ok, Relaxed);
        ok
    });
    // The fence orders this thread; the system call orders all others.
    fence(SeqCst);
    if ready && !membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
        // Cannot happen after a successful registration; a light side that has chosen the
        // compiler's fence could no longer be paired with.
        crate::end(format_args!("the host has forgotten how to membarrier"));
    }
}

/// Waits a little, longer with each of the caller's `tries`.
pub fn back_off(tries: &mut u32) {
    use std::{thread, time::Duration};

    *tries += 1;
    match *tries {
        0..=50 => core::hint::spin_loop(),
        51..=100 => thread::yield_now(),
        _ => {
            crate::fork::about_to_wait("a task");
            thread::sleep(Duration::from_micros(50));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn tries_are_counted() {
        let mut tries = 0;
        for _ in 0..102 {
            super::back_off(&mut tries);
        }
        assert_eq!(tries, 102);
    }
}
