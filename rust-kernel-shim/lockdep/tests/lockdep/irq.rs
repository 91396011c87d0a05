// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts.

use crate::host::*;
use lockdep::{Context, Finding, Known, LD_LOCK_PERCPU};

#[test]
fn a_lock_of_the_handler_s_is_held_with_interrupts_on() {
    locks!(a);
    let mut line = 0;
    let report = bad(|| {
        hardirq(|| take(&[&a]));
        line = here() + 1;
        a.lock();
        a.unlock();
        take(&[&a]);
    });
    let Finding::InconsistentState { lock, new, old } = report.finding else {
        panic!("{report:?}");
    };
    assert_eq!((lock.ip, new.taken_at, new.on_at), (line, line, 0));
    assert_eq!(
        (new.mark.to_string(), old.mark.to_string()),
        ("HARDIRQ-ON-W".into(), "IN-HARDIRQ-W".into())
    );
    assert_eq!(old.taken_at, line - 2);
    assert!(
        text(&report).contains("[HC0:SC0:HE1:SE1]: inconsistent {IN-HARDIRQ-W} -> {HARDIRQ-ON-W}")
    );
    good(|| {
        hardirq(|| take(&[&a]));
        irqs_off(|| take(&[&a]));
    });
}

#[test]
fn interrupts_are_turned_on_while_the_lock_is_held() {
    locks!(a);
    let mut line = 0;
    let report = bad(|| {
        hardirq(|| take(&[&a]));
        line = here() + 1;
        irqs_off(|| a.lock());
        a.unlock();
    });
    let Finding::InconsistentState { new, .. } = report.finding else {
        panic!("{report:?}");
    };
    assert_eq!((new.taken_at, new.on_at), (line, line));
    assert!(text(&report).contains("now held with interrupts on at test.rs:"));
}

/// No edge leads from what a task holds to what the handler takes that interrupts it. That the handler
/// waits for it is what the marks say, and they know that not every lock is meant.
#[test]
fn locks_of_an_interrupted_context_are_not_those_of_the_handler() {
    locks!(a, b, c);
    let run = |a: SpinLock| {
        move || {
            a.lock();
            hardirq(|| take(&[&b, &c]));
            a.unlock();
            irqs_off(|| take(&[&b, &a]));
        }
    };
    let report = bad(run(a));
    assert!(matches!(report.finding, Finding::IrqOrder { .. }));
    let mut per_cpu = a;
    per_cpu.0.lock_type = LD_LOCK_PERCPU;
    good(run(per_cpu));
    // Those of the handler's own are.
    bad(|| {
        a.lock();
        hardirq(|| take(&[&b, &c]));
        a.unlock();
        irqs_off(|| take(&[&c, &b]));
    });
    // The handler cannot release them, but it holds them.
    let report = bad(|| {
        a.lock();
        hardirq(|| {
            b.lock();
            a.unlock();
            assert!(a.is_held());
            b.unlock();
        });
        a.unlock();
    });
    assert!(matches!(report.finding, Finding::UnlockBalance { .. }));
}

/// A reader that reads in an interrupt waits for no reader.
#[test]
fn a_reader_s_mark_does_not_count_where_a_reader_holds_it() {
    locks!(a, b);
    for read in [1, 2] {
        // b is held with interrupts on, and then under a; the mark, or the edge, is new.
        for mark_first in [false, true] {
            good(|| {
                hardirq(|| {
                    a.read(2);
                    a.unlock();
                });
                let mark = || take(&[&b]);
                let edge = || {
                    irqs_off(|| {
                        a.read(read);
                        b.lock();
                        b.unlock();
                        a.unlock();
                    })
                };
                if mark_first {
                    mark();
                    edge();
                } else {
                    edge();
                    mark();
                }
            });
        }
    }
    // A writer's counts.
    bad(|| {
        hardirq(|| {
            a.read(2);
            a.unlock();
        });
        irqs_off(|| take(&[&a, &b]));
        take(&[&b]);
    });
}

