// SPDX-License-Identifier: GPL-2.0-only
//! Where references to a fence were taken and dropped.

use kernel::bindings::{debugobjects::Vec, rule::Site};

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
            Some(known) => {
                let count = &mut self.by_place[known].1;
                *count = count.saturating_add(1);
            }
            None if self.by_place.len() < SITES => {
                self.by_place.reserve_exact(1);
                self.by_place.push((at, 1));
            }
            None => {}
        }
        self.all = self.all.saturating_add(1);
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

impl Sites {
    /// Forgets all of it, and keeps the memory.
    fn clear(&mut self) {
        self.by_place.clear();
        (self.all, self.last) = (0, None);
    }
}

impl Refs {
    /// Forgets all of it, and keeps the memory for what is at the same address next.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
        self.dropped.clear();
        self.refused = 0;
    }
}
