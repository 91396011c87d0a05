// SPDX-License-Identifier: GPL-2.0-only
//! Fences that have no record any more, or never had one: that they are there, or were freed.

use super::{
    super::known::{Other, Refs},
    settling::over,
    table::{at, enter, FENCES},
    tracked::Known,
    Subject,
};
use core::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use kernel::bindings::{debugobjects::Box, rule::Site};

/// How many fences that were freed are remembered.
const FREED: usize = 4096;

/// The addresses of those, each where the next but so many takes its place.
static ORDER: [AtomicUsize; FREED] = [const { AtomicUsize::new(0) }; FREED];

static NEXT: AtomicU64 = AtomicU64::new(1);

/// There is a fence without a record.
pub(in crate::contract) fn untracked(addr: usize) {
    let mut known = enter(addr);
    if known.number() != 0 {
        over(&mut known);
    }
    known.rest.other = Some(Box::default());
}

/// What is known of a fence once it has no record.
pub(super) fn other_of(known: &mut Known) -> Box<Other> {
    let was = known.created().map(|created| (known.subject(), created));
    let refs = known.rest.refs.take();
    let freed = None;
    Box::new(Other { was, refs, freed })
}

/// Calls `f` with what is known of a fence at this address that has no record.
pub(in crate::contract) fn other<R>(addr: usize, f: impl FnOnce(&mut Other) -> R) -> Option<R> {
    at(addr)?.rest.other.as_deref_mut().map(f)
}

/// The memory of a fence without a record is about to be freed.
pub(in crate::contract) fn freed(addr: usize, at: Site) {
    let order = NEXT.fetch_add(1, Relaxed);
    other(addr, |other| other.freed = Some((at, order)));
    // CAST: The low bits are what counts.
    let oldest = ORDER[order as usize % FREED].swap(addr, Relaxed);
    if let Some(order) = order.checked_sub(FREED as u64) {
        forget(oldest, order);
    }
}

/// Forgets what was freed in that order at an address, if nothing has come there since.
fn forget(addr: usize, order: u64) {
    let Some(mut known) = at(addr) else {
        return;
    };
    let other = known.rest.other.as_deref();
    let freed = other.and_then(|other| other.freed);
    if freed.is_some_and(|(_, freed)| freed == order) {
        known.rest.other = None;
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
        let refs = |refs: &Option<Box<Refs>>| refs.as_deref().cloned();
        match known.rest.other.as_deref() {
            Some(other) => Some((other.was?.0, refs(&other.refs)?)),
            None if known.number() == 0 => None,
            None => Some((known.subject(), refs(&known.rest.refs).unwrap_or_default())),
        }
    })
}
