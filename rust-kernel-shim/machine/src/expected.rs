// SPDX-License-Identifier: GPL-2.0-only
//! BUGs and WARNINGs that tests expect.

use std::{
    sync::{Mutex, MutexGuard},
    thread::{self, ThreadId},
};

struct Entry {
    number: u64,
    thread: ThreadId,
    /// The machine of its thread, and those that this has started since.
    machines: Vec<u64>,
    part: String,
    seen: usize,
}

struct Table {
    next: u64,
    entries: Vec<Entry>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    next: 0,
    entries: Vec::new(),
});

fn table() -> MutexGuard<'static, Table> {
    super::lock(&TABLE)
}

/// What is expected until this is dropped.
pub struct Expected(u64);

/// From now on, what contains `part` is expected of the tasks of `machine`, which is the caller's,
/// and of machines that the caller starts.
pub fn expect(machine: u64, part: &str) -> Expected {
    let mut table = table();
    table.next += 1;
    let number = table.next;
    table.entries.push(Entry {
        number,
        thread: thread::current().id(),
        machines: vec![machine],
        part: part.into(),
        seen: 0,
    });
    Expected(number)
}

impl Expected {
    /// How often it was seen so far.
    pub fn seen(&self) -> usize {
        let table = table();
        let mut entries = table.entries.iter();
        entries
            .find(|entry| entry.number == self.0)
            .map_or(0, |entry| entry.seen)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        table().entries.retain(|entry| entry.number != self.0);
    }
}

/// The caller starts `machine`.
pub fn starts(machine: u64) {
    let this = thread::current().id();
    for entry in &mut table().entries {
        if entry.thread == this {
            entry.machines.push(machine);
        }
    }
}

/// True if `text` is expected in `machine`; it is counted. Threads that run freely are in one
/// machine, so that what this thread expects itself goes first.
pub fn is_expected(machine: u64, text: &str) -> bool {
    let this = thread::current().id();
    let mut table = table();
    let fits = |entry: &&mut Entry| {
        entry.machines.contains(&machine) && text.contains(entry.part.as_str())
    };
    let (own, others): (Vec<_>, Vec<_>) = table
        .entries
        .iter_mut()
        .filter(fits)
        .partition(|entry| entry.thread == this);
    let counted = if own.is_empty() { others } else { own };
    let expected = !counted.is_empty();
    counted.into_iter().for_each(|entry| entry.seen += 1);
    expected
}
