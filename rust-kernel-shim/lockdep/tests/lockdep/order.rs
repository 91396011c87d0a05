// SPDX-License-Identifier: GPL-2.0-only
//! The order of locks, as the kernel's own test does not exercise it.

use crate::host::*;
use lockdep::{
    lock_class_key, lockdep_map, Finding, Host, Lock, Name, LD_LOCK_NORMAL, LD_WAIT_INV,
    LD_WAIT_SLEEP,
};
use std::ptr;

#[test]
fn two_tasks_take_two_locks_in_two_orders() {
    locks!(a, b);
    let mut lines = [0; 2];
    let report = bad(|| {
        lines[0] = here() + 1;
        another_task(|| take(&[&a, &b]));
        b.lock();
        a.lock();
        lines[1] = here() - 1;
        a.unlock();
        b.unlock();
        // It is said once.
        take(&[&b, &a]);
    });
    let Finding::Circular { lock, held, chain } = report.finding else {
        panic!("{report:?}");
    };
    let [other, own] = lines;
    assert_eq!((lock.class.name.as_str(), lock.ip), ("a", own));
    assert_eq!((held.class.name.as_str(), held.ip), ("b", own - 1));
    assert_eq!(chain.first.name.as_str(), "a");
    let link = chain.links.iter().next().unwrap();
    assert_eq!(link.class.name.as_str(), "b");
    assert_eq!((link.held_at, link.taken_at), (other, other));
    let before = own - 1;
    assert_eq!(
        text(&report),
        format!(
            "
======================================================
WARNING: possible circular locking dependency detected
------------------------------------------------------
test/1 is trying to acquire lock:
 (a){{+.+.}}-{{3:3}}, at: test.rs:{own}

but task is already holding lock:
 (b){{+.+.}}-{{3:3}}, at: test.rs:{before}

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (b){{+.+.}}-{{3:3}}:
       taken at test.rs:{other}
       while (a) was held since test.rs:{other}

-> #0 (a){{+.+.}}-{{3:3}}:
       taken at test.rs:{own}
       while (b) was held since test.rs:{before}

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b);
                               lock(a);
                               lock(b);
  lock(a);

 *** DEADLOCK ***

1 lock held by test/1:
 #0: (b){{+.+.}}-{{3:3}}, at: test.rs:{before}
"
        )
    );
}

