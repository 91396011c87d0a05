// SPDX-License-Identifier: GPL-2.0-only
//! All that is known of a fence, its record among it.

use super::{
    super::{
        declared,
        known::Refs,
        points::{Key, Points},
    },
    table::known_as,
    At, Record,
};
use core::{mem::replace, ptr};
use kernel::bindings::{
    debugobjects::{debug_obj_descr, Box, SideTable, Vec, Words},
    rule::this_machine,
};

/// Blocks that the ops of one fence reach and that are tracked.
const REACHED: usize = 16;

/// Something that is reached: its address, and its kind.
type Reached = (usize, &'static debug_obj_descr);

/// Something that was freed while only the issuer knew of the fence.
#[derive(Clone, Copy)]
pub(in crate::contract) struct Dangling {
    /// By which word of the fence's memory it was pointed to.
    pub(in crate::contract) offset: usize,
    pub(in crate::contract) addr: usize,
    pub(in crate::contract) size: usize,
    pub(in crate::contract) freed: At,
}

/// What the ops of a fence reach beside what is tracked of it alone.
enum Reach {
    /// Where its memory points: that may be anywhere, until it signals.
    Points(Points),
    /// What belongs to the context at this address; nothing if that is 0.
    Context(usize),
}

const NOTHING: Reach = Reach::Context(0);

/// All that is known of a fence that is tracked. What is often looked at is in its record, and of the
/// rest no more than there is.
pub(in crate::contract) struct Known {
    /// A number that is never used again: a stamp of RCU's from when it was created.
    pub(super) number: u64,
    pub(in crate::contract) record: Record,
    /// The references that were taken and dropped, if any were.
    pub(super) refs: Option<Box<Refs>>,
    /// What it has reached for itself, if anything.
    pub(super) own: Option<Box<Own>>,
    reach: Reach,
}

/// What the ops of a fence have reached that declares nothing.
#[derive(Default)]
pub(in crate::contract) struct Own {
    pub(super) reached: Vec<Reached>,
    pub(in crate::contract) dangling: Option<Box<Dangling>>,
    /// Its last names, each with a stamp of RCU's from when it was returned.
    pub(in crate::contract) names: [(usize, u64); 2],
}

impl Known {
    pub(super) fn new(number: u64, record: Record) -> Self {
        Self {
            number,
            record,
            refs: None,
            own: None,
            reach: NOTHING,
        }
    }

    pub(in crate::contract) fn number(&self) -> u64 {
        self.number
    }

    /// The references that were taken and dropped.
    pub(in crate::contract) fn refs(&mut self) -> &mut Refs {
        self.refs.get_or_insert_default()
    }

    fn key(&self) -> Key {
        Key {
            machine: self.record.machine,
            number: self.number,
            addr: self.record.addr,
        }
    }

    /// Until it signals it may point anywhere; for what is returned see [`Points::touched`].
    pub(in crate::contract) fn enters_points(&mut self) -> Option<(u64, usize)> {
        self.now_reaches(Reach::Points(Points::default()));
        self.touched()
    }

    /// It may point anywhere.
    pub(in crate::contract) fn points(&self) -> bool {
        matches!(self.reach, Reach::Points(_))
    }

    /// Something happens to it, see [`Points::touched`].
    pub(in crate::contract) fn touched(&mut self) -> Option<(u64, usize)> {
        let key = self.key();
        match &mut self.reach {
            Reach::Points(points) => points.touched(key),
            Reach::Context(_) => None,
        }
    }

    /// See [`Points::settles`]. If it has signalled meanwhile, that does not matter any more.
    pub(in crate::contract) fn settles(&mut self, to: Words) {
        if let Reach::Points(points) = &mut self.reach {
            points.settles(self.number, to);
        }
    }

    /// A task other than the issuer gets it, here; true if it is the first.
    pub(in crate::contract) fn is_published(&mut self, at: At) -> bool {
        let first = self.record.published.is_none();
        self.record.published.get_or_insert(at);
        if first && self.record.is_pending() {
            PENDING.insert((self.record.machine, self.number), ());
        }
        first
    }

    /// It is about to be pending no more.
    pub(in crate::contract) fn ends_pending(&mut self) {
        self.leaves_points();
        if self.record.is_pending() {
            PENDING.remove((self.record.machine, self.number));
        }
    }

    /// Where it points does not matter any more.
    pub(in crate::contract) fn leaves_points(&mut self) {
        if let Reach::Points(_) = self.reach {
            self.now_reaches(NOTHING);
        }
    }

    /// The ops reach what belongs to the context at this address; true if no other's did.
    pub(in crate::contract) fn enters_context(&mut self, context: usize) -> bool {
        self.now_reaches(Reach::Context(context));
        declared::begins(context, self.number)
    }

    pub(super) fn reaches_nothing(&mut self) {
        self.now_reaches(NOTHING);
    }

    fn now_reaches(&mut self, reach: Reach) {
        match replace(&mut self.reach, reach) {
            Reach::Points(points) => points.ends(self.key()),
            Reach::Context(0) => {}
            Reach::Context(context) => declared::ends(context, self.number),
        }
    }

    /// What was freed to which its memory points, once.
    pub(in crate::contract) fn dangling(&mut self) -> Option<Box<Dangling>> {
        self.own.as_mut()?.dangling.take()
    }

    /// What its ops have reached.
    pub(in crate::contract) fn own(&mut self) -> &mut Own {
        self.own.get_or_insert_default()
    }

    /// The ops reach this; false if that is not tracked, since there is so much.
    pub(in crate::contract) fn reaches(
        &mut self,
        addr: usize,
        descr: &'static debug_obj_descr,
    ) -> bool {
        let this = |&(a, d): &Reached| a == addr && ptr::eq(d, descr);
        let reached = &mut self.own().reached;
        let known = reached.iter().any(this);
        if !known && reached.len() < REACHED {
            reached.reserve_exact(1);
            reached.push((addr, descr));
            return true;
        }
        known
    }
}

/// Those that are pending, and not overdue yet, by their machines and numbers: the oldest first.
static PENDING: SideTable<(u64, u64), ()> = SideTable::new();

/// The oldest pending fence of this machine that is not overdue yet, if it is now.
pub(in crate::contract) fn next_overdue(is_overdue: impl Fn(&Record) -> bool) -> Option<Record> {
    let machine = this_machine();
    let oldest = PENDING.range((machine, 0), (machine + 1, 0), 1).next();
    let (key, ()) = oldest?;
    known_as(key.1, |known| {
        let record = &mut known.record;
        record.overdue = is_overdue(record);
        record.overdue.then(|| {
            PENDING.remove(key);
            *record
        })
    })?
}
