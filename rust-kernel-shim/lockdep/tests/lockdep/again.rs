// SPDX-License-Identifier: GPL-2.0-only
//! What a task remembers of what it has taken makes no difference.

use crate::host::*;
use lockdep::{Acquire, Context, LD_WAIT_SLEEP};
use std::mem::{discriminant, Discriminant};

/// Often enough that the task remembers.
fn often(f: impl Fn()) {
    (0..3).for_each(|_| f());
}

#[test]
fn the_same_place_in_another_context() {
    locks!(a);
    let take_a = || take(&[&a]);
    bad(|| {
        often(|| hardirq(take_a));
        often(|| irqs_off(take_a));
        often(take_a);
    });
    good(|| {
        often(|| irqs_off(take_a));
        often(|| hardirq(take_a));
        often(|| irqs_off(take_a));
    });
}

#[test]
fn the_same_place_inside_another_lock() {
    locks!(a, b);
    let take_a = || take(&[&a]);
    let inside = |outer: &SpinLock| {
        outer.lock();
        take_a();
        outer.unlock();
    };
    let reverse = || take(&[&a, &b]);
    good(|| {
        often(take_a);
        often(reverse);
    });
    bad(|| {
        often(take_a);
        often(|| inside(&b));
        often(reverse);
    });
}

/// What the task that was interrupted holds is no part of the handler's chain, but of its own.
#[test]
fn the_same_chain_in_a_handler_and_around_it() {
    locks!(a, b);
    bad(|| {
        irqs_off(|| {
            a.lock();
            let take_b = || take(&[&b]);
            often(|| hardirq(take_b));
            a.unlock();
            hardirq(|| {
                a.lock();
                take_b();
                a.unlock();
            });
            take(&[&b, &a]);
        });
    });
}

#[test]
fn the_same_place_after_a_class_was_forgotten() {
    locks!(a, b);
    let both = || take(&[&a, &b]);
    bad(|| {
        often(both);
        LOCKDEP.free_key_range(b.0.key, 1);
        often(both);
        take(&[&b, &a]);
    });
}

#[test]
fn what_must_not_be_waited_for_is_found_each_time() {
    locks!(spin, mutex);
    let mut mutex = mutex;
    mutex.0.inner = LD_WAIT_SLEEP;
    for check in [true, false] {
        let each_time = found(|| {
            often(|| {
                spin.lock();
                mutex.acquire(Acquire {
                    check,
                    ..Acquire::at(0)
                });
                mutex.unlock();
                spin.unlock();
            });
        });
        assert_eq!(each_time.len(), 3);
    }
}

/// What one task does in a run.
#[derive(Clone, Copy)]
enum Step {
    /// Takes this lock, of this subclass, in a way of its own.
    Take(usize, u8, u8),
    /// Releases one of those held.
    Release(usize),
    /// Is in this context from now on.
    In(usize),
    /// Has the classes of a lock forgotten, if it holds none.
    Forget(usize),
}

/// The steps of a run, and what was found at which of them, if each acquisition is at a `place` of so
/// many.
fn run(
    steps: &[Step],
    place: impl Fn(usize, Step) -> usize,
) -> Vec<(usize, Discriminant<lockdep::Finding>)> {
    locks!(a, b, c);
    let mut locks = [a, b, c];
    locks[2].0.inner = LD_WAIT_SLEEP;
    let mut at = Vec::new();
    let reports = found(|| {
        let mut held: Vec<SpinLock> = Vec::new();
        let mut context = TASK;
        for (number, &step) in steps.iter().enumerate() {
            let before = LOCKDEP.host().count();
            in_context(context, || match step {
                Step::Take(lock, subclass, how) if held.len() < 6 => {
                    let lock = locks[lock].sibling();
                    let how = Acquire {
                        subclass,
                        trylock: how == 1,
                        read: how.saturating_sub(1).min(2),
                        check: how != 4,
                        ..Acquire::at(place(number, step))
                    };
                    LOCKDEP.acquire(&lock.0, &how);
                    held.push(lock);
                }
                Step::Release(which) if !held.is_empty() => {
                    let lock = held.remove(which.min(held.len() - 1));
                    LOCKDEP.release(&lock.0, 0);
                }
                Step::Forget(lock) if held.is_empty() => {
                    LOCKDEP.free_key_range(locks[lock].0.key, 8);
                }
                _ => {}
            });
            if let Step::In(which) = step {
                // A handler is left with what it has taken released.
                for lock in held.drain(..).rev() {
                    in_context(context, || LOCKDEP.release(&lock.0, 0));
                }
                context = CONTEXTS[which];
            }
            at.resize(at.len() + LOCKDEP.host().count() - before, number);
        }
        in_context(context, || {
            for lock in held.drain(..).rev() {
                LOCKDEP.release(&lock.0, 0);
            }
        });
    });
    at.into_iter()
        .zip(reports.iter().map(|report| discriminant(&report.finding)))
        .collect()
}

const CONTEXTS: [Context; 4] = [
    TASK,
    Context {
        irqs_off: true,
        ..TASK
    },
    Context {
        irqs_off: true,
        hardirq: true,
        threaded: true,
        ..TASK
    },
    SOFTIRQ,
];

#[test]
fn as_much_is_found_as_if_nothing_was_remembered() {
    let mut random = Random(1);
    let mut kinds = Vec::new();
    for _ in 0..300 {
        let steps: Vec<_> = (0..60)
            .map(|_| match random.below(16) {
                0 => Step::In(random.below(4)),
                1 => Step::Forget(random.below(3)),
                2..9 => Step::Release([0, 5][random.below(2)]),
                _ => Step::Take(
                    random.below(3),
                    random.below(2) as u8,
                    random.below(5) as u8,
                ),
            })
            .collect();
        let remembered = run(&steps, |_, _| 1);
        let anew = run(&steps, |number, _| number + 1);
        assert_eq!(remembered, anew);
        kinds.extend(remembered.iter().map(|(_, kind)| *kind));
    }
    kinds.dedup();
    assert!(kinds.len() > 100, "too little was found");
}
