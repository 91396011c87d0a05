// SPDX-License-Identifier: GPL-2.0-only
//! Locks: what they protect is only ever changed as a whole.

use crate::{
    interrupt::in_interrupt,
    run::{delay, Run},
};
use fastrand::Rng;
use kernel::{
    bindings::{self as c, mutex, spinlock_t},
    str::CStrExt as _,
};
use std::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// The variants that are wrong on purpose.
pub(crate) const BUSTED: &[(&str, &str)] = &[
    ("spinlock", "spin_lock() returns at once"),
    ("mutex", "mutex_lock() returns at once"),
    ("trylock", "a failed trylock is taken for a success"),
];

/// What a lock protects. Atomics, so that what a busted lock lets through is no data race.
#[derive(Default)]
struct Protected {
    inside: AtomicU64,
    changes: [AtomicU64; 2],
}

impl Protected {
    /// Changes it as a whole; the caller holds the lock.
    fn change(&self, run: &Run, name: &str, rng: &mut Rng, may_sleep: bool) {
        if self.inside.fetch_add(1, Relaxed) != 0 {
            run.fail(|| format!("two threads hold the {name}"));
        }
        for half in &self.changes {
            // Not one operation, so that of two that change it at once one is lost.
            let seen = half.load(Relaxed);
            delay(rng, may_sleep);
            half.store(seen + 1, Relaxed);
        }
        let [first, second] = self.changes.each_ref().map(|half| half.load(Relaxed));
        if first != second {
            run.fail(|| format!("what the {name} protects was changed by halves"));
        }
        self.inside.fetch_sub(1, Relaxed);
    }

    /// Compares with what the threads know to have done.
    fn check(&self, run: &Run, name: &str, changes: u64) {
        let seen = self.changes[0].load(Relaxed);
        if seen != changes {
            run.fail(|| format!("the {name} was taken {changes} times, and {seen} are seen"));
        }
    }
}

/// A lock of each kind.
struct Locks {
    spinlock: UnsafeCell<spinlock_t>,
    mutex: UnsafeCell<MaybeUninit<mutex>>,
    protected: [Protected; 2],
}

// SAFETY: Locks are made for that.
unsafe impl Sync for Locks {}

const NAMES: [&str; 2] = ["spinlock", "mutex"];

/// Tortures locks.
pub(crate) fn torture(run: &Run, progress: impl FnMut(Duration, u64)) {
    let locks = Box::new(Locks {
        spinlock: UnsafeCell::new(c::spinlock::new()),
        mutex: UnsafeCell::new(MaybeUninit::uninit()),
        protected: Default::default(),
    });
    // SAFETY: The mutex has memory, and stays where it is.
    unsafe { c::__mutex_init(locks.mutex(), c"torture".as_char_ptr(), null_mut()) };
    let changes = thread::scope(|scope| {
        let locks = &*locks;
        let threads: Vec<_> = (0..run.options.threads)
            .map(|thread| scope.spawn(move || locks.take(run, &mut run.rng(thread))))
            .collect();
        run.watch(progress);
        let mut all = [0; 2];
        for thread in threads {
            let changes = thread.join().expect("locks do not panic");
            all.iter_mut().zip(changes).for_each(|(all, n)| *all += n);
        }
        all
    });
    for ((protected, name), changes) in locks.protected.iter().zip(NAMES).zip(changes) {
        protected.check(run, name, changes);
    }
    run.count("spinlock sections", changes[0]);
    run.count("mutex sections", changes[1]);
}

impl Locks {
    fn mutex(&self) -> *mut mutex {
        self.mutex.get().cast()
    }

    /// Takes locks until the end; returns how often it had each.
    fn take(&self, run: &Run, rng: &mut Rng) -> [u64; 2] {
        let mut changes = [0; 2];
        while run.goes_on() {
            let (kind, had) = match rng.u32(0..6) {
                0 => (0, self.spin(run, rng)),
                1 => (0, self.spin_irqsave(run, rng)),
                2 => {
                    in_interrupt(&mut || {
                        self.spin_irqsave(run, rng);
                    });
                    (0, true)
                }
                3 => (0, self.spin_try(run, rng)),
                4 => (1, self.mutex_try(run, rng)),
                _ => (1, self.mutex_lock(run, rng)),
            };
            changes[kind] += u64::from(had);
            delay(rng, true);
            run.round();
        }
        if changes.contains(&0) {
            run.fail(|| "a thread never got a lock".into());
        }
        changes
    }

    fn spin(&self, run: &Run, rng: &mut Rng) -> bool {
        let lock = self.spinlock.get();
        let busted = run.busted("spinlock");
        // Interrupts take the lock too.
        // SAFETY: Enabled again below.
        let flags = unsafe { c::local_irq_save() };
        if !busted {
            // SAFETY: The lock lives as long as `self`; released below.
            unsafe { c::spin_lock(lock) };
        }
        self.protected[0].change(run, NAMES[0], rng, false);
        if !busted {
            // SAFETY: Taken above.
            unsafe { c::spin_unlock(lock) };
        }
        // SAFETY: Saved above.
        unsafe { c::local_irq_restore(flags) };
        true
    }

    fn spin_irqsave(&self, run: &Run, rng: &mut Rng) -> bool {
        let lock = self.spinlock.get();
        // SAFETY: The lock lives as long as `self`; released below.
        let flags = unsafe { c::spin_lock_irqsave(lock) };
        self.protected[0].change(run, NAMES[0], rng, false);
        // SAFETY: Taken above.
        unsafe { c::spin_unlock_irqrestore(lock, flags) };
        true
    }

    fn spin_try(&self, run: &Run, rng: &mut Rng) -> bool {
        let lock = self.spinlock.get();
        // SAFETY: Enabled again below.
        let flags = unsafe { c::local_irq_save() };
        // SAFETY: The lock lives as long as `self`; released below.
        let taken = unsafe { c::spin_trylock(lock) } != 0;
        let had = taken || run.busted("trylock");
        if had {
            self.protected[0].change(run, NAMES[0], rng, false);
        }
        if taken {
            // SAFETY: Taken above.
            unsafe { c::spin_unlock(lock) };
        }
        // SAFETY: Saved above.
        unsafe { c::local_irq_restore(flags) };
        had
    }

    fn mutex_try(&self, run: &Run, rng: &mut Rng) -> bool {
        // SAFETY: The mutex lives as long as `self`; released below.
        let had = unsafe { c::mutex_trylock(self.mutex()) } != 0;
        if had {
            self.protected[1].change(run, NAMES[1], rng, true);
            // SAFETY: Taken above.
            unsafe { c::mutex_unlock(self.mutex()) };
        }
        had
    }

    fn mutex_lock(&self, run: &Run, rng: &mut Rng) -> bool {
        let busted = run.busted("mutex");
        if !busted {
            // SAFETY: The mutex lives as long as `self`; released below.
            unsafe { c::mutex_lock(self.mutex()) };
        }
        self.protected[1].change(run, NAMES[1], rng, true);
        if !busted {
            // SAFETY: Taken above.
            unsafe { c::mutex_unlock(self.mutex()) };
        }
        true
    }
}
