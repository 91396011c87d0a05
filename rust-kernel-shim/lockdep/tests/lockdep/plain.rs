// SPDX-License-Identifier: GPL-2.0-only
//! A kernel that says no more than it must, and is off after the first finding, as Linux is. It has
//! one thread, and locks with maps.

use crate::host::TASK;
use lockdep::{
    lockdep_map, Acquire, Context, Engine, Host, Known, Lock, Name, Report, Task, Text,
    LD_LOCK_NORMAL, LD_WAIT_INV, LD_WAIT_SLEEP,
};
use std::{cell::Cell, sync::Mutex};

struct Plain(Mutex<Vec<String>>);

static LOCKDEP: Engine<Plain> = Engine::new(Plain(Mutex::new(Vec::new())));

thread_local! {
    static STATE: Task = const { Task::new() };
    static ON: Cell<bool> = const { Cell::new(true) };
}

impl Host for Plain {
    fn enabled(&self) -> bool {
        ON.get()
    }

    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R {
        STATE.with(f)
    }

    fn context(&self) -> Context {
        TASK
    }

    fn set_softirqs_enabled(&self, _on: bool) {}

    fn task_name(&self) -> (Text<16>, i32) {
        (
            Text::from_bytes("a name of more bytes, \u{e4}".as_bytes()),
            2,
        )
    }

    fn lock(&self) {}

    fn unlock(&self) {}

    fn report(&self, report: &Report) {
        ON.set(false);
        let mut text = String::new();
        report.write(self, &mut text).unwrap();
        self.0.lock().unwrap().push(text);
    }
}

fn map() -> lockdep_map {
    lockdep_map::new(
        Name::new(c"map"),
        None,
        LD_WAIT_SLEEP,
        LD_WAIT_INV,
        LD_LOCK_NORMAL,
    )
}

#[test]
fn it_is_off_after_the_first_finding() {
    static MAPS: [lockdep_map; 2] = [const {
        lockdep_map::new(
            Name::new(c"map"),
            None,
            LD_WAIT_SLEEP,
            LD_WAIT_INV,
            LD_LOCK_NORMAL,
        )
    }; 2];
    let take = |map: &lockdep_map| LOCKDEP.acquire(&Lock::from(map), &Acquire::at(0x123));
    let give = |map: &lockdep_map| LOCKDEP.release(&Lock::from(map), 0x456);
    // Each is its own key.
    for map in &MAPS {
        take(map);
    }
    assert_ne!(MAPS[0].key(), MAPS[1].key());
    MAPS.iter().rev().for_each(give);
    give(&MAPS[1]);
    // It was found, so nothing is looked at.
    give(&MAPS[1]);
    take(&map());
    LOCKDEP.register_key(1);
    assert_eq!(LOCKDEP.is_held(&Lock::from(&MAPS[0]), None), Known::Unknown);
    STATE.with(|task| assert_eq!(task.depth(), 0));
    ON.set(true);
    LOCKDEP.reset();
    LOCKDEP.reset_lock(MAPS[1].key().addr());
    MAPS.iter().for_each(take);
    MAPS.iter().rev().for_each(give);
    let said = LOCKDEP.host().0.lock().unwrap();
    assert_eq!(
        said[..],
        ["
=====================================
WARNING: bad unlock balance detected!
-------------------------------------
a name of more b/2 is trying to release lock (map) at:
[<0x456>]
but there are no more locks to release!

other info that might help us debug this:

0 locks held by a name of more b/2.
"]
    );
}
