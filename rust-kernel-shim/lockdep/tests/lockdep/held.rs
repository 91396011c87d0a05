// SPDX-License-Identifier: GPL-2.0-only
//! Held locks, their classes, and what may be waited for.

use crate::host::*;
use lockdep::{
    Acquire, Context, Finding, Lock, LD_LOCK_PERCPU, LD_LOCK_WAIT_OVERRIDE, LD_WAIT_CONFIG,
    LD_WAIT_FREE, LD_WAIT_INV, LD_WAIT_SLEEP, LD_WAIT_SPIN, MAX_LOCK_DEPTH,
};
use std::ptr;

impl SpinLock {
    fn waits(&self, inner: u8, outer: u8) -> Self {
        #[rustfmt::skip]
        let lock = Lock { inner, outer, ..self.0 };
        Self(lock)
    }
}

#[test]
fn what_waits_longer_than_what_is_held() {
    locks!(raw, spin, mutex, rcu, unchecked);
    let raw = raw.waits(LD_WAIT_SPIN, 0);
    let mutex = mutex.waits(LD_WAIT_SLEEP, 0);
    let rcu = rcu.waits(LD_WAIT_CONFIG, LD_WAIT_FREE);
    let unchecked = unchecked.waits(LD_WAIT_INV, 0);
    good(|| take(&[&mutex, &spin, &raw, &rcu, &unchecked]));
    for pair in [
        [&raw, &spin],
        [&raw, &mutex],
        [&spin, &mutex],
        [&rcu, &mutex],
    ] {
        let report = bad(|| take(&pair));
        assert!(matches!(report.finding, Finding::WaitContext { .. }));
    }
    // In handlers.
    let handler = |threaded, lock: SpinLock| {
        move || {
            let context = Context {
                hardirq: true,
                irqs_off: true,
                threaded,
                ..TASK
            };
            in_context(context, || take(&[&lock]));
        }
    };
    good(handler(false, raw));
    good(handler(true, spin));
    bad(handler(false, spin));
    bad(handler(true, mutex));
    let softirq = |lock: SpinLock| move || in_context(SOFTIRQ, || take(&[&lock]));
    good(softirq(spin));
    bad(softirq(mutex));
    // One that was free does not wait.
    good(|| {
        raw.lock();
        mutex.try_lock();
        mutex.unlock();
        raw.unlock();
    });
    // What is no lock may say otherwise.
    locks!(over);
    let mut over = over.waits(LD_WAIT_SLEEP, 0);
    over.0.lock_type = LD_LOCK_WAIT_OVERRIDE;
    good(|| {
        raw.lock();
        over.try_lock();
        take(&[&mutex]);
        over.unlock();
        raw.unlock();
    });
}

/// A lock of each CPU's own is not waited for by a handler on another.
#[test]
fn per_cpu_locks_are_in_no_deadlock_with_interrupts() {
    locks!(a, local, b);
    let mut per_cpu = local;
    per_cpu.0.lock_type = LD_LOCK_PERCPU;
    let run = |middle: SpinLock| {
        move || {
            irqs_off(|| {
                take(&[&a, &middle]);
                take(&[&middle, &b]);
            });
            take(&[&b]);
            hardirq(|| take(&[&a]));
        }
    };
    good(run(per_cpu));
    bad(run(local));
    // But in others.
    bad(|| {
        take(&[&a, &per_cpu]);
        take(&[&per_cpu, &a]);
    });
}

#[test]
fn what_is_only_counted() {
    locks!(rcu, a);
    good(|| {
        let read = || {
            rcu.acquire(Acquire {
                read: 2,
                check: false,
                ..Acquire::at(0)
            })
        };
        for _ in 0..2 {
            read();
            a.lock();
            read();
            rcu.unlock();
            a.unlock();
            rcu.unlock();
            a.lock();
            read();
            rcu.unlock();
            a.unlock();
        }
    });
}

#[test]
fn held_locks_that_go() {
    locks!(a);
    let at = a.0.instance;
    let free = |from, length| {
        move || {
            a.lock();
            LOCKDEP.check_no_locks_freed(from, length, 7);
            a.unlock();
        }
    };
    good(free(at - 8, 8));
    good(free(at + 4, 8));
    for (from, length) in [(at, 1), (at - 8, 9), (at + 3, 8), (at - 8, 100)] {
        let report = bad(free(from, length));
        assert!(text(&report).contains("is freeing memory at test.rs:7, with a lock"));
    }
    bad(|| {
        LOCKDEP.check_no_locks_held();
        a.lock();
        LOCKDEP.check_no_locks_held();
        a.unlock();
        LOCKDEP.check_no_locks_held();
    });
    let report = bad(|| {
        a.lock();
        a.unlock();
        a.unlock();
    });
    assert!(text(&report).contains("trying to release lock (a) at:\ntest.rs:"));
}

#[test]
fn more_locks_than_a_task_can_hold() {
    let locks: Vec<_> = (0..=MAX_LOCK_DEPTH)
        .map(|_| SpinLock::new(c"x", key()))
        .collect();
    let report = bad(|| {
        locks.iter().for_each(SpinLock::lock);
        locks[..MAX_LOCK_DEPTH]
            .iter()
            .rev()
            .for_each(SpinLock::unlock);
    });
    assert!(matches!(report.finding, Finding::Full { .. }));
}

