// SPDX-License-Identifier: GPL-2.0-only
//! What an event needs before it can happen: the mutexes for which the task that has it happen had
//! to wait first. Linux's lockdep does not know of this.
//!
//! Who waits for the event with one of these held can wait forever, if he had it first. But the
//! order in which one task did two things is no proof that the second needs the first: whoever
//! waits may know that the first is over. So what a task had waited for is forgotten
//!
//! - when it lets others go on: it has queued work, woken a task, completed something or signalled a
//!   fence. They may have been told so that it has come that far.
//! - when it sleeps for something else than a mutex, unless it runs an item of work. A thread may go
//!   round a loop; an item does all that it does for one end.
//! - when an item of work ends, for which others may wait.
//!
//! Interrupt handlers wait for nothing, and are not looked at; nor is what waits only for a time.

use super::{
    mode, place,
    watch::{dep_map, pretend, told, ENGINE},
    LockdepMode, Off, What,
};
use crate::{rule, workqueue::runs_work};
use core::{cell::Cell, panic::Location};
use lockdep::{Acquire, Lock};
use machine::cpu::{self, Count};

/// Mutexes of a thread that are known.
const MOST: usize = 8;

/// A mutex, and the number of the place where it was taken.
type Taken = (Lock, usize);

machine::per_thread! {
    /// The mutexes that the thread has waited for and holds.
    static HELD: [Cell<Option<Taken>>; MOST] = [const { Cell::new(None) }; MOST];
    /// What it has waited for, held or not, since it last let others go on.
    static BEFORE: [Cell<Option<Taken>>; MOST] = [const { Cell::new(None) }; MOST];
    /// The number of those.
    static COUNT: Cell<usize> = Cell::new(0);
}

/// The task gets a mutex, or is about to wait for it.
pub(super) fn takes(lock: Lock, ip: usize) {
    let free = |all: &[Cell<Option<Taken>>; MOST]| {
        let slot = all.iter().find(|slot| slot.get().is_none());
        slot.map(|slot| slot.set(Some((lock, ip))))
    };
    HELD.with(free);
    needed(lock, ip);
}

/// The task has waited for it: for a mutex, or for an event.
fn needed(lock: Lock, ip: usize) {
    let class = |lock: &Lock| (lock.key, lock.subclass);
    BEFORE.with(|all| {
        let known = |slot: &Cell<Option<Taken>>| {
            slot.get()
                .is_some_and(|(known, _)| class(&known) == class(&lock))
        };
        if !all.iter().any(known) {
            // The oldest goes.
            all[COUNT.replace(COUNT.get() + 1) % MOST].set(Some((lock, ip)));
        }
    });
}

/// It releases the mutex.
pub(super) fn releases(instance: usize) {
    let same = |slot: &&Cell<Option<Taken>>| {
        slot.get()
            .is_some_and(|(lock, _)| lock.instance == instance)
    };
    HELD.with(|all| all.iter().find(same).map(Cell::take));
}

/// The task lets others go on, which may know how far it has come. From any context.
pub fn lockdep_others_go_on() {
    // What interrupts a task does not stand for it.
    if COUNT.get() != 0 && !interrupts() {
        forget();
    }
}

/// It has slept, but not for a mutex.
pub(crate) fn slept() {
    if COUNT.get() != 0 && !runs_work() {
        forget();
    }
}

/// The task is about to end.
pub(super) fn ends() {
    HELD.with(|all| all.iter().for_each(|slot| slot.set(None)));
    forget();
}

fn forget() {
    COUNT.set(0);
    BEFORE.with(|all| all.iter().for_each(|slot| slot.set(None)));
}

/// Calls `f`, which sleeps for a mutex or lets another task have it: what was waited for before counts
/// after it as well.
pub(crate) fn for_a_mutex<R>(f: impl FnOnce() -> R) -> R {
    let (count, before) = (
        COUNT.get(),
        BEFORE.with(|all| all.each_ref().map(|slot| slot.get())),
    );
    let result = f();
    COUNT.set(count);
    BEFORE.with(|all| {
        all.iter()
            .zip(before)
            .for_each(|(slot, taken)| slot.set(taken))
    });
    result
}

/// True if this is looked at.
fn strict() -> bool {
    mode() == LockdepMode::Strict as u8
}

/// True in an interrupt handler.
fn interrupts() -> bool {
    cpu::with(|cpu| cpu.open(Count::Hardirq) != 0 || cpu.open(Count::Softirq) != 0)
}

impl dep_map {
    /// What this is the map of needs the mutexes that the task holds: it could begin only when the
    /// task had got them.
    pub(super) fn needs_held(&self, instance: usize, at: &'static Location<'static>) {
        self.needs(
            instance,
            at,
            &HELD.with(|all| all.each_ref().map(|slot| slot.get())),
        );
    }

    /// The task is about to wait until it happens.
    pub(crate) fn waited_for(&self, at: &'static Location<'static>) {
        if strict() {
            self.touch(Off::None, at);
        }
    }

    /// The task has it happen: what it had to wait for was needed. From any context.
    pub(crate) fn happens(&self, instance: usize, at: &'static Location<'static>) {
        if COUNT.get() != 0 && !interrupts() {
            self.needs(
                instance,
                at,
                &BEFORE.with(|all| all.each_ref().map(|slot| slot.get())),
            );
            forget();
        }
    }

    /// The task has waited for what this is the map of: which counts if it runs an item of work.
    pub(crate) fn was_waited_for(&self, instance: usize, at: &'static Location<'static>) {
        let Some(lock) = self.lock(instance, What::Event) else {
            return;
        };
        if rule::checking() && runs_work() && !interrupts() {
            needed(lock, place::number(at, lock.key));
        }
    }

    fn needs(&self, instance: usize, at: &'static Location<'static>, needed: &[Option<Taken>]) {
        if needed.iter().all(Option::is_none) || !strict() || !rule::checking() {
            return;
        }
        let Some(map) = self.lock(instance, What::Event) else {
            return;
        };
        told(at);
        pretend(false, &"another task", || {
            let begins = Acquire {
                trylock: true,
                read: 1,
                ..Acquire::at(place::number(at, map.key))
            };
            ENGINE.acquire(&map, &begins);
            for (lock, ip) in needed.iter().flatten() {
                ENGINE.acquire(lock, &Acquire::at(*ip));
                ENGINE.release(lock, 0);
            }
            ENGINE.release(&map, 0);
        });
    }
}
