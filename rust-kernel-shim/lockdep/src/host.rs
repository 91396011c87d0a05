// SPDX-License-Identifier: GPL-2.0-only
//! The kernel that is watched.

use crate::{lockdep_map, Report, Task, Text};
use core::{fmt, mem::size_of};

/// Where the current task is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Interrupts are off, whatever the engine was told of it.
    pub irqs_off: bool,
    /// In a hard interrupt handler.
    pub hardirq: bool,
    /// And that could run in a thread.
    pub threaded: bool,
    /// In a soft interrupt handler.
    pub softirq: bool,
    /// Soft interrupts may come, as the engine was told last.
    pub softirqs_enabled: bool,
}

impl Context {
    /// Locks of different contexts are held by one task, but not by one piece of code.
    #[inline]
    pub(crate) fn number(self) -> u8 {
        u8::from(self.hardirq) * 2 + u8::from(self.softirq)
    }
}

/// What the engine needs of the kernel that it watches. None of these may call the engine, but for
/// `report()`, in which it does nothing.
pub trait Host {
    /// The size of a lock, for locks in memory that is freed.
    const LOCK_BYTES: usize = size_of::<lockdep_map>();

    /// False if locks are not watched: the entry points only keep count of interrupts then.
    fn enabled(&self) -> bool;

    /// Calls `f` with the current task's state. Interrupt handlers that run on its stack share it.
    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R;

    /// Returns where the current task is.
    fn context(&self) -> Context;

    /// Remembers for [`Context::softirqs_enabled`].
    fn set_softirqs_enabled(&self, on: bool);

    /// Returns the name and the number of the current task.
    fn task_name(&self) -> (Text<16>, i32);

    /// Takes the one lock of the engine, which is a raw one: it is held for a short time, and is not
    /// watched.
    fn lock(&self);

    /// Releases it.
    fn unlock(&self);

    /// Something was found. The lock is not held.
    fn report(&self, report: &Report);

    /// Writes the place in the source that an `ip` stands for.
    fn write_place(&self, ip: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "[<{ip:#x}>]")
    }

    /// True if there may be the key of a class that was not registered with
    /// [`Engine::register_key`](crate::Engine::register_key): in memory that lives forever.
    fn is_static(&self, address: usize) -> bool {
        let _ = address;
        true
    }

    /// The world of the current task. Worlds have no class in common, though they share keys.
    fn world(&self) -> u32 {
        0
    }
}
