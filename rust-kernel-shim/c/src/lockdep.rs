// SPDX-License-Identifier: GPL-2.0-only
//! The lock validator: all locks that are initialised in one place are of one class, and what was
//! taken inside what, and in which context, is said of classes.
//!
//! C header: [`include/linux/lockdep.h`](srctree/include/linux/lockdep.h)
//!
//! The engine is a crate of its own, which knows neither locks nor tasks. Here is what they tell it
//! ([`watch`]), what they have of it ([`map`]) and what is said of its findings ([`report`]). A
//! production kernel has none of it; nor have the builds for models and for ThreadSanitizer, since
//! the engine's lock would order everything.

mod api;
#[cfg(all(feature = "debug", not(loom), not(tsan)))]
mod map;
#[cfg(all(feature = "debug", not(loom), not(tsan)))]
mod needs;
#[cfg(not(all(feature = "debug", not(loom), not(tsan))))]
mod off;
#[cfg(all(feature = "debug", not(loom), not(tsan)))]
mod place;
#[cfg(all(feature = "debug", not(loom), not(tsan)))]
mod report;
#[cfg(all(feature = "debug", not(loom), not(tsan)))]
mod watch;

pub(crate) use self::needs::{for_a_mutex, slept};
#[cfg(feature = "debug")]
pub(crate) use self::watch::lockdep_forgets_held;
pub(crate) use self::watch::{
    dep_map, hardirqs_are_on, hardirqs_off, hardirqs_on, hardirqs_on_inside, memory_goes,
    usual_task, Task,
};
pub use self::{
    api::*,
    needs::lockdep_others_go_on,
    watch::{debug_check_no_locks_held, lockdep_depth, lockdep_machine_ended},
};
#[cfg(not(all(feature = "debug", not(loom), not(tsan))))]
use self::{off as needs, off as watch};

use crate::{
    globals,
    rule::{Rule, Site},
    Globals,
};
use core::sync::atomic::Ordering::Relaxed;

/// True if locks are watched.
const ON: bool = cfg!(all(feature = "debug", not(loom), not(tsan)));

/// What lockdep looks at. If the environment has `FENCE_LOCKDEP`, it says what that is at first:
/// `off`, `kernel` or `strict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LockdepMode {
    /// Nothing.
    Off = 1,
    /// What Linux looks at.
    Kernel,
    /// What has to happen before others can go on as well. This is the default.
    Strict,
}

/// What lockdep looks at in this machine now. From any context.
#[inline]
#[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
fn mode() -> u8 {
    globals::with(|globals| match globals.lockdep.load(Relaxed) {
        0 => first_mode(globals),
        mode => mode,
    })
}

#[cold]
#[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
fn first_mode(globals: &Globals) -> u8 {
    let mode = machine::explore::lockdep_mode();
    // As long as none was set meanwhile.
    let set = globals.lockdep.compare_exchange(0, mode, Relaxed, Relaxed);
    set.map_or_else(|set| set, |_| mode)
}

/// Sets what lockdep looks at in this machine from now on. From any context.
pub fn lockdep_set_mode(mode: LockdepMode) {
    globals::with(|globals| {
        globals.lockdep.store(mode as u8, Relaxed);
        // What lockdep was told while it looked at nothing is told again.
        globals.primed.store(0, Relaxed);
    });
    watch::mode_changes();
}

/// The address of one, and those of the next seven bytes for its subclasses, name a class.
#[repr(C)]
pub struct lock_class_key {
    _space: [usize; 2],
}

impl lock_class_key {
    /// A key for a `static`.
    pub const fn new() -> Self {
        Self { _space: [0; 2] }
    }
}

impl Default for lock_class_key {
    fn default() -> Self {
        Self::new()
    }
}

/// Locks are taken in one order.
///
/// Rule [lock-order](../../book/rules/lock-order.html).
pub static LOCK_ORDER: Rule = Rule::new("lock-order").numbered(LOCK_ORDER_NUMBER);

