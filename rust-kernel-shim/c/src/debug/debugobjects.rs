// SPDX-License-Identifier: GPL-2.0-only
//! A debug kernel's table of objects, by their address, which it checks when memory is freed.
//!
//! C header: [`include/linux/debugobjects.h`](srctree/include/linux/debugobjects.h)
//!
//! As in Linux nothing of it is in the objects, so the layout is one. Here an object is a
//! stretch of memory that its owner still needs; every path that frees memory tells of it first, and the
//! owners of the objects there are asked.

mod blocks;
mod watch;

#[cfg(feature = "debug")]
pub(crate) use self::blocks::{debug_block_number, debug_next_block};
pub(super) use self::{blocks::blocks, watch::describe};
pub(crate) use self::{
    blocks::{debug_block_allocated, debug_block_freed},
    watch::{debug_machine_ended, debug_machine_left, debug_time_passed},
};
pub use self::{
    blocks::{debug_block_of, debug_block_pointers, debug_block_words, BlockWords},
    watch::{debug_module_gone, debug_watch, debug_watch_register, ModuleText},
};

use self::watch::watching;
use super::active;
use crate::{lockdep, rule::checking};
use core::{
    cell::Cell,
    cmp::Ordering,
    panic::Location,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

pub use machine::side_table::{
    in_key_order, steps, Guard, HashTable, PageTable, Place, Places, Recent, SideTable, Words,
};
#[doc(no_inline)]
pub use machine::side_table::{BTreeSet, Box, Vec};

/// A kind of objects.
#[allow(missing_debug_implementations)]
pub struct debug_obj_descr {
    /// The name of such an object, for reports.
    pub name: &'static str,
    /// Memory in which such an object begins is about to be freed; the object is forgotten after
    /// this. Called in any context, without locks, also where no rule is checked.
    pub freed: fn(obj: &debug_obj, freeing: &Freeing),
}

/// An object: a stretch of memory that its owner needs.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)]
pub struct debug_obj {
    /// The address at which it begins.
    pub addr: usize,
    /// Its kind.
    pub descr: &'static debug_obj_descr,
    /// The owner; the kind knows what the number means. 0 if there is none.
    pub owner: u64,
    /// For the kind's own use; 0 if there is no owner.
    pub note: usize,
}

/// Memory that is about to be freed.
#[derive(Debug)]
pub struct Freeing {
    /// The address at which it begins.
    pub addr: usize,
    /// Its bytes.
    pub size: usize,
    /// The location that frees it.
    pub at: &'static Location<'static>,
    /// True once it was reported.
    pub said: Cell<bool>,
}

/// By address, owner and kind: what is for the kind's own use.
static OBJECTS: PageTable<Object, usize> = PageTable::new();

/// No object is of no kind, which comes before all others.
type Object = (usize, (u64, Option<Kind>));

/// Those that have no owner, by address and kind. There are many of them.
static LONE: PageTable<(usize, Option<Kind>), ()> = PageTable::new();

/// A kind, in the order of the addresses.
#[derive(Clone, Copy)]
struct Kind(&'static debug_obj_descr);

impl Kind {
    fn addr(self) -> usize {
        core::ptr::from_ref(self.0).addr()
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.addr() == other.addr()
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.addr().cmp(&other.addr())
    }
}

/// True once there was an object.
static USED: AtomicBool = AtomicBool::new(false);

fn key(addr: usize, owner: u64, descr: &'static debug_obj_descr) -> Object {
    (addr, (owner, Some(Kind(descr))))
}

/// Registers an object. From any context.
pub fn debug_object_activate(obj: debug_obj) {
    USED.store(true, Relaxed);
    if obj.owner == 0 {
        LONE.insert((obj.addr, Some(Kind(obj.descr))), ());
    } else {
        OBJECTS.insert(key(obj.addr, obj.owner, obj.descr), obj.note);
    }
}

/// Forgets an object: its owner does not need it any more. From any context.
pub fn debug_object_deactivate(addr: usize, owner: u64, descr: &'static debug_obj_descr) {
    forget(key(addr, owner, descr));
}

/// True if there was such an object.
fn forget(key: Object) -> bool {
    match key {
        (addr, (0, kind)) => LONE.remove((addr, kind)).is_some(),
        _ => OBJECTS.remove(key).is_some(),
    }
}

/// Registers an object without an owner, if it is in an allocated block: true then. From any context.
pub fn debug_object_in_block(addr: usize, descr: &'static debug_obj_descr) -> bool {
    USED.store(true, Relaxed);
    match blocks::keep(addr, Kind(descr)) {
        Some(true) => true,
        Some(false) => {
            LONE.insert((addr, Some(Kind(descr))), ());
            true
        }
        None => false,
    }
}

/// Calls the kind of each object in a block that is about to be freed, one of which was kept with it.
#[track_caller]
fn check_block(addr: usize, size: usize, kept: Option<(usize, Kind)>) {
    check(addr, size, || kept, |_| true);
}

/// Calls the kind of each object in memory in which something is about to be dropped: but for what may be
/// taken back by that. From any context.
#[track_caller]
pub fn debug_check_no_obj_dropped(addr: usize, size: usize) {
    let asked = |descr| !active::ends_itself(descr);
    let kept = || blocks::take_kept(addr, size, |kind| asked(kind.0));
    check(addr, size, kept, asked);
}

#[track_caller]
fn check(
    addr: usize,
    size: usize,
    kept: impl FnOnce() -> Option<(usize, Kind)>,
    asked: impl Fn(&'static debug_obj_descr) -> bool,
) {
    lockdep::memory_goes(addr, size, Location::caller());
    let freeing = Freeing {
        addr,
        size,
        at: Location::caller(),
        said: Cell::new(false),
    };
    crate::rcu_head_freed(&freeing);
    if !USED.load(Relaxed) {
        return;
    }
    if checking() {
        for watch in watching() {
            (watch.freeing)(&freeing);
        }
    }
    let memory = addr..addr.saturating_add(size);
    let mut objects = OBJECTS.in_memory(memory.clone(), |addr| (addr, (0, None)));
    let lone = LONE.in_memory(memory, |addr| (addr, None));
    let kept = kept().map(|(addr, kind)| (addr, Some(kind)));
    objects.extend(
        kept.into_iter()
            .chain(lone.iter().map(|&(key, ())| key))
            .map(|(addr, kind)| ((addr, (0, kind)), 0)),
    );
    objects.sort_by_key(|&(key, _)| key);
    // One that was registered again when there was room with its block.
    objects.dedup_by_key(|&mut (key, _)| key);
    for (key, note) in objects {
        let (addr, (owner, Some(Kind(descr)))) = key else {
            continue;
        };
        let obj = debug_obj {
            addr,
            descr,
            owner,
            note,
        };
        let was_kept = kept == Some((addr, Some(Kind(descr))));
        // Another thread may have forgotten it meanwhile.
        let was_elsewhere = || !(was_kept && lone.is_empty()) && forget(key);
        if asked(obj.descr) && (was_elsewhere() || was_kept) {
            (obj.descr.freed)(&obj, &freeing);
        }
    }
}
