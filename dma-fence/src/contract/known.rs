// SPDX-License-Identifier: GPL-2.0-only
//! What is known of fences beside their records: where references were taken and dropped, and of
//! fences that have no record any more, or never had one, that they are there or are gone.

use core::{
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::{debugobjects::SideTable, rule::Site};

type At = &'static Location<'static>;

/// Places that are told apart.
const SITES: usize = 6;

/// How many fences that were freed are remembered.
const FREED: usize = 4096;

/// Where something was done, and how often.
#[derive(Clone, Copy, Default)]
pub(super) struct Sites {
    pub(super) by_place: [Option<(Site, u32)>; SITES],
    pub(super) all: u32,
    pub(super) last: Option<Site>,
}

impl Sites {
    pub(super) fn add(&mut self, at: Site) {
        let own = |slot: &&mut Option<(Site, u32)>| slot.is_none_or(|(known, _)| known == at);
        if let Some(slot) = self.by_place.iter_mut().find(own) {
            slot.get_or_insert((at, 0)).1 += 1;
        }
        self.all += 1;
        self.last = Some(at);
    }
}

/// The references to a fence beside the first.
#[derive(Clone, Copy, Default)]
pub(super) struct Refs {
    pub(super) taken: Sites,
    pub(super) dropped: Sites,
    /// Some that were asked for in vain: these may be given up, and it is reported once.
    pub(super) refused: u32,
}

/// By the numbers of the fences.
pub(super) static REFS: SideTable<u64, Refs> = SideTable::new();

/// A fence without a record.
#[derive(Clone, Copy, Default)]
pub(super) struct Other {
    /// If it had one: its numbers, and where it was created.
    pub(super) was: Option<((u64, u64), At)>,
    pub(super) refs: Refs,
    /// Where its memory was freed, if it was, and in which order.
    pub(super) freed: Option<(Site, u64)>,
}

/// By their addresses.
pub(super) static OTHERS: SideTable<usize, Other> = SideTable::new();

/// The addresses of those that were freed, the oldest first.
static ORDER: SideTable<u64, usize> = SideTable::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The memory of a fence without a record is about to be freed.
pub(super) fn freed(addr: usize, at: Site) {
    let order = NEXT.fetch_add(1, Relaxed);
    OTHERS.with(addr, |other| other.freed = Some((at, order)));
    ORDER.insert(order, addr);
    let Some(oldest) = order.checked_sub(FREED as u64) else {
        return;
    };
    let addr = ORDER.remove(oldest).unwrap_or_default();
    let same = |other: &mut Other| other.freed.is_some_and(|(_, order)| order == oldest);
    if OTHERS.with(addr, same) == Some(true) {
        OTHERS.remove(addr);
    }
}