/// What is above a released lock is looked at anew.
#[test]
fn release_out_of_order() {
    locks!(a, b, c);
    bad(|| {
        a.lock();
        b.try_lock();
        c.lock();
        b.unlock();
        c.unlock();
        a.unlock();
        take(&[&c, &a]);
    });
    good(|| {
        for _ in 0..3 {
            a.lock();
            b.lock();
            a.unlock();
            c.lock();
            b.unlock();
            c.unlock();
        }
    });
}

#[test]
fn a_held_lock_changes() {
    locks!(a, b, c);
    // Its class.
    let as_c = SpinLock(Lock {
        key: c.0.key,
        name: c.0.name,
        ..a.0
    });
    bad(|| {
        a.lock();
        b.lock();
        LOCKDEP.set_class(&as_c.0, 0, here());
        b.unlock();
        as_c.unlock();
        take(&[&b, &c]);
    });
    // From writer to reader.
    for downgrade in [false, true] {
        let found = found(|| {
            a.lock();
            if downgrade {
                LOCKDEP.downgrade(&a.0, here());
            }
            b.lock();
            b.unlock();
            a.unlock();
            b.lock();
            a.read(2);
            a.unlock();
            b.unlock();
        });
        assert_eq!(found.len(), usize::from(!downgrade));
    }
    bad(|| LOCKDEP.downgrade(&a.0, here()));
}

#[test]
fn a_wait_without_a_section() {
    locks!(a, srcu);
    let sync = || LOCKDEP.sync(&srcu.0, &Acquire::at(here()));
    good(|| {
        sync();
        take(&[&srcu, &a]);
        sync();
    });
    let report = bad(|| {
        take(&[&srcu, &a]);
        a.lock();
        sync();
        a.unlock();
    });
    assert!(text(&report).contains("  sync(srcu);\n"));
    bad(|| {
        srcu.lock();
        sync();
        srcu.unlock();
    });
}

#[test]
fn a_key_that_is_freed() {
    let dynamic = || SpinLock::new(c"dynamic", ptr::from_ref(&DYNAMIC).addr());
    let report = bad(|| dynamic().lock());
    assert!(text(&report).contains("neither static nor registered"));
    locks!(a);
    good(|| {
        for _ in 0..2 {
            LOCKDEP.register_key(dynamic().0.key);
            take(&[&a, &dynamic()]);
            LOCKDEP.unregister_key(dynamic().0.key);
            // The same memory, another class.
            LOCKDEP.register_key(dynamic().0.key);
            take(&[&dynamic(), &a]);
            LOCKDEP.unregister_key(dynamic().0.key);
        }
    });
    // Subclasses, names, and held locks.
    locks!(b);
    good(|| {
        b.nested(5);
        a.lock();
        LOCKDEP.free_key_range(b.0.key, 16);
        a.unlock();
        b.unlock();
        take(&[&a]);
        a.lock();
        b.nested(5);
        b.unlock();
        a.unlock();
    });
    let name = c"a name that is freed";
    let c = SpinLock::new(name, key());
    let report = bad(|| {
        take(&[&a, &c]);
        take(&[&a, &b]);
        LOCKDEP.free_key_range(name.to_bytes().as_ptr().addr(), 1);
        take(&[&c, &a]);
        // The others are known as before.
        take(&[&b, &a]);
    });
    assert!(text(&report).contains("  lock(b);\n"));
}

#[test]
fn names_are_told_apart() {
    let [one, two] = [(); 2].map(|()| SpinLock::new(c"same", key()));
    let report = bad(|| {
        take(&[&one, &two]);
        take(&[&two, &one]);
    });
    assert!(text(&report).contains("  lock(same#2);\n"));
}

/// Worlds share keys, but no class, and places in the tables are used again.
#[test]
fn worlds_come_and_go() {
    let locks: Vec<_> = (0..20).map(|_| SpinLock::new(c"x", key())).collect();
    let forth: Vec<_> = locks.iter().collect();
    let back: Vec<_> = locks.iter().rev().collect();
    for _ in 0..1000 {
        good(|| take(&forth));
        good(|| take(&back));
    }
}

#[test]
fn many_tasks_at_once() {
    let locks: Vec<_> = (0..40).map(|_| SpinLock::new(c"x", key())).collect();
    good(|| {
        tasks(4, |seed| {
            let mut random = Random(seed);
            for _ in 0..300 {
                let own: Vec<_> = (0..2).map(|_| SpinLock::new(c"own", key())).collect();
                let some = locks.iter().filter(|_| random.below(8) == 0);
                take(&some.chain(&own).collect::<Vec<_>>());
                own.iter().for_each(|lock| LOCKDEP.reset_lock(lock.0.key));
            }
        });
    });
}

#[test]
fn a_held_lock_whose_class_was_forgotten_is_of_no_other_class() {
    locks!(outer, between, gone, new);
    good(|| {
        outer.lock();
        between.lock();
        gone.lock();
        LOCKDEP.free_key_range(gone.0.key, 1);
        // Its class gets the place of the other.
        another_task(|| take(&[&new, &outer]));
        between.unlock();
        gone.unlock();
        outer.unlock();
    });
}