/// Its number, by which it is counted where locks are taken.
const LOCK_ORDER_NUMBER: usize = 1;

/// A lock that an interrupt handler takes is held with interrupts disabled.
///
/// Rule [irq-lock-order](../../book/rules/irq-lock-order.html).
pub static IRQ_LOCK_ORDER: Rule = Rule::new("irq-lock-order").looked_at_with(&LOCK_ORDER);

/// A lock is released by the task that holds it, before the memory of the lock goes.
///
/// Rule [lock-context](../../book/rules/lock-context.html).
pub static LOCK_CONTEXT: Rule = Rule::new("lock-context").looked_at_with(&LOCK_ORDER);

/// A kind of lock, or of what is treated as one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum What {
    Spinlock = 1,
    Mutex,
    /// Held while it runs, and taken by a task that waits for it.
    Event,
    /// Happens once, and was waited for by a task; nothing runs.
    Completion,
}

/// Interrupts in which something runs: a task that waits for it counts as having them disabled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Off {
    /// It runs in process context.
    None,
    Soft,
    Hard,
}

/// How a lock is taken.
#[derive(Clone, Copy)]
#[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
pub(crate) struct How<'a> {
    pub(crate) subclass: u8,
    pub(crate) trylock: bool,
    /// 0 exclusively, 1 shared, 2 shared and recursive.
    pub(crate) read: u8,
    /// It is waited for, and not taken.
    pub(crate) sync: bool,
    /// Only counts as held.
    pub(crate) unchecked: bool,
    /// The place is the kernel's own, and no driver's call has led there; it was asked for here, if
    /// that is known.
    pub(crate) own_place: bool,
    pub(crate) asked: Option<Site>,
    /// A lock that is held, which permits to take more than one of the class.
    pub(crate) nest: Option<(&'a dep_map, What, usize)>,
    /// It stands for those of its class that will be taken.
    pub(crate) stands_in: bool,
}

impl How<'_> {
    /// All of it as a number of eight bits, if it says no more than how a lock is taken.
    #[inline(always)]
    #[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
    const fn plain(&self) -> Option<u32> {
        let plain = self.asked.is_none() && self.nest.is_none() && !self.sync && !self.stands_in;
        if !plain || self.subclass >= 8 || self.read >= 4 {
            return None;
        }
        let flags =
            self.trylock as u32 | (self.unchecked as u32) << 1 | (self.own_place as u32) << 2;
        Some(flags | (self.read as u32) << 3 | (self.subclass as u32) << 5)
    }

    /// Exclusively, waiting for it.
    pub(crate) const LOCK: Self = How {
        subclass: 0,
        trylock: false,
        read: 0,
        sync: false,
        unchecked: false,
        own_place: false,
        asked: None,
        nest: None,
        stands_in: false,
    };
    /// Exclusively, and it was free.
    pub(crate) const TRYLOCK: Self = How {
        trylock: true,
        ..Self::LOCK
    };

    /// As one of many who do not wait for each other.
    pub(crate) const READ: Self = How {
        read: 2,
        ..Self::LOCK
    };

    /// As one of many, who finds it free.
    #[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
    pub(crate) const TRYREAD: Self = How {
        read: 1,
        ..Self::TRYLOCK
    };

    /// By all others: the task waits until none has it, and goes on without.
    #[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
    pub(crate) const SYNC: Self = How {
        sync: true,
        ..Self::LOCK
    };

    /// What is run, which was asked for there.
    pub(crate) fn run(asked: Option<Site>) -> Self {
        How {
            own_place: true,
            asked,
            ..Self::LOCK
        }
    }

    /// Exclusively, by a task that sleeps meanwhile. If it must not, that has been reported, and
    /// nothing is drawn from it.
    #[inline]
    pub(crate) fn sleeping(well: bool, subclass: u8) -> Self {
        How {
            subclass,
            trylock: !well,
            unchecked: !well,
            ..Self::LOCK
        }
    }
}
