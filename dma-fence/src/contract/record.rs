// SPDX-License-Identifier: GPL-2.0-only
//! The records of fences.

use super::{
    super::bindings::{dma_fence_ops, Live, SEQNO64},
    declared,
    known::{Other, Refs, OTHERS},
    points::{Key, Points},
};
use core::{
    cell::Cell,
    fmt,
    mem::replace,
    ops::Range,
    panic::Location,
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use kernel::{
    bindings::{
        debugobjects::{
            debug_obj_descr, debug_object_deactivate, in_key_order, Box, Changes, HashTable,
            SideTable, Vec, Words,
        },
        get_current, per_thread, rcu_order, rcu_order_last, rcu_order_passed, rcu_order_progress,
        rule::{core_files, this_machine, Evidence, Place, Rule},
    },
    ffi::c_int,
};

pub(super) type At = &'static Location<'static>;

/// The context and the number of a fence, by which reports name it.
pub(super) type Subject = (u64, u64);

/// Blocks that the ops of one fence reach and that are tracked.
const REACHED: usize = 16;

/// Something that is reached: its address, and its kind.
type Reached = (usize, &'static debug_obj_descr);

/// Records that are looked at for whether they are needed any more, whenever there is a new one.
const AT_ONCE: usize = 4;

/// The record of a fence.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) addr: usize,
    pub(super) context: u64,
    pub(super) seqno: u64,
    /// The machine in which it was created.
    pub(super) machine: u64,
    /// The task that created it.
    pub(super) task: c_int,
    pub(super) created: At,
    /// The time of its creation (ns).
    pub(super) created_ns: i64,
    /// Its ops have `wait` or `release`, so they stay attached.
    pub(super) keeps_ops: bool,
    /// Its number has 32 bits, and wraps around.
    pub(super) wraps: bool,
    /// Its driver has declared what its ops reach.
    pub(super) declared: bool,
    /// It is made of others, and its ops are of no module.
    pub(super) container: bool,
    /// The fences of its context signal in order.
    pub(super) in_order: bool,
    /// Its signal was asked for.
    pub(super) enabled: bool,
    /// The address of its lock.
    pub(super) lock: usize,
    /// The place at which a task other than its issuer first got it.
    pub(super) published: Option<At>,
    /// A stamp of RCU's from when it was signalled, and where that was; before, the same of the last
    /// call that may have signalled it.
    signal: Option<(u64, At)>,
    /// A stamp from after its bit was set, 0 before.
    pub(super) bit_set: u64,
    /// The place at which a reference was dropped last.
    pub(super) put: Option<At>,
    /// The last reference was dropped.
    pub(super) released: bool,
    /// The place at which its `signaled` op first returned true.
    pub(super) said_true: Option<At>,
    /// The module whose code created it was unloaded.
    pub(super) module_gone: bool,
    /// It was reported to be pending for too long.
    pub(super) overdue: bool,
}

/// Something that was freed while only the issuer knew of the fence.
#[derive(Clone, Copy)]
pub(super) struct Dangling {
    /// By which word of the fence's memory it was pointed to.
    pub(super) offset: usize,
    pub(super) addr: usize,
    pub(super) size: usize,
    pub(super) freed: At,
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
pub(super) struct Known {
    /// A number that is never used again: a stamp of RCU's from when it was created.
    number: u64,
    pub(super) record: Record,
    /// The references that were taken and dropped, if any were.
    refs: Option<Box<Refs>>,
    /// What it has reached for itself, if anything.
    own: Option<Box<Own>>,
    reach: Reach,
}

/// What the ops of a fence have reached that declares nothing.
#[derive(Default)]
pub(super) struct Own {
    reached: Vec<Reached>,
    pub(super) dangling: Option<Box<Dangling>>,
    /// Its last names, each with a stamp of RCU's from when it was returned.
    pub(super) names: [(usize, u64); 2],
}

impl Known {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The references that were taken and dropped.
    pub(super) fn refs(&mut self) -> &mut Refs {
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
    pub(super) fn enters_points(&mut self) -> Option<(u64, usize)> {
        self.now_reaches(Reach::Points(Points::default()));
        self.touched()
    }

    /// It may point anywhere.
    pub(super) fn points(&self) -> bool {
        matches!(self.reach, Reach::Points(_))
    }

    /// Something happens to it, see [`Points::touched`].
    pub(super) fn touched(&mut self) -> Option<(u64, usize)> {
        let key = self.key();
        match &mut self.reach {
            Reach::Points(points) => points.touched(key),
            Reach::Context(_) => None,
        }
    }

    /// See [`Points::settles`]. If it has signalled meanwhile, that does not matter any more.
    pub(super) fn settles(&mut self, to: Words) {
        if let Reach::Points(points) = &mut self.reach {
            points.settles(self.number, to);
        }
    }

    /// A task other than the issuer gets it, here; true if it is the first.
    pub(super) fn is_published(&mut self, at: At) -> bool {
        let first = self.record.published.is_none();
        self.record.published.get_or_insert(at);
        if first && self.record.is_pending() {
            PENDING.insert((self.record.machine, self.number), ());
        }
        first
    }

    /// It is about to be pending no more.
    pub(super) fn ends_pending(&mut self) {
        self.leaves_points();
        if self.record.is_pending() {
            PENDING.remove((self.record.machine, self.number));
        }
    }

    /// Where it points does not matter any more.
    pub(super) fn leaves_points(&mut self) {
        if let Reach::Points(_) = self.reach {
            self.now_reaches(NOTHING);
        }
    }

    /// The ops reach what belongs to the context at this address; true if no other's did.
    pub(super) fn enters_context(&mut self, context: usize) -> bool {
        self.now_reaches(Reach::Context(context));
        declared::begins(context, self.number)
    }

    fn now_reaches(&mut self, reach: Reach) {
        match replace(&mut self.reach, reach) {
            Reach::Points(points) => points.ends(self.key()),
            Reach::Context(0) => {}
            Reach::Context(context) => declared::ends(context, self.number),
        }
    }

    /// What was freed to which its memory points, once.
    pub(super) fn dangling(&mut self) -> Option<Box<Dangling>> {
        self.own.as_mut()?.dangling.take()
    }

    /// What its ops have reached.
    pub(super) fn own(&mut self) -> &mut Own {
        self.own.get_or_insert_default()
    }

    /// The ops reach this; false if that is not tracked, since there is so much.
    pub(super) fn reaches(&mut self, addr: usize, descr: &'static debug_obj_descr) -> bool {
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

/// Those whose memory is theirs, by their addresses.
static LIVE: HashTable<usize, Box<Known>> = HashTable::new();

/// The addresses of these, by their numbers.
static NUMBERS: HashTable<u64, usize> = HashTable::new();

/// All others, by their numbers.
static GONE: HashTable<u64, Box<Known>> = HashTable::new();

/// Those that are pending, and not overdue yet, by their machines and numbers: the oldest first.
static PENDING: SideTable<(u64, u64), ()> = SideTable::new();

/// Those whose last reference is gone, and that may have signalled less than a grace period ago; by
/// their machines and numbers.
static SETTLING: SideTable<(u64, u64), ()> = SideTable::new();

impl Record {
    pub(super) fn new(fence: &Live, ops: &dma_fence_ops, created_ns: i64, created: At) -> Self {
        Self {
            addr: ptr::from_ref(fence).addr(),
            context: fence.context,
            seqno: fence.seqno,
            machine: this_machine(),
            task: this_task(),
            created,
            created_ns,
            keeps_ops: ops.wait.is_some() || ops.release.is_some(),
            wraps: !fence.test(SEQNO64),
            declared: false,
            container: false,
            in_order: false,
            enabled: false,
            lock: fence.spinlock().addr(),
            published: None,
            signal: None,
            bit_set: 0,
            put: None,
            released: false,
            said_true: None,
            module_gone: false,
            overdue: false,
        }
    }

    /// Makes it known; returns its number.
    pub(super) fn add(self) -> u64 {
        let number = rcu_order();
        let known = Known {
            number,
            record: self,
            refs: None,
            own: None,
            reach: NOTHING,
        };
        NUMBERS.insert(number, self.addr);
        // Its memory went without being freed, as that of a stack does.
        let before = LIVE.replace(self.addr, known, |slot, known| replace(&mut **slot, known));
        if let Some(before) = before {
            NUMBERS.remove(before.number);
            forgotten(before);
        }
        number
    }

    /// Returns the numbers by which reports name the fence.
    pub(super) fn subject(&self) -> Subject {
        (self.context, self.seqno)
    }

    /// It may be about to signal here.
    pub(super) fn signals(&mut self, at: At) {
        if self.bit_set == 0 {
            self.signal = Some((rcu_order_last(), at));
        }
    }

    /// A stamp of RCU's from when it was signalled, and where that was.
    pub(super) fn signalled(&self) -> Option<(u64, At)> {
        self.signal.filter(|_| self.bit_set != 0)
    }

    /// The evidence of the signal.
    pub(super) fn signal_step(&self) -> Evidence<'static> {
        match self.signalled() {
            Some((_, at)) => ("fence signalled", Place::At(at)),
            None => ("fence has not signalled", Place::Unknown),
        }
    }

    /// The evidence of the reference that was dropped last.
    pub(super) fn put<'a>(&self, step: &'a str) -> Evidence<'a> {
        (step, self.put.map_or(Place::Unknown, Place::Here))
    }

    /// A task that is not its issuer may know of it, and its issuer has to signal it.
    pub(super) fn is_pending(&self) -> bool {
        let published = self.published.is_some() && !self.container;
        published && self.bit_set == 0 && !self.released
    }

    /// It is made of others that have to signal, and each of which has a reference to it.
    pub(super) fn waits_for_others(&self) -> bool {
        self.container && self.enabled && self.bit_set == 0
    }

    /// Reports that `rule` is broken: `what`, on this fence.
    #[track_caller]
    pub(super) fn report<'a>(
        &self,
        rule: &Rule,
        what: fmt::Arguments<'_>,
        evidence: impl IntoIterator<Item = Evidence<'a>>,
    ) {
        rule.report_on(self.subject(), Place::At(self.created), what, evidence);
    }
}

/// Returns the number of the current task.
pub(super) fn this_task() -> c_int {
    // SAFETY: The task that runs is live.
    unsafe { (*get_current()).pid }
}

/// Calls `f` with what is known of a fence.
pub(super) fn known_of<R>(fence: *const Live, f: impl FnOnce(&mut Known) -> R) -> Option<R> {
    LIVE.with(fence.addr(), |known| f(known))
}

/// As [`known_of`], for what [`look`] is not asked for again if there are no [`changes`].
pub(super) fn amend<R>(fence: *const Live, f: impl FnOnce(&mut Known) -> R) -> Option<R> {
    LIVE.amend(fence.addr(), |known| f(known))
}

/// As long as there are none, [`look`] finds the same of the fence.
#[inline]
pub(super) fn changes(fence: *const Live) -> Changes<'static> {
    LIVE.changes(fence.addr())
}

