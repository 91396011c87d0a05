// SPDX-License-Identifier: GPL-2.0-only
//! Fences that have no record any more, or never had one: that they are there, or were freed.

use super::{
    super::known::Refs,
    facts::{FREED, HAD_RECORD, OTHER},
    settling::over,
    table::{self, at, enter, FENCES},
    tracked::Known,
    At, Subject,
};
use core::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use kernel::bindings::{debugobjects::Box, rule::Site};

/// How many fences that were freed are remembered.
const REMEMBERED: usize = 4096;

/// The addresses of those, each where the next but so many takes its place.
static ORDER: [AtomicUsize; REMEMBERED] = [const { AtomicUsize::new(0) }; REMEMBERED];

static NEXT: AtomicU64 = AtomicU64::new(1);

/// There is a fence without a record.
pub(in crate::contract) fn untracked(addr: usize) {
    let mut known = enter(addr);
    if known.number() != 0 {
        over(&mut known);
    }
    known.end();
    known.rest.clear_refs();
    known.set(OTHER, true);
}

/// What is known of a fence that has no record.
#[derive(Default)]
pub(in crate::contract) struct Gone {
    /// If it had one: how reports name it, and where it was created.
    pub(in crate::contract) was: Option<(Subject, At)>,
    pub(in crate::contract) refs: Refs,
    /// Where its memory was freed, if it was.
    pub(in crate::contract) freed: Option<Site>,
}

impl Gone {
    fn of(known: &Known) -> Option<Self> {
        if !known.has(OTHER) {
            return None;
        }
        let created = known.created().filter(|_| known.has(HAD_RECORD));
        let freed = known.rest.freed.as_deref().filter(|_| known.has(FREED));
        Some(Self {
            was: created.map(|created| (known.subject(), created)),
            refs: known.rest.refs.as_deref().cloned().unwrap_or_default(),
            freed: freed.map(|&(at, _)| at),
        })
    }
}

/// What is known of a fence at this address, at which none was found that has a record. One may be there
/// by now, if its memory is type-stable: then that is not freed.
pub(in crate::contract) fn gone(addr: usize) -> Option<Gone> {
    let known = at(addr)?;
    match known.number() {
        0 => Gone::of(&known),
        _ => Some(Gone::default()),
    }
}

/// Calls `f` with the references to a fence at this address that has no record.
pub(in crate::contract) fn refs_of_gone<R>(
    addr: usize,
    f: impl FnOnce(&mut Refs) -> R,
) -> Option<R> {
    let mut known = at(addr).filter(|known| known.has(OTHER))?;
    Some(f(known.refs()))
}

/// The memory of a fence without a record is about to be freed.
pub(in crate::contract) fn freed(addr: usize, at: Site) {
    let order = NEXT.fetch_add(1, Relaxed);
    if let Some(mut known) = table::at(addr).filter(|known| known.has(OTHER)) {
        match &mut known.rest.freed {
            Some(freed) => **freed = (at, order),
            none => *none = Some(Box::new((at, order))),
        }
        known.set(FREED, true);
    }
    // CAST: The low bits are what counts.
    let oldest = ORDER[order as usize % REMEMBERED].swap(addr, Relaxed);
    if let Some(order) = order.checked_sub(REMEMBERED as u64) {
        forget(oldest, order);
    }
}

/// Forgets what was freed in that order at an address, if nothing has come there since.
fn forget(addr: usize, order: u64) {
    let Some(known) = at(addr) else {
        return;
    };
    let freed = known.rest.freed.as_deref().filter(|_| known.has(FREED));
    if freed.is_some_and(|&(_, freed)| freed == order) {
        known.end();
        let place = known.place();
        FENCES.leave(place, addr);
        drop(known);
        FENCES.free(place, addr);
    }
}

/// The fences that begin in this memory: how reports name them, and their references.
pub(in crate::contract) fn in_memory(
    memory: Range<usize>,
) -> impl Iterator<Item = (Subject, Refs)> {
    FENCES.in_memory(memory).filter_map(|place| {
        let known = Known::new(place, place.lock());
        if let Some(gone) = Gone::of(&known) {
            let any = gone.refs.taken.all + gone.refs.dropped.all != 0;
            return Some((gone.was.filter(|_| any)?.0, gone.refs));
        }
        let refs = known.rest.refs.as_deref().cloned().unwrap_or_default();
        (known.number() != 0).then(|| (known.subject(), refs))
    })
}
