// SPDX-License-Identifier: GPL-2.0-only
//! The machine that the userspace kernel runs on: processors, threads, clock, memory, console.
//!
//! This is the only crate below a driver that uses the standard library. The kernel uses the world
//! only through it, so that another machine (a model checker's, say) can replace it.
//!
//! A thread of the machine plays both the task and the processor that runs it: [`cpu`] holds
//! the kernel's data per processor, [`task`] that per task. Threads run freely,
//! unless a [`vcpu`] has been chosen for them. fork() copies one of them; in its child the machine
//! ends where it would wait for another, so such a child should do nothing but `exec`.

pub mod atomic;
pub mod barrier;
pub mod blocked;
pub mod border;
pub mod clock;
pub mod console;
pub mod counted;
pub mod cpu;
mod end;
pub mod expected;
pub mod explore;
pub mod failed;
mod fork;
mod global;
pub mod heap;
pub mod ktap;
mod lent;
pub mod location;
pub mod oops;
mod per_thread;
mod process;
mod raw_lock;
pub mod report_log;
pub mod side_table;
pub mod task;
pub mod trace;
pub mod vcpu;
pub mod worker;

pub use end::end;
#[cfg(loom)]
pub use global::Global;
#[cfg(not(loom))]
#[doc(hidden)]
pub use per_thread::__thread_local;
#[doc(hidden)]
pub mod __slots {
    pub use super::per_thread::{Slot, SLOTS};
    pub use linkme::{self, distributed_slice};
}
#[cfg(loom)]
pub use per_thread::PerThread;
pub use process::{at_exit, test_alone};

/// Keeps `value` until the process ends, in memory that is not the kernel's.
pub fn keep_forever<T>(value: T) -> &'static T {
    std::boxed::Box::leak(std::boxed::Box::new(value))
}

/// Locks a mutex of the machine's own, whose data is consistent even if a thread has panicked.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // ThreadSanitizer sees how a free mutex is taken, but not how std takes one after a sleep.
    #[cfg(tsan)]
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(guard)) => return guard.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    #[cfg(not(tsan))]
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