/// As [`known_of`], for what changes nothing.
pub(super) fn look<R>(fence: *const Live, f: impl FnOnce(&Known) -> R) -> Option<R> {
    LIVE.look(fence.addr(), |known| f(known))
}

/// Returns the number of a fence that is tracked.
pub(super) fn number(fence: *const Live) -> Option<u64> {
    number_at(fence.addr())
}

/// Calls `f` with the record of a fence.
pub(super) fn with<R>(fence: *const Live, f: impl FnOnce(&mut Record) -> R) -> Option<R> {
    known_of(fence, |known| f(&mut known.record))
}

/// Returns the number of a fence, and a copy of its record.
pub(super) fn numbered(fence: *const Live) -> Option<(u64, Record)> {
    look(fence, |known| (known.number, known.record))
}

/// Calls `f` with what is known of the fence that has this number.
pub(super) fn known_as<R>(number: u64, f: impl FnOnce(&mut Known) -> R) -> Option<R> {
    let mut f = Some(f);
    let live = NUMBERS.look(number, |addr| *addr).and_then(|addr| {
        LIVE.with(addr, |known| {
            let f = f.take_if(|_| known.number == number)?;
            Some(f(known))
        })
    });
    // It goes to these before it is gone from those.
    live.flatten()
        .or_else(|| GONE.with(number, |known| f.take().map(|f| f(known)))?)
}

