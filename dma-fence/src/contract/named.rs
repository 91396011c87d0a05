// SPDX-License-Identifier: GPL-2.0-only
//! Who a fence belongs to, as reports name it: the driver, and its timeline.
//!
//! No report asks an op: the driver may be gone, or be what is reported, or hold its locks. Names are
//! remembered when they are known to be good, once for each context: when a fence is made, if its
//! driver has declared them, or else when the core has asked for them.

use super::record::Subject;
use core::{
    cell::Cell,
    ffi::CStr,
    fmt::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::{debugobjects::SideTable, per_thread, rcu_order_last, rule::this_machine};

/// The bytes of a name that are kept.
const LEN: usize = 32;

/// A name, or as much of it as there is room for; NUL-terminated if it is shorter.
type Name = [u8; LEN];

/// The names of the driver and the timeline, by machine and context.
static NAMES: SideTable<(u64, u64), [Name; 2]> = SideTable::new();

/// Contexts of threads that run freely whose names are remembered: these come to no end.
const REMEMBERED: u64 = 4096;

/// Those of which the names were learnt last; each is forgotten when the next but so many is.
static LAST: SideTable<u64, (u64, u64)> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A machine, a context in it, a name's address, and the last stamp of RCU's from then.
type Learnt = ((u64, u64), usize, u64);

per_thread! {
    /// What this thread has learnt last of each of the names.
    static LEARNT: [Cell<Option<Learnt>>; 2] = [const { Cell::new(None) }; 2];
}

/// The name of the driver, number 0, or of the timeline, number 1, is this for all fences of the
/// context.
///
/// A string is no other while no grace period has begun.
pub(super) fn learns<'a>(context: u64, which: usize, addr: usize, name: impl Fn() -> &'a CStr) {
    let key = (this_machine(), context);
    let learnt = Some((key, addr, rcu_order_last()));
    if LEARNT.with(|all| all[which].replace(learnt) == learnt) {
        return;
    }
    let name = name();
    let name = &name.to_bytes()[..name.count_bytes().min(LEN)];
    let mut own = [0; LEN];
    own[..name.len()].copy_from_slice(name);
    let learn = |names: &mut [Name; 2]| names[which] = own;
    if NAMES.with(key, learn).is_none() {
        NAMES.with_entry(key, learn);
        if key.0 == 0 {
            remember(key);
        }
    }
}

/// Forgets the names of the context before so many others.
fn remember(key: (u64, u64)) {
    let place = NEXT.fetch_add(1, Relaxed) % REMEMBERED;
    if let Some(before) = LAST.insert(place, key) {
        NAMES.remove(before);
    }
}

/// The machine ends.
pub(super) fn ended() {
    let machine = this_machine();
    NAMES.remove_range((machine, 0), (machine + 1, 0));
}

/// Writes the names of a context behind its numbers, as far as they are known.
pub(super) fn write(context: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let Some(names) = NAMES.with((this_machine(), context), |names| *names) else {
        return Ok(());
    };
    let [driver, timeline] = names.each_ref().map(Text);
    write!(out, " ({driver}:{timeline})")
}

/// A name without the NULs behind it.
fn bytes(name: &Name) -> &[u8] {
    &name[..name.iter().position(|&c| c == 0).unwrap_or(LEN)]
}

struct Text<'a>(&'a Name);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] == 0 {
            return f.write_char('?');
        }
        for chunk in bytes(self.0).utf8_chunks() {
            f.write_str(chunk.valid())?;
        }
        Ok(())
    }
}

/// A fence by its context and number, and its names.
pub(super) struct Fence(pub(super) Subject);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (context, seqno) = self.0;
        write!(f, "fence {context}:{seqno}")?;
        write(context, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_so_many_contexts_are_remembered() {
        const FIRST: u64 = u64::MAX / 2;
        let names = |context| NAMES.with((0, context), |names| *names);
        let all = || NAMES.range((0, FIRST), (0, u64::MAX), usize::MAX).count();
        for context in FIRST..FIRST + 2 * REMEMBERED {
            for which in [0, 1, 0] {
                learns(context, which, 1 + which, || [c"driver", c"ring"][which]);
            }
            assert_eq!(
                names(context).map(|names| &names[1][..5] == b"ring\0"),
                Some(true)
            );
        }
        assert!((REMEMBERED / 2..=REMEMBERED).contains(&(all() as u64)));
    }
}