#[test]
fn an_edge_between_what_interrupts_take_and_what_is_held_with_them_on() {
    locks!(a, b, c, d);
    let report = bad(|| {
        hardirq(|| take(&[&a]));
        take(&[&d]);
        irqs_off(|| {
            take(&[&a, &b]);
            take(&[&c, &d]);
            take(&[&b, &c]);
        });
    });
    let Finding::IrqOrder {
        safe,
        unsafe_,
        before,
        after,
        lock,
        held,
    } = report.finding
    else {
        panic!("{report:?}");
    };
    let names = |chain: &lockdep::Chain| {
        let links = chain
            .links
            .iter()
            .map(|link| link.class.name.as_str().to_owned());
        [chain.first.name.as_str().to_owned()]
            .into_iter()
            .chain(links)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&before), names(&after)),
        (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()])
    );
    assert_eq!(
        (held.class.name.as_str(), lock.class.name.as_str()),
        ("b", "c")
    );
    assert_eq!(
        (safe.mark.to_string(), unsafe_.mark.to_string()),
        ("IN-HARDIRQ-W".into(), "HARDIRQ-ON-W".into())
    );
    assert_eq!(
        (safe.taken_at + 1, unsafe_.taken_at),
        (unsafe_.taken_at, lock.ip - 4)
    );
    let text = text(&report);
    assert!(
        text.contains("Chain exists of:\n  a --> b --> d\n"),
        "{text}"
    );
}

#[test]
fn a_mark_that_completes_a_circle() {
    locks!(a, b);
    for mark_last in [&a, &b] {
        let report = bad(|| {
            irqs_off(|| take(&[&a, &b]));
            let mark = |lock: &SpinLock| {
                if std::ptr::eq(lock, mark_last) == std::ptr::eq(mark_last, &a) {
                    hardirq(|| take(&[&a]));
                } else {
                    take(&[&b]);
                }
            };
            let first = if std::ptr::eq(mark_last, &a) { &b } else { &a };
            mark(first);
            mark(mark_last);
        });
        let Finding::IrqInversion { chain, .. } = report.finding else {
            panic!("{report:?}");
        };
        assert_eq!(
            (chain.first.name.as_str(), chain.last().name.as_str()),
            ("a", "b")
        );
    }
}

#[test]
fn soft_interrupts() {
    locks!(a);
    let report = bad(|| {
        in_context(SOFTIRQ, || take(&[&a]));
        take(&[&a]);
    });
    assert!(text(&report).contains("{IN-SOFTIRQ-W} -> {SOFTIRQ-ON-W}"));
    let disabled = Context {
        softirqs_enabled: false,
        ..TASK
    };
    good(|| {
        in_context(SOFTIRQ, || take(&[&a]));
        in_context(disabled, || take(&[&a]));
    });
    good(|| {
        in_context(SOFTIRQ, || take(&[&a]));
        in_context(TASK, || {
            LOCKDEP.softirqs_off(here());
            take(&[&a]);
        });
    });
    bad(|| {
        in_context(SOFTIRQ, || take(&[&a]));
        in_context(disabled, || {
            a.lock();
            LOCKDEP.softirqs_on(here());
            LOCKDEP.softirqs_on(here());
            a.unlock();
        });
    });
}

#[test]
fn interrupts_are_not_turned_on_in_a_handler() {
    let report = bad(|| hardirq(|| LOCKDEP.hardirqs_on_prepare(here())));
    assert!(matches!(report.finding, Finding::IrqsOnInHardirq { .. }));
}

#[test]
fn whether_it_is_held_as_reader() {
    locks!(a, b);
    good(|| {
        a.read(1);
        b.lock();
        let held = |lock: &SpinLock, as_reader| LOCKDEP.is_held(&lock.0, as_reader);
        for (lock, read) in [(&a, true), (&b, false)] {
            assert_eq!(held(lock, None), Known::Held);
            assert_eq!(held(lock, Some(read)), Known::Held);
            assert_eq!(held(lock, Some(!read)), Known::NotHeld);
        }
        // Out of order.
        a.unlock();
        assert_eq!(
            (held(&a, None), held(&b, None)),
            (Known::NotHeld, Known::Held)
        );
        b.unlock();
    });
}
