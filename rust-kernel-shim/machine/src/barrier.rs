// SPDX-License-Identifier: GPL-2.0-only
//! Asymmetric memory barriers: free for the side that runs often, dear for the other.
//!
//! `sys_membarrier` makes every running thread of the process pass a full barrier between two
//! of its instructions. The frequent side then needs no more than to keep the compiler from
//! moving accesses. Where the system call is missing, both sides use a full fence.

use crate::atomic::fence;
use core::sync::atomic::{
    compiler_fence, AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::OnceLock;

const MEMBARRIER_CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

/// True once the process has registered, before its first section; the light side fences in full
/// where it cannot.
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
    // In a model, which knows no such call, this says `false`.
    light_if(REGISTERED.load(Relaxed));
}

/// As [`light`], of a caller that knows whether the process has `registered`, as [`ready`] says.
#[inline(always)]
pub fn light_if(registered: bool) {
    if registered {
        compiler_fence(SeqCst);
    } else {
        full();
    }
}

#[cold]
#[inline(never)]
fn full() {
    fence(SeqCst);
}

/// True once it is known that all light sides may rely on the system call.
static READY: OnceLock<bool> = OnceLock::new();

/// Does without `sys_membarrier`, as if the host had none; false if it is too late for that.
pub fn without_membarrier() -> bool {
    !READY.get_or_init(|| false)
}

/// Registers the process, so that [`light`] is free from here on; true if the host has the call.
pub fn ready() -> bool {
    *READY.get_or_init(|| {
        let ok = cfg!(not(loom)) && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        // `Relaxed`: no data is published, and a reader of either value is right. A light side that
        // still reads `false` fences in full, which pairs with anything.
        REGISTERED.store(ok, Relaxed);
        ok
    })
}

/// The barrier of the rare side; pairs with [`light`] in every other thread.
pub fn heavy() {
    let ready = ready();
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
    *tries += 1;
    #[cfg(loom)]
    return loom::thread::yield_now();
    #[cfg(not(loom))]
    match *tries {
        0..=50 => core::hint::spin_loop(),
        51..=100 => std::thread::yield_now(),
        _ => {
            crate::fork::about_to_wait("a task");
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    };
    use std::thread;

    /// Each of two threads writes, passes its barrier, and reads what the other writes.
    fn one_sees_the_other() {
        const ROUNDS: usize = 50_000;
        let [x, y, x_read, y_read] = [const { AtomicUsize::new(0) }; 4];
        let run = |mine: &AtomicUsize,
                   other,
                   done: &AtomicUsize,
                   awaited: &AtomicUsize,
                   barrier: fn()| {
            let round = |round| {
                mine.store(round, Relaxed);
                barrier();
                let seen = AtomicUsize::load(other, Relaxed) == round;
                // Both begin the next round at once.
                done.store(round, Release);
                let mut tries = 0;
                while awaited.load(Acquire) < round {
                    tries = 50.min(tries);
                    back_off(&mut tries);
                }
                seen
            };
            (1..=ROUNDS).map(round).collect::<std::vec::Vec<_>>()
        };
        let (often, rarely) = thread::scope(|s| {
            let often = s.spawn(|| run(&x, &y, &y_read, &x_read, light));
            let rarely = run(&y, &x, &x_read, &y_read, heavy);
            (often.join().unwrap(), rarely)
        });
        let blind = often.iter().zip(&rarely).filter(|(a, b)| !*a && !*b);
        assert_eq!(blind.count(), 0, "rounds in which neither saw the other");
    }

    #[test]
    fn barriers_pair_with_the_system_call_and_without() {
        if std::env::var("WITHOUT").is_ok() {
            assert!(without_membarrier());
            return one_sees_the_other();
        }
        one_sees_the_other();
        assert!(!without_membarrier() || !READY.get().unwrap());
        let test = "barrier::tests::barriers_pair_with_the_system_call_and_without";
        let (passed, printed) = crate::test_alone(test, &[("WITHOUT", "1")]);
        assert!(passed, "{printed}");
    }

    #[test]
    fn tries_are_counted() {
        let mut tries = 0;
        for _ in 0..102 {
            super::back_off(&mut tries);
        }
        assert_eq!(tries, 102);
    }
}