/// Returns a copy of the record of the fence that has this number.
pub(super) fn of_number(number: u64) -> Option<Record> {
    look_as(number, |record| *record)
}

/// As [`known_as`], for what changes nothing of a record.
fn look_as<R>(number: u64, f: impl Fn(&Record) -> R) -> Option<R> {
    let its = |known: &Known| (known.number == number).then(|| f(&known.record));
    let addr = NUMBERS.look(number, |addr| *addr);
    let live = addr.and_then(|addr| LIVE.look(addr, |known| its(known))?);
    // As there.
    live.or_else(|| GONE.look(number, |known| its(known))?)
}

/// Of all records for which `f` returns something, what it returns, the oldest first.
pub(super) fn filter_map<R>(
    mut f: impl FnMut(u64, &mut Record) -> Option<R>,
) -> impl Iterator<Item = R> {
    let mut found = Vec::new();
    let mut look = |known: &mut Box<Known>| {
        let result = f(known.number, &mut known.record);
        found.extend(result.map(|result| (known.number, result)));
        None::<()>
    };
    LIVE.filter_map(|_, known| look(known)).for_each(drop);
    GONE.filter_map(|_, known| look(known)).for_each(drop);
    in_key_order(found)
}

/// The oldest pending fence of this machine that is not overdue yet, if it is now.
pub(super) fn next_overdue(is_overdue: impl Fn(&Record) -> bool) -> Option<Record> {
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

/// Returns the number of the fence that begins at an address, if it is tracked.
pub(super) fn number_at(addr: usize) -> Option<u64> {
    LIVE.look(addr, |known| known.number)
}

/// The fences that begin in this memory: how reports name them, and their references.
pub(super) fn in_memory(memory: Range<usize>) -> impl Iterator<Item = (Subject, Refs)> {
    LIVE.in_memory(memory, |_, known| {
        let refs = known.refs.as_deref().cloned().unwrap_or_default();
        Some((known.record.subject(), refs))
    })
}

/// Returns a copy of the record of a fence.
pub(super) fn of(fence: *const Live) -> Option<Record> {
    look(fence, |known| known.record)
}

/// Returns the place at which a fence was created.
pub(super) fn created(fence: *const Live) -> Place {
    of(fence).map_or(Place::Unknown, |record| Place::At(record.created))
}

/// Reports that `rule` is broken: `what`, on this fence, of which maybe nothing is known.
#[track_caller]
pub(super) fn report_on<'a>(
    fence: &Live,
    rule: &Rule,
    what: fmt::Arguments<'_>,
    evidence: impl IntoIterator<Item = Evidence<'a>>,
) {
    let subject = (fence.context, fence.seqno);
    rule.report_on(subject, created(fence), what, evidence);
}

