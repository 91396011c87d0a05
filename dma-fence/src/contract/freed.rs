// SPDX-License-Identifier: GPL-2.0-only
//! Checks whether memory that the ops of a fence reach may be freed.

use super::{
    super::bindings::Live,
    declared,
    memory::{for_each_string, for_each_target, Block},
    points,
    record::{self, Dangling, Id, Record, RELEASED},
    rules::{EXTERN_LOCK_OUTLIVES, GRACE_PERIOD_BEFORE_FREE},
};
use core::{cell::Cell, ops::Range, panic::Location, ptr};
use kernel::bindings::{
    debugobjects::{debug_block_of, debug_obj, debug_obj_descr, Box, Freeing},
    rcu_callback_request, rcu_order_passed,
    rule::{checking, this_machine, Place},
};

macro_rules! reached {
    ($($descr:ident = $name:literal: $freed:ident;)*) => {
        $(pub(super) static $descr: debug_obj_descr = debug_obj_descr {
            name: $name,
            freed: $freed,
        };)*
    };
}

reached! {
    DATA = "private data": grace_period_before_free;
    STRING = "string of the private data": grace_period_before_free;
    NAME = "name": grace_period_before_free;
    OPS = "table of ops": grace_period_before_free;
    CONTEXT = "context": context_goes;
    CONTEXT_NAME = "name": context_goes;
    LOCK = "lock": extern_lock_outlives;
}

/// No word of the fence's memory leads there.
pub(super) const NO_WORD: usize = 0;

/// Something that the ops of a fence reach is about to be freed.
fn grace_period_before_free(obj: &debug_obj, freeing: &Freeing) {
    let Some((id, record)) = record::of_number(obj.owner) else {
        return;
    };
    let pending = if ptr::eq(obj.descr, &NAME) {
        // The op may return another name by now; then the old one goes a grace period after it
        // was last returned.
        let names = id.known().map(|mut known| known.own().names);
        let names = names.unwrap_or_default();
        let mut last = names.iter().map(|&(_, stamp)| stamp);
        last.any(|stamp| stamp != 0 && !rcu_order_passed(stamp))
    } else {
        // The table stays until the signal, published or not.
        record.published.is_some() || ptr::eq(obj.descr, &OPS)
    };
    goes(&record, (obj.descr.name, obj.note), pending, freeing);
}

/// Something is about to be freed that all fences of a context reach, which is the owner.
fn context_goes(obj: &debug_obj, freeing: &Freeing) {
    // CAST: It was an address.
    let context = obj.owner as usize;
    let fences = declared::fences(context);
    if ptr::eq(obj.descr, &CONTEXT) {
        declared::gone(context);
    }
    for record in fences.into_iter().filter_map(Id::record) {
        let pending = record.published.is_some();
        goes(&record, (obj.descr.name, obj.note), pending, freeing);
    }
}

/// The data of a fence is about to be dropped, which is in this part of its memory.
#[track_caller]
pub(super) fn data_goes(fence: *const Live, addr: usize, size: usize) {
    let Some(record) = record::of(fence).filter(|_| size != 0) else {
        return;
    };
    let freeing = Freeing {
        addr,
        size,
        at: Location::caller(),
        said: Cell::new(false),
    };
    let pending = record.published.is_some();
    goes(&record, ("fence data", NO_WORD), pending, &freeing);
}

/// The memory of a fence is about to be freed, whose record is this.
pub(super) fn fence(record: &Record, freeing: &Freeing) {
    let pending = record.published.is_some();
    goes(record, ("memory of the fence", NO_WORD), pending, freeing);
}

/// Something goes, which the ops of a fence reach until a grace period after its signal, or, if it
/// has not signalled, as long as it is `pending`.
fn goes(record: &Record, (name, offset): (&str, usize), pending: bool, freeing: &Freeing) {
    let checking = GRACE_PERIOD_BEFORE_FREE.look();
    let reachable = match record.signalled() {
        Some((stamp, _)) => !rcu_order_passed(stamp),
        None => pending && !record.has(RELEASED),
    };
    if reachable && checking && !freeing.said.replace(true) {
        say(name, offset, record, freeing);
    }
}

/// The fences of this machine that may point there.
fn candidates(there: Range<usize>) -> impl Iterator<Item = Id> {
    let machine = this_machine();
    let others = points::pointing(there).filter(move |id| id.is_of(machine));
    points::latest(machine).chain(others)
}

