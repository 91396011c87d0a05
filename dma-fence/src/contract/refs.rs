// SPDX-License-Identifier: GPL-2.0-only
//! References: none is taken of a fence that has none, nor dropped, nor left behind; and nothing is
//! done to memory that is no fence.

use super::{
    super::bindings::{dma_fence_kref, Live},
    freed,
    known::{self, Other, Refs, OTHERS},
    named::Fence,
    record::{self, Record},
    rules::{REFCOUNT, REFERENCE_LEFT},
    seen,
};
use core::{fmt::Write as _, panic::Location};
use kernel::bindings::{
    debug_note_call,
    debugobjects::{
        debug_block_of, debug_obj, debug_obj_descr, debug_object_activate, Freeing, Words,
    },
    kref_read,
    rule::{checking, site, this_machine, Evidence, Place, Rule, Text, STEPS},
};

static MEMORY: debug_obj_descr = debug_obj_descr {
    name: "fence",
    freed: memory_goes,
};

/// There is a fence from now on, `tracked` by a record or not; true if it is in allocated memory.
pub(super) fn begins(fence: *const Live, tracked: bool) -> bool {
    let addr = fence.addr();
    if tracked {
        OTHERS.remove(addr);
    } else {
        OTHERS.insert(addr, Other::default());
    }
    let allocated = debug_block_of(addr).is_some();
    if allocated {
        debug_object_activate(debug_obj {
            addr,
            descr: &MEMORY,
            owner: 0,
            note: 0,
        });
    }
    allocated
}

/// The memory of a fence is about to be freed.
fn memory_goes(obj: &debug_obj, freeing: &Freeing) {
    let number = record::number_at(obj.addr);
    if let Some(number) = number {
        record::leaves(obj.addr, number);
    }
    // What RCU frees was given to it somewhere.
    known::freed(obj.addr, site(freeing.at));
    if let Some(number) = number {
        freed::fence(number, freeing);
    }
}

/// A reference is dropped.
#[track_caller]
pub(super) fn dropped(fence: *const Live) {
    let at = Location::caller();
    let site = site(at);
    record::amend(fence, |known| {
        known.record.put = Some(at);
        known.refs().dropped.add(site);
    });
}

/// A reference was taken.
#[track_caller]
pub(super) fn taken(fence: *const Live) {
    let at = site(Location::caller());
    record::amend(fence, |known| known.refs().taken.add(at));
}

/// Something is about to be done to a fence; false if there is none.
#[inline]
#[track_caller]
pub(super) fn exists(fence: *const Live, call: &'static str) -> bool {
    record::know_own_files();
    Rule::count([&REFCOUNT]);
    let live = seen::of(fence).is_some();
    let about = live.then(|| {
        // SAFETY: It was initialised, and not freed.
        let (context, seqno) = unsafe { ((*fence).context, (*fence).seqno) };
        ("fence", context, seqno)
    });
    debug_note_call(call, Location::caller(), about);
    live || !checking() || !is_gone(fence, call)
}

/// True, and reported, if there is no fence.
#[cold]
#[track_caller]
fn is_gone(fence: *const Live, call: &str) -> bool {
    let here = ("called", Place::Here(Location::caller()));
    let Some(other) = OTHERS.with(fence.addr(), |other| other.clone()) else {
        let what = match fence.is_null() {
            true => "without a fence",
            false => "of memory that is no fence",
        };
        REFCOUNT.report(format_args!("dma-fence: {call}() {what}"), &[here]);
        return true;
    };
    let Some((at, _)) = other.freed else {
        return false;
    };
    let reported = OTHERS.with(fence.addr(), |other| {
        was_reported(other.refs.get_or_insert_default(), call)
    });
    if reported == Some(false) {
        let recycled = match debug_block_of(fence.addr()) {
            Some(_) => ", whose memory has another owner",
            None => "",
        };
        let what = format_args!("{call}() of a fence that was freed{recycled}");
        let [taken, dropped] = last(&other.refs.unwrap_or_default());
        let freed = ("freed", Place::Site(at));
        let steps = [taken, dropped, freed, here];
        match other.was {
            Some((subject, created)) => {
                REFCOUNT.report_on(subject, Place::At(created), what, steps);
            }
            None => REFCOUNT.report(format_args!("dma-fence: {what}"), &steps[2..]),
        }
    }
    true
}

