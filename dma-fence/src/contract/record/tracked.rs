// SPDX-License-Identifier: GPL-2.0-only
//! All that is known of a fence, its record among it.

use super::{
    super::{
        declared,
        known::Refs,
        points::{Key, Points},
    },
    facts::{Facts, CONTAINER, DECLARED, ENABLED, IN_ORDER, LISTED, MODULE_GONE, OVERDUE, POINTS},
    table::{Id, Tracked},
    At, Record,
};
use core::{mem::replace, ops::Deref, ptr};
use kernel::bindings::{
    debugobjects::{debug_obj_descr, Box, Guard, SideTable, Vec, Words},
    rcu_order,
    rule::{this_machine, Site},
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

impl Default for Reach {
    fn default() -> Self {
        NOTHING
    }
}

/// What is looked at of an address under the lock of its place.
#[derive(Default)]
pub(in crate::contract) struct Rest {
    /// The references that were taken and dropped, if any were.
    pub(super) refs: Option<Box<Refs>>,
    /// What it has reached for itself, if anything.
    pub(super) own: Option<Box<Own>>,
    reach: Reach,
    /// Where the memory of a fence without a record was freed last, and in which order.
    pub(super) freed: Option<Box<(Site, u64)>>,
}

impl Rest {
    /// There is another fence.
    pub(super) fn clear_refs(&mut self) {
        if let Some(refs) = &mut self.refs {
            refs.clear();
        }
    }
}

/// A fence, whose facts are what everybody looks at; and its lock, which is held while this lives.
pub(in crate::contract) struct Known {
    place: &'static Tracked,
    pub(super) rest: Guard<'static, Rest>,
}

impl Deref for Known {
    type Target = Facts;

    #[inline]
    fn deref(&self) -> &Facts {
        self.place
    }
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
    #[inline]
    pub(super) fn new(place: &'static Tracked, rest: Guard<'static, Rest>) -> Self {
        Self { place, rest }
    }

    pub(super) fn place(&self) -> &'static Tracked {
        self.place
    }

    pub(in crate::contract) fn id(&self) -> Id {
        Id::new(self.number(), self.place)
    }

    /// The references that were taken and dropped.
    pub(in crate::contract) fn refs(&mut self) -> &mut Refs {
        self.rest.refs.get_or_insert_default()
    }

    fn key(&self) -> Key {
        Key {
            machine: self.machine(),
            id: self.id(),
        }
    }

    /// Until it signals it may point anywhere; for what is returned see [`Points::touched`].
    pub(super) fn enters_points(&mut self) -> Option<Id> {
        self.now_reaches(Reach::Points(Points::default()));
        self.set(POINTS, true);
        self.touched()
    }

    /// Something happens to it, see [`Points::touched`].
    pub(in crate::contract) fn touched(&mut self) -> Option<Id> {
        let key = self.key();
        match &mut self.rest.reach {
            Reach::Points(points) => points.touched(key),
            Reach::Context(_) => None,
        }
    }

    /// See [`Points::settles`]. If it has signalled meanwhile, that does not matter any more.
    pub(in crate::contract) fn settles(&mut self, to: Words) {
        let id = self.id();
        if let Reach::Points(points) = &mut self.rest.reach {
            points.settles(id, to);
        }
    }

    /// A task other than the issuer gets it, here, at this time.
    pub(in crate::contract) fn publishes(&mut self, at: At, now: i64) {
        if self.is_published() {
            return;
        }
        self.publish(at, now);
        if self.record().is_some_and(|record| record.is_pending()) {
            self.set(LISTED, true);
            PENDING.insert(self.pending(), self.id());
        }
    }

    /// By what it is found among those that are pending.
    fn pending(&self) -> (u64, i64, u64) {
        (self.machine(), self.since(), self.number())
    }

    /// It is about to be pending no more.
    pub(in crate::contract) fn ends_pending(&mut self) {
        self.leaves_points();
        self.leaves_list();
    }

    fn leaves_list(&mut self) {
        if self.has(LISTED) {
            self.set(LISTED, false);
            PENDING.remove(self.pending());
        }
    }

    /// Where it points does not matter any more.
    fn leaves_points(&mut self) {
        if self.has(POINTS) {
            self.now_reaches(NOTHING);
        }
    }

    /// The ops reach what belongs to the context at this address; true if no other's did.
    pub(in crate::contract) fn declares(&mut self, context: usize) -> bool {
        self.set(DECLARED, true);
        self.now_reaches(Reach::Context(context));
        declared::begins(context, self.id())
    }

    /// It is made of others, and reaches these alone.
    pub(in crate::contract) fn contains(&mut self) {
        self.ends_pending();
        self.set(DECLARED | CONTAINER, true);
    }

    /// Its signal was asked for.
    pub(in crate::contract) fn is_enabled(&mut self) {
        self.set(ENABLED, true);
    }

    /// The fences of its context signal in order.
    pub(in crate::contract) fn is_in_order(&mut self) {
        self.set(IN_ORDER, true);
    }

    /// The module whose code created it was unloaded.
    pub(in crate::contract) fn loses_module(&mut self) {
        self.set(MODULE_GONE, true);
    }

    /// The bit is set, and the ops are still attached.
    pub(in crate::contract) fn has_signalled(&mut self) {
        self.ends_pending();
        self.set_bit_set(rcu_order());
    }

    /// It reaches nothing any more. What is returned was its own.
    pub(super) fn ends(&mut self) -> Option<Box<Own>> {
        self.ends_pending();
        if !matches!(self.rest.reach, Reach::Context(0)) {
            self.now_reaches(NOTHING);
        }
        self.rest.own.take()
    }

    #[inline(never)]
    fn now_reaches(&mut self, reach: Reach) {
        match replace(&mut self.rest.reach, reach) {
            Reach::Points(points) => {
                self.set(POINTS, false);
                points.ends(self.key());
            }
            Reach::Context(0) => {}
            Reach::Context(context) => declared::ends(context, self.id()),
        }
    }

    /// What was freed to which its memory points, once.
    pub(in crate::contract) fn dangling(&mut self) -> Option<Box<Dangling>> {
        self.rest.own.as_mut()?.dangling.take()
    }

    /// What its ops have reached.
    pub(in crate::contract) fn own(&mut self) -> &mut Own {
        self.rest.own.get_or_insert_default()
    }

    /// The ops reach this; false if that is not tracked, since there is so much.
    pub(in crate::contract) fn reaches(
        &mut self,
        addr: usize,
        descr: &'static debug_obj_descr,
    ) -> bool {
        let this = |&(a, d): &Reached| a == addr && ptr::eq(d, descr);
        let id = self.id();
        let reached = &mut self.own().reached;
        let known = reached.iter().any(this);
        if !known && reached.len() < REACHED {
            if reached.is_empty() {
                id.is_an_owner();
            }
            reached.reserve_exact(1);
            reached.push((addr, descr));
            return true;
        }
        known
    }
}

/// Those that are pending, and not overdue yet, by their machines, the times at which they were published,
/// and their numbers.
static PENDING: SideTable<(u64, i64, u64), Id> = SideTable::new();

/// Of the pending fences of this machine that are not overdue yet, the one that was published first, if it
/// is now.
pub(in crate::contract) fn next_overdue(is_overdue: impl Fn(&Record) -> bool) -> Option<Record> {
    let machine = this_machine();
    let all = (machine, i64::MIN, 0)..(machine + 1, i64::MIN, 0);
    let (_, id) = PENDING.range(all.start, all.end, 1).next()?;
    let mut known = id.known()?;
    let record = known.record().filter(|record| is_overdue(record))?;
    known.leaves_list();
    known.set(OVERDUE, true);
    Some(record)
}