/// Returns the number of fences of this machine that have a record.
pub(super) fn known() -> usize {
    let machine = this_machine();
    filter_map(|_, record| (record.machine == machine).then_some(())).count()
}

/// Forgets some of those of which a grace period has passed since they signalled.
pub(super) fn sweep() {
    // What a machine knows of grace periods is known in it alone.
    let machine = this_machine();
    let now = (machine, rcu_order_progress());
    if SWEPT.get() == now {
        return;
    }
    let mut more = false;
    for ((_, number), ()) in SETTLING.range((machine, 0), (machine + 1, 0), AT_ONCE) {
        let signalled = look_as(number, Record::signalled).flatten();
        if signalled.is_none_or(|(stamp, _)| rcu_order_passed(stamp)) {
            forget(number);
            more = true;
        }
    }
    if !more {
        SWEPT.set(now);
    }
}

per_thread! {
    /// The machine, and how far its grace periods were, when this thread has found none to forget.
    static SWEPT: Cell<(u64, u64)> = Cell::new((0, 0));
}

/// Forgets a fence.
pub(super) fn forget(number: u64) {
    if let Some(addr) = NUMBERS.look(number, |addr| *addr) {
        leaves(addr, number);
    }
    if let Some(known) = GONE.remove(number) {
        forgotten(*known);
    }
}

/// A fence has no record any more.
fn forgotten(mut known: Known) {
    let (number, machine) = (known.number, known.record.machine);
    known.ends_pending();
    known.now_reaches(NOTHING);
    if known.record.released {
        SETTLING.remove((machine, number));
    }
    for (addr, descr) in known.own.take().into_iter().flat_map(|own| own.reached) {
        debug_object_deactivate(addr, number, descr);
    }
}

/// The memory of a fence is about to be freed.
pub(super) fn memory_goes(number: u64) {
    let known = known_as(number, |known| {
        known.ends_pending();
        let record = &mut known.record;
        record.released = true;
        (record.addr, record.machine, record.signalled())
    });
    let Some((addr, machine, signalled)) = known else {
        return;
    };
    let Some((stamp, _)) = signalled else {
        return forget(number);
    };
    settles((machine, number), stamp);
    leaves(addr, number);
}

/// The fence of this machine and number is forgotten once a grace period has passed since it signalled.
pub(super) fn settles(key: (u64, u64), signalled: u64) {
    SETTLING.insert(key, ());
    if rcu_order_passed(signalled) {
        SWEPT.set((0, 0));
    }
}

/// The fence at this address has no record any more that is found by it.
pub(super) fn leaves(addr: usize, number: u64) {
    LIVE.move_if(
        addr,
        |known| known.number == number,
        |mut known| {
            let was = Some((known.record.subject(), known.record.created));
            let refs = known.refs.take();
            let freed = None;
            OTHERS.insert(addr, Other { was, refs, freed });
            GONE.insert(number, known);
            NUMBERS.remove(number);
        },
    );
}

/// Has reports not name what happens in this crate, but where it was entered.
#[inline]
pub(super) fn know_own_files() {
    if !KNOWN.load(Relaxed) {
        learn_own_files();
    }
}

static KNOWN: AtomicBool = AtomicBool::new(false);

#[cold]
#[inline(never)]
fn learn_own_files() {
    if !KNOWN.swap(true, Relaxed) {
        core_files(file!(), "contract/record.rs");
    }
}