/// A reference to a fence is about to be taken or dropped; false if it has none.
#[track_caller]
pub(super) fn is_counted(fence: *mut Live, call: &'static str) -> bool {
    if !exists(fence, call) {
        return false;
    }
    // SAFETY: The fence exists, says the caller; or at least it was not freed.
    if unsafe { kref_read(dma_fence_kref(fence.cast())) } != 0 || !checking() {
        return true;
    }
    let known = record::amend(fence, |known| {
        let reported = was_reported(known.refs(), call);
        (known.record, known.refs().clone(), reported)
    });
    let Some((record, refs, reported)) = known else {
        return true;
    };
    if !reported {
        let [taken, dropped] = last(&refs);
        let here = ("called", Place::Here(Location::caller()));
        let what = format_args!("{call}() of a fence whose last reference was dropped");
        record.report(&REFCOUNT, what, [taken, dropped, here]);
    }
    false
}

/// True if a reference is dropped that was refused: that was reported.
fn was_reported(refs: &mut Refs, call: &str) -> bool {
    match call {
        "dma_fence_get" => refs.refused += 1,
        "dma_fence_put" if refs.refused != 0 => {
            refs.refused -= 1;
            return true;
        }
        _ => {}
    }
    false
}

/// Where a reference was taken and dropped last.
fn last(refs: &Refs) -> [Evidence<'static>; 2] {
    [
        match refs.taken.last {
            Some(at) => ("reference taken last", Place::Site(at)),
            None => ("no reference was taken but the first", Place::Unknown),
        },
        match refs.dropped.last {
            Some(at) => ("reference dropped last", Place::Site(at)),
            None => ("no reference was dropped", Place::Unknown),
        },
    ]
}

/// All tasks of the machine have ended, and all callbacks of RCU were called.
pub(super) fn left() {
    let checking = REFERENCE_LEFT.look();
    let machine = this_machine();
    // One report for all fences that were created at one place.
    let mut places = Words::new();
    let left = record::filter_map(|number, record| {
        let own = record.machine == machine && !record.released;
        let own = own && !record.is_pending() && !record.waits_for_others();
        own.then_some((number, *record))
    });
    for (number, record) in left {
        let place = core::ptr::from_ref(record.created).addr();
        let there = debug_block_of(record.addr).is_some();
        if checking && there && !places.contains(&place) {
            places.push(place);
            let refs = record::known_as(number, |known| known.refs().clone()).unwrap_or_default();
            say_left(&record, &refs);
        }
    }
}

fn say_left(record: &Record, refs: &Refs) {
    let mut texts = [const { Text::new() }; STEPS];
    let taken = refs.taken.by_place.iter().map(|site| ("taken", *site));
    let dropped = refs.dropped.by_place.iter().map(|site| ("dropped", *site));
    let steps = taken.chain(dropped);
    for (text, (what, (_, count))) in texts.iter_mut().zip(steps.clone()) {
        // Writing to a string does not fail.
        let _ = match count {
            1 => write!(text, "reference {what}"),
            _ => write!(text, "{count} references {what}"),
        };
    }
    let count = (1 + refs.taken.all).saturating_sub(refs.dropped.all);
    let steps = texts.iter().zip(steps);
    record.report(
        &REFERENCE_LEFT,
        format_args!(
            "{count} of {} references left at the end",
            1 + refs.taken.all
        ),
        steps.map(|(text, (_, (at, _)))| (text.as_str(), Place::Site(at))),
    );
}

/// Adds the fences in a block to what is said of it.
pub(super) fn describe(addr: usize, size: usize, text: &mut Text) {
    let memory = addr..addr + size;
    let gone = OTHERS.in_memory(memory.clone(), |_, other| {
        Some((other.was?.0, other.refs.as_deref().cloned()?))
    });
    let live = record::in_memory(memory);
    for (subject, refs) in gone.chain(live) {
        // Writing to a string does not fail.
        let _ = write!(text, ", with {}", Fence(subject));
        for (at, count) in refs.taken.by_place {
            let _ = match count {
                1 => write!(text, ", reference taken at {at}"),
                _ => write!(text, ", {count} references taken at {at}"),
            };
        }
    }
}