#[test]
fn the_kernel_s_shape_of_a_longer_chain() {
    locks!(a, b, c, d);
    let report = bad(|| {
        take(&[&a, &b]);
        take(&[&b, &c]);
        take(&[&c, &d]);
        take(&[&d, &a]);
    });
    let Finding::Circular { chain, .. } = report.finding else {
        panic!("{report:?}");
    };
    let names = (0..5).map(|n| chain.class(n).name).collect::<Vec<_>>();
    assert_eq!(format!("{names:?}"), r#"["a", "b", "c", "d", "d"]"#);
    assert!(text(&report).contains("Chain exists of:\n  a --> c --> d\n"));
}

#[test]
fn subclasses_are_classes() {
    locks!(a);
    let b = a.sibling();
    good(|| {
        a.lock();
        b.nested(1);
        b.unlock();
        a.unlock();
    });
    let report = bad(|| {
        a.lock();
        b.nested(1);
        a.unlock();
        b.unlock();
        b.nested(1);
        a.lock();
        b.unlock();
        a.unlock();
    });
    assert!(text(&report).contains("lock(a/1);"), "{}", text(&report));
    // The same subclass again.
    let report = bad(|| {
        a.nested(1);
        b.nested(1);
        b.unlock();
        a.unlock();
    });
    assert!(matches!(report.finding, Finding::Recursive { .. }));
    // There are eight.
    good(|| {
        for subclass in 0..8 {
            a.sibling().nested(subclass);
            let c = a.sibling();
            c.try_lock();
            c.unlock();
        }
        LOCKDEP.reset();
    });
    let report = bad(|| a.nested(8));
    assert!(matches!(report.finding, Finding::Misuse { .. }));
}

#[test]
fn a_subclass_can_be_the_lock_s_own() {
    static KEY: lock_class_key = lock_class_key::new();
    let map = |subclass| {
        let name = Name::new(c"m");
        let map = lockdep_map::new(name, None, LD_WAIT_SLEEP, LD_WAIT_INV, LD_LOCK_NORMAL);
        LOCKDEP.init_map(&map, name, ptr::from_ref(&KEY).cast_mut(), subclass);
        SpinLock(Lock::from(&map)).sibling()
    };
    good(|| take(&[&map(0), &map(3)]));
    bad(|| take(&[&map(3), &map(3)]));
}

#[test]
fn a_lock_that_was_tried_waits_for_none_before_it() {
    locks!(a, b, c);
    good(|| {
        a.lock();
        b.try_lock();
        b.unlock();
        a.unlock();
        take(&[&b, &a]);
    });
    // Nor is it wrong to try one of a class that is held.
    good(|| {
        a.lock();
        let b = a.sibling();
        b.try_lock();
        b.unlock();
        a.unlock();
    });
    // But others wait for it.
    bad(|| {
        a.try_lock();
        b.lock();
        b.unlock();
        a.unlock();
        take(&[&b, &a]);
    });
    // It has no edges from those before it, so the next lock has them.
    for (outer, tried) in [(&b, &a), (&a, &b)] {
        let report = bad(|| {
            outer.lock();
            tried.try_lock();
            c.lock();
            c.unlock();
            tried.unlock();
            outer.unlock();
            take(&[&c, &a]);
        });
        assert!(matches!(report.finding, Finding::Circular { .. }));
    }
    // One that was waited for has.
    good(|| {
        take(&[&a, &b, &c]);
        take(&[&a, &c]);
    });
}

#[test]
fn a_chain_of_readers_is_another_than_one_of_writers() {
    locks!(a, b);
    for read in [0, 1, 2] {
        for other in [0, 1, 2] {
            let found = found(|| {
                a.read(2);
                b.read(2);
                b.unlock();
                a.unlock();
                b.read(other);
                a.read(read);
                a.unlock();
                b.unlock();
                // Again, exclusively.
                take(&[&b, &a]);
            });
            // Recursive readers wait for writers only: (a, b) is held as reader in `a`.
            let first = usize::from(read != 2 && other == 0);
            let second = usize::from((read, other) != (0, 0));
            assert_eq!(found.len(), first + second, "{read} {other}");
        }
    }
}

#[test]
fn a_class_that_was_first_reached_weakly_is_reached_again() {
    // a -R-> b over one edge, but a -> c -N-> b as well, and from b on a reader: the deadlock is that
    // of a, c, b, d.
    locks!(a, b, c, d);
    bad(|| {
        a.lock();
        b.read(2);
        b.unlock();
        a.unlock();
        take(&[&a, &c]);
        take(&[&c, &b]);
        b.read(2);
        d.lock();
        d.unlock();
        b.unlock();
        take(&[&d, &a]);
    });
    // Without the way over c there is none.
    good(|| {
        a.lock();
        b.read(2);
        b.unlock();
        a.unlock();
        b.read(2);
        d.lock();
        d.unlock();
        b.unlock();
        take(&[&d, &a]);
    });
}

#[test]
fn more_than_one_may_be_taken_under_a_nest_lock() {
    locks!(nest, a, b);
    let [one, two, three] = [(); 3].map(|()| a.sibling());
    good(|| {
        nest.lock();
        one.under(&nest);
        two.under(&nest);
        three.under(&nest);
        assert!(one.is_held() && two.is_held() && three.is_held());
        // They are one entry of the stack, matched by their class.
        LOCKDEP.host().with_task(|task| assert_eq!(task.depth(), 2));
        two.unlock();
        one.unlock();
        assert!(three.is_held() && one.is_held());
        three.unlock();
        assert!(!three.is_held());
        nest.unlock();
    });
    // Another class between them.
    good(|| {
        nest.lock();
        one.under(&nest);
        b.lock();
        two.under(&nest);
        two.unlock();
        b.unlock();
        one.unlock();
        nest.unlock();
    });
    let report = bad(|| {
        one.under(&nest);
        one.unlock();
    });
    assert!(text(&report).contains("but this task is not holding:\nnest\n"));
    // Released before what it permits.
    let report = bad(|| {
        nest.lock();
        one.under(&nest);
        nest.unlock();
        one.unlock();
    });
    assert!(matches!(report.finding, Finding::NestNotHeld { .. }));
}

#[test]
fn the_search_goes_on_after_a_finding() {
    locks!(a, b, c, d);
    let found = found(|| {
        take(&[&a, &b]);
        take(&[&c, &d]);
        take(&[&b, &a]);
        take(&[&d, &c]);
        // The edges that were found bad are not there.
        take(&[&a, &b, &c, &d]);
    });
    assert_eq!(found.len(), 2);
}

#[test]
fn more_chains_than_the_cache_holds_are_seen() {
    locks!(a, b);
    bad(|| {
        take(&[&a, &b]);
        for _ in 0..(1 << 15) {
            locks!(c);
            take(&[&c]);
            LOCKDEP.reset_lock(c.0.key);
        }
        take(&[&a, &b]);
        take(&[&b, &a]);
    });
}

/// What one task of the model holds, and waits for: a lock's number, and how it is read.
type Step = ((usize, u8), (usize, u8));

/// True if, of tasks that each do one of the steps, some can wait for each other in a circle that the
/// last step is part of. A recursive reader does not wait for readers.
fn can_deadlock(steps: &[Step]) -> bool {
    let waits_for = |step: &Step, other: &Step| {
        let ((_, (wanted, how)), ((held, held_how), _)) = (step, other);
        wanted == held && !(*how == 2 && *held_how != 0)
    };
    let Some(last) = steps.last() else {
        return false;
    };
    let mut reached = vec![false; steps.len()];
    let mut todo = vec![last];
    while let Some(step) = todo.pop() {
        for (other, reached) in steps.iter().zip(&mut reached) {
            if waits_for(step, other) && !std::mem::replace(reached, true) {
                todo.push(other);
            }
        }
    }
    reached[steps.len() - 1]
}

/// Random pairs of locks, of which the engine finds bad those that a model of waiting tasks does.
#[test]
fn findings_are_those_of_a_model() {
    for seed in 1..300 {
        let mut random = Random(seed);
        let locks: Vec<_> = (0..6).map(|_| SpinLock::new(c"x", key())).collect();
        let found = found(|| {
            let (mut tried, mut good) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                let (a, b) = (random.below(6), random.below(6));
                let step = ((a, random.below(3) as u8), (b, random.below(3) as u8));
                if a == b || tried.contains(&step) {
                    continue;
                }
                tried.push(step);
                let before = LOCKDEP.host().count();
                locks[a].read(step.0 .1);
                locks[b].read(step.1 .1);
                locks[b].unlock();
                locks[a].unlock();
                good.push(step);
                let deadlock = can_deadlock(&good);
                let reported = LOCKDEP.host().count() - before;
                assert_eq!(
                    reported,
                    deadlock.into(),
                    "seed {seed}: {step:?} after {good:?}"
                );
                if deadlock {
                    good.pop();
                }
            }
        });
        assert!(!found.is_empty(), "seed {seed}");
    }
}
