// SPDX-License-Identifier: GPL-2.0-only
//! References: none is taken of a fence that has none, nor dropped, nor left behind; and nothing is
//! done to memory that is no fence.

use super::{
    super::bindings::{dma_fence_kref, Live},
    freed,
    known::Refs,
    named::Fence,
    record::{self, Record, Tracked, RELEASED},
    rules::{REFCOUNT, REFERENCE_LEFT},
};
use core::{
    fmt::Write as _,
    panic::Location,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use kernel::bindings::{
    debug_note_call,
    debugobjects::{
        debug_block_of, debug_obj, debug_obj_descr, debug_object_in_block, Freeing, Words,
    },
    rule::{checking, site, Evidence, Place, Rule, Text, STEPS},
};

static MEMORY: debug_obj_descr = debug_obj_descr {
    name: "fence",
    freed: memory_goes,
};

/// There is a fence from now on; true if it is in allocated memory.
pub(super) fn begins(fence: *const Live) -> bool {
    debug_object_in_block(fence.addr(), &MEMORY)
}

/// The memory of a fence is about to be freed.
fn memory_goes(obj: &debug_obj, freeing: &Freeing) {
    let record = record::memory_goes(obj.addr);
    // What RCU frees was given to it somewhere.
    record::freed(obj.addr, site(freeing.at));
    if let Some(record) = record {
        freed::fence(&record, freeing);
    }
}

/// A reference is dropped.
#[track_caller]
pub(super) fn dropped(fence: *const Live) {
    let at = Location::caller();
    let site = site(at);
    if let Some(mut known) = record::known_of(fence) {
        known.puts(at);
        known.refs().dropped.add(site);
    }
}

/// A reference was taken.
#[track_caller]
pub(super) fn taken(fence: *const Live) {
    let at = site(Location::caller());
    if let Some(mut known) = record::known_of(fence) {
        known.refs().taken.add(at);
    }
}

/// Something is about to be done to a fence; false if there is none.
#[inline]
#[track_caller]
pub(super) fn exists(fence: *const Live, call: &'static str) -> bool {
    let Some(known) = record::recent(fence) else {
        return exists_elsewhere(fence, call);
    };
    is_known(known, call);
    true
}

/// Something is about to be done to a fence that has a record.
#[inline(always)]
#[track_caller]
fn is_known(known: &Tracked, call: &'static str) {
    let (context, seqno) = known.subject();
    debug_note_call(call, Location::caller(), Some(("fence", context, seqno)));
    // What comes last needs nothing of the above.
    Rule::count([&REFCOUNT]);
}

/// As [`exists`], of a fence that this thread has not used for long, if it ever has.
#[cold]
#[inline(never)]
#[track_caller]
fn exists_elsewhere(fence: *const Live, call: &'static str) -> bool {
    record::know_own_files();
    if let Some(known) = record::find(fence) {
        is_known(known, call);
        return true;
    }
    debug_note_call(call, Location::caller(), None);
    Rule::count([&REFCOUNT]);
    !checking() || !is_gone(fence, call)
}

/// True, and reported, if there is no fence.
#[cold]
#[track_caller]
fn is_gone(fence: *const Live, call: &str) -> bool {
    let here = ("called", Place::Here(Location::caller()));
    let Some(gone) = record::gone(fence.addr()) else {
        let what = match fence.is_null() {
            true => "without a fence",
            false => "of memory that is no fence",
        };
        REFCOUNT.report(format_args!("dma-fence: {call}() {what}"), &[here]);
        return true;
    };
    let Some(at) = gone.freed else {
        return false;
    };
    let reported = record::refs_of_gone(fence.addr(), |refs| was_reported(refs, call));
    if reported == Some(false) {
        let recycled = match debug_block_of(fence.addr()) {
            Some(_) => ", whose memory has another owner",
            None => "",
        };
        let what = format_args!("{call}() of a fence that was freed{recycled}");
        let [taken, dropped] = last(&gone.refs);
        let freed = ("freed", Place::Site(at));
        let steps = [taken, dropped, freed, here];
        match gone.was {
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
    match record::recent(fence).filter(|_| has_references(fence)) {
        Some(known) => {
            is_known(known, call);
            true
        }
        None => is_counted_elsewhere(fence, call),
    }
}

/// True if a fence has references, of which nothing is done now that other tasks may come between.
#[inline]
fn has_references(fence: *mut Live) -> bool {
    // SAFETY: It exists, say the callers, or at least it was not freed; its count is a number.
    let count = unsafe { AtomicU32::from_ptr(dma_fence_kref(fence.cast()).cast()) };
    count.load(Relaxed) != 0
}

/// As [`is_counted`], of a fence that this thread has not used for long, or that has no reference.
#[cold]
#[inline(never)]
#[track_caller]
fn is_counted_elsewhere(fence: *mut Live, call: &'static str) -> bool {
    if !exists(fence, call) {
        return false;
    }
    if has_references(fence) || !checking() {
        return true;
    }
    let Some(mut known) = record::known_of(fence) else {
        return true;
    };
    let reported = was_reported(known.refs(), call);
    let (record, refs) = (known.record(), known.refs().clone());
    drop(known);
    if let Some(record) = record.filter(|_| !reported) {
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
    // One report for all fences that were created at one place.
    let mut places = Words::new();
    let left = record::own().filter(|(_, record)| {
        !record.has(RELEASED) && !record.is_pending() && !record.waits_for_others()
    });
    for (id, record) in left {
        let place = core::ptr::from_ref(record.created).addr();
        let there = debug_block_of(record.addr).is_some();
        if checking && there && !places.contains(&place) {
            places.push(place);
            let refs = id.known().map(|mut known| known.refs().clone());
            let refs = refs.unwrap_or_default();
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
    for (subject, refs) in record::in_memory(memory) {
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
