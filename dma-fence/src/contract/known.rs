// SPDX-License-Identifier: GPL-2.0-only
//! What is known of fences beside their records: where references were taken and dropped, and of
//! fences that have no record any more, or never had one, that they are there or are gone.

use core::panic::Location;
use kernel::bindings::{
    debugobjects::{Box, Vec},
    rule::Site,
};

type At = &'static Location<'static>;

/// Places that are told apart.
const SITES: usize = 6;

/// Where something was done, and how often.
#[derive(Clone, Default)]
pub(super) struct Sites {
    pub(super) by_place: Vec<(Site, u32)>,
    pub(super) all: u32,
    pub(super) last: Option<Site>,
}

impl Sites {
    pub(super) fn add(&mut self, at: Site) {
        let is_there = |(known, _): &(Site, u32)| known.is(&at);
        match self.by_place.iter().position(is_there) {
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
