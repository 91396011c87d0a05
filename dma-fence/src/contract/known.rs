// SPDX-License-Identifier: GPL-2.0-only
//! What is known of fences beside their records: where references were taken and dropped, and of
//! fences that have no record any more, or never had one, that they are there or are gone.

use core::{
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use kernel::bindings::{
    debugobjects::{Box, HashTable, Vec},
    rule::Site,
};

type At = &'static Location<'static>;

/// Places that are told apart.
const SITES: usize = 6;

/// How many fences that were freed are remembered.
const FREED: usize = 4096;

/// Where something was done, and how often.
#[derive(Clone, Default)]
pub(super) struct Sites {
    pub(super) by_place: Vec<(Site, u32)>,
    pub(super) all: u32,
    pub(super) last: Option<Site>,
}

impl Sites {
    pub(super) fn add(&mut self, at: Site) {
        match self.by_place.iter().position(|&(known, _)| known == at) {
            Some(known) => self.by_place[known].1 += 1,
            None if self.by_place.len() < SITES => {
                self.by_place.reserve_exact(1);
                self.by_place.push((at, 1));
            }
            None => {}
        }
        self.all += 1;
        self.last = Some(at);
    }
}

/// The references to a fence beside the first.
#[derive(Clone, Default)]
pub(super) struct Refs {
    pub(super) taken: Sites,
    pub(super) dropped: Sites,
    /// Some that were asked for in vain: these may be given up, and it is reported once.
    pub(super) refused: u32,
}

/// A fence without a record.
#[derive(Clone, Default)]
pub(super) struct Other {
    /// If it had one: its numbers, and where it was created.
    pub(super) was: Option<((u64, u64), At)>,
    pub(super) refs: Option<Box<Refs>>,
    /// Where its memory was freed, if it was, and in which order.
    pub(super) freed: Option<(Site, u64)>,
}

/// By their addresses.
pub(super) static OTHERS: HashTable<usize, Other> = HashTable::new();

/// The addresses of those that were freed, the oldest first.
static ORDER: HashTable<u64, usize> = HashTable::new();

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
