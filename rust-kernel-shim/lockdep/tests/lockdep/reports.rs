// SPDX-License-Identifier: GPL-2.0-only
//! The texts of reports: in each line, `@` stands for a place.

use crate::host::*;
use lockdep::Acquire;

/// The report without its frame, and with places that do not change with this file.
fn body(f: impl FnOnce()) -> String {
    let text = text(&bad(f));
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| match line.split_once("test.rs:") {
            Some((before, after)) => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}@{rest}\n")
            }
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(lines[1].len(), lines[3].len());
    lines.remove(3);
    lines.drain(..2);
    lines.concat()
}

#[test]
fn recursive() {
    locks!(a);
    let b = a.sibling();
    let said = body(|| {
        a.read(1);
        b.read(1);
        b.unlock();
        a.unlock();
    });
    assert_eq!(
        said,
        "\
WARNING: possible recursive locking detected
test/1 is trying to acquire lock:
 (a){.+.+}-{3:3}, at: @

but task is already holding lock:
 (a){.+.+}-{3:3}, at: @

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0
       ----
  rlock(a);
  rlock(a);

 *** DEADLOCK ***

 May be due to missing lock nesting notation

1 lock held by test/1:
 #0: (a){.+.+}-{3:3}, at: @
"
    );
}

#[test]
fn inversion() {
    locks!(a, b, c);
    let said = body(|| {
        take(&[&c]);
        irqs_off(|| {
            take(&[&a, &b]);
            take(&[&b, &c]);
        });
        hardirq(|| take(&[&a]));
    });
    assert_eq!(
        said,
        "\
WARNING: possible irq lock inversion dependency detected
test/1 just changed the state of lock:
 (a){-...}-{3:3}, at: @
but this lock took another, HARDIRQ-unsafe lock in the past:
 (c){+.+.}-{3:3}
... which became HARDIRQ-irq-unsafe at:
  taken at @

and interrupts could create inverse lock ordering between them.

other info that might help us debug this:

Chain exists of:
  a --> b --> c

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(c);
                               local_irq_disable();
                               lock(a);
                               lock(b);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***

the shortest dependencies between 2nd lock and 1st lock:

-> #2 (c){+.+.}-{3:3}:
       taken at @
       while (b) was held since @

-> #1 (b){....}-{3:3}:
       taken at @
       while (a) was held since @

-> #0 (a){-...}-{3:3}

0 locks held by test/1.
"
    );
    let said = body(|| {
        hardirq(|| take(&[&a]));
        irqs_off(|| {
            take(&[&a, &b]);
            b.lock();
        });
        b.unlock();
    });
    assert_eq!(
        said,
        "\
WARNING: possible irq lock inversion dependency detected
test/1 just changed the state of lock:
 (b){+...}-{3:3}, at: @
now held with interrupts on at @
but this lock was taken by another, HARDIRQ-safe lock in the past:
 (a){-...}-{3:3}
... which became HARDIRQ-irq-safe at:
  taken at @

and interrupts could create inverse lock ordering between them.

other info that might help us debug this:

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b);
                               local_irq_disable();
                               lock(a);
                               lock(b);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***

the shortest dependencies between 2nd lock and 1st lock:

-> #1 (b){+...}-{3:3}:
       taken at @
       while (a) was held since @

-> #0 (a){-...}-{3:3}

1 lock held by test/1:
 #0: (b){+...}-{3:3}, at: @
"
    );
}

#[test]
fn order() {
    locks!(a, b, c);
    let said = body(|| {
        hardirq(|| take(&[&a]));
        irqs_off(|| {
            take(&[&b]);
            take(&[&a, &c]);
            b.lock();
        });
        b.unlock();
        irqs_off(|| take(&[&c, &b]));
    });
    assert_eq!(
        said,
        "\
WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
test/1 [HC0:SC0:HE0:SE1] is trying to acquire:
 (b){+.+.}-{3:3}, at: @

and this task is already holding:
 (c){....}-{3:3}, at: @
which would create a new lock dependency:
 (c){....}-{3:3} -> (b){+.+.}-{3:3}

but this new dependency connects a HARDIRQ-irq-safe lock:
 (a){-...}-{3:3}
... which became HARDIRQ-irq-safe at:
  taken at @

to a HARDIRQ-irq-unsafe lock:
 (b){+.+.}-{3:3}
... which became HARDIRQ-irq-unsafe at:
  taken at @
  interrupts turned on at @

other info that might help us debug this:

Chain exists of:
  a --> c --> b

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b);
                               local_irq_disable();
                               lock(a);
                               lock(c);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***

the dependencies between HARDIRQ-irq-safe lock and the holding lock:

-> #1 (c){....}-{3:3}:
       taken at @
       while (a) was held since @

-> #0 (a){-...}-{3:3}

the dependencies between the lock to be acquired and HARDIRQ-irq-unsafe lock:

-> #0 (b){+.+.}-{3:3}

1 lock held by test/1:
 #0: (c){....}-{3:3}, at: @
"
    );
}

#[test]
fn the_others() {
    locks!(a, nest);
    let said = body(|| {
        nest.lock();
        a.under(&nest);
        a.sibling().under(&nest);
        LOCKDEP.check_no_locks_held();
        a.unlock();
        a.unlock();
        nest.unlock();
    });
    assert_eq!(
        said,
        "\
WARNING: lock held at task exit
test/1 still has locks held!
2 locks held by test/1:
 #0: (nest){+.+.}-{3:3}, at: @
 #1: (a){+.+.}-{3:3}, at: @, 2 times
"
    );
    let said = body(|| hardirq(|| LOCKDEP.hardirqs_on_prepare(here())));
    assert_eq!(
        said,
        "\
WARNING: interrupts turned on in a hardirq handler
test/1 turns interrupts on at @
0 locks held by test/1.
"
    );
    let said = body(|| {
        a.acquire(Acquire {
            subclass: 9,
            ..Acquire::at(0)
        })
    });
    assert_eq!(
        said,
        "\
WARNING: lock used wrongly
test/1 uses lock (a): there is no such subclass
0 locks held by test/1.
"
    );
}