/// A block is about to be freed: it may be one to which the memory of a fence points that is
/// pending.
pub(super) fn freeing(freeing: &Freeing) {
    let freed = freeing.addr..freeing.addr + freeing.size;
    let mut pending = candidates(freed.clone()).peekable();
    if pending.peek().is_none() {
        return;
    }
    let within = |word: usize| freed.contains(&word);
    let string = Block::of(freeing.addr).is_some_and(|block| block.is_string());
    // Fences of one timeline point to the same; once is enough.
    let seen = [const { Cell::new(0) }; 16];
    let next = Cell::new(0);
    let unseen = |word: usize| seen.iter().all(|seen| seen.get() != word);
    let is_new =
        |word: usize| unseen(word) && debug_block_of(word).is_some_and(|(block, _)| unseen(block));
    for id in pending {
        let fence = id.facts().addr();
        if within(fence) {
            continue;
        }
        let mut found = None;
        let wanted = |word| within(word) || (string && is_new(word));
        for_each_target(fence, wanted, |target, offset| {
            if within(target.addr) {
                found = Some(("private data", offset));
                return;
            }
            for_each_string(&target, within, |_| {
                found.get_or_insert(("string of the private data", offset));
            });
            seen[next.get()].set(target.addr);
            next.set((next.get() + 1) % seen.len());
        });
        if let Some((name, offset)) = found {
            pending_freed(id, name, offset, freeing);
        }
    }
}

/// Something goes to which the memory of a pending fence points. If only the issuer can know of
/// the fence, that is wrong only if it still points there when it signals.
fn pending_freed(id: Id, name: &'static str, offset: usize, freeing: &Freeing) {
    let Some(record) = id.record() else {
        return;
    };
    if !GRACE_PERIOD_BEFORE_FREE.look() {
        return;
    }
    if record.published.is_some() {
        if !freeing.said.replace(true) {
            say(name, offset, &record, freeing);
        }
    } else if name == "private data" {
        let dangling = Dangling {
            offset,
            addr: freeing.addr,
            size: freeing.size,
            freed: freeing.at,
        };
        if let Some(mut known) = id.known() {
            known.own().dangling = Some(Box::new(dangling));
        }
    }
}

/// A fence signals whose memory pointed to something that was freed: it may still do.
pub(super) fn dangling(id: Id, dangling: &Dangling) {
    let Some(record) = id.record() else {
        return;
    };
    let &Dangling {
        offset,
        addr,
        size,
        freed,
    } = dangling;
    let fence = record.addr;
    let word = Block::of(fence).and_then(|block| block.word(fence.wrapping_add(offset)));
    let dangles = word
        .is_some_and(|word| (addr..addr + size).contains(&word) && debug_block_of(word).is_none());
    if dangles && checking() {
        let offset = offset.cast_signed();
        record.report(
            &GRACE_PERIOD_BEFORE_FREE,
            format_args!(
                "private data (by the pointer at {offset:+}) freed although the fence had not signalled"
            ),
            [("freed", Place::At(freed)), record.signal_step()],
        );
    }
}

fn say(name: &str, offset: usize, record: &Record, freeing: &Freeing) {
    let when = match record.signalled() {
        Some(_) => "before a grace period has passed since the signal",
        None => "although the fence has not signalled",
    };
    let evidence = [
        record.signal_step(),
        match rcu_callback_request() {
            Some(request) => ("freeing was asked of RCU", Place::Site(request.site)),
            None if record.signalled().is_none() => ("so its ops may be called", Place::Unknown),
            None => ("no grace period was asked for after that", Place::Unknown),
        },
        ("freed", Place::Here(freeing.at)),
    ];
    let rule = &GRACE_PERIOD_BEFORE_FREE;
    match offset {
        NO_WORD => record.report(rule, format_args!("{name} freed {when}"), evidence),
        // In front of the fence, if that is not the first in its memory.
        _ => {
            let offset = offset.cast_signed();
            let what = format_args!("{name} (by the pointer at {offset:+}) freed {when}");
            record.report(rule, what, evidence);
        }
    }
}

/// A lock is about to be freed that a fence names.
fn extern_lock_outlives(obj: &debug_obj, freeing: &Freeing) {
    let Some((_, record)) = record::of_number(obj.owner) else {
        return;
    };
    let with_the_fence = (freeing.addr..freeing.addr + freeing.size).contains(&record.addr);
    if record.has(RELEASED) || with_the_fence || !checking() || freeing.said.replace(true) {
        return;
    }
    record.report(
        &EXTERN_LOCK_OUTLIVES,
        format_args!("lock freed while a fence still has it"),
        [
            record.signal_step(),
            ("lock freed", Place::Here(freeing.at)),
        ],
    );
}
