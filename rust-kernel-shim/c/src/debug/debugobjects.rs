// SPDX-License-Identifier: GPL-2.0-only
//! A debug kernel's table of objects, by their address, which it checks when memory is freed.
//!
//! C header: [`include/linux/debugobjects.h`](srctree/include/linux/debugobjects.h)
//!
//! As in Linux nothing of it is in the objects, so the layout is one. Here an object is a
//! stretch of memory that its owner still needs; every path that frees memory asks
//! [`debug_check_no_obj_freed`] first, which asks the owners of the objects there.

use super::{active, leaks};
use crate::{
    lockdep,
    rule::{checking, this_machine},
    PAGE_SIZE,
};
use core::{
    cell::Cell,
    cmp::Ordering,
    ffi::CStr,
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU64, AtomicU8, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use machine::{
    blocked::{self, Owner},
    location::Origin,
    report_log::Text,
};

pub use machine::side_table::{
    in_key_order, steps, Changes, HashTable, PageTable, SideTable, Words,
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

/// Calls the kind of each object in memory that is about to be freed. From any context.
#[track_caller]
pub fn debug_check_no_obj_freed(addr: usize, size: usize) {
    check(addr, size, |_| true);
}

/// As [`debug_check_no_obj_freed`] for memory in which something is about to be dropped: but for
/// what may be taken back by that.
#[track_caller]
pub fn debug_check_no_obj_dropped(addr: usize, size: usize) {
    check(addr, size, |descr| !active::ends_itself(descr));
}

#[track_caller]
fn check(addr: usize, size: usize, asked: impl Fn(&'static debug_obj_descr) -> bool) {
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
    objects.extend(
        lone.iter()
            .map(|&((addr, kind), ())| ((addr, (0, kind)), 0)),
    );
    objects.sort_by_key(|&(key, _)| key);
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
        // Another thread may have forgotten it meanwhile.
        if asked(obj.descr) && forget(key) {
            (obj.descr.freed)(&obj, &freeing);
        }
    }
}

/// An allocated block.
pub(super) struct Block {
    pub(super) size: usize,
    /// A number that is never used again.
    #[cfg_attr(not(feature = "debug"), allow(dead_code))]
    number: u64,
    /// The machine that it was allocated in.
    pub(super) machine: u64,
    pub(super) allocated: Origin,
}

/// The allocated blocks, by where they begin, that end in that page or the next.
static BLOCKS: PageTable<usize, Block> = PageTable::new();

/// All others.
static LARGE: SideTable<usize, Block> = SideTable::new();

/// True once there was one of these.
static ANY_LARGE: AtomicBool = AtomicBool::new(false);

/// Calls `f` with the allocated block in which `addr` lies: where it begins, and what is known of it.
fn block_of<R>(addr: usize, f: impl Fn(usize, &Block) -> R) -> Option<R> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    let has = |start: usize, block: &Block| (addr - start < block.size).then(|| f(start, block));
    let found = BLOCKS.before(addr, addr.saturating_add(1), 1, has);
    if found.is_some() || !ANY_LARGE.load(Relaxed) {
        return found;
    }
    LARGE.at_or_before(addr, has)?.1
}

/// Of all blocks for which `f` returns something, what it returns, in order.
pub(super) fn blocks<R>(mut f: impl FnMut(usize, &Block) -> Option<R>) -> impl Iterator<Item = R> {
    let mut look = |addr: usize, block: &mut Block| Some((addr, f(addr, block)?));
    let mut found: Vec<(usize, R)> = BLOCKS.filter_map(&mut look).collect();
    found.extend(LARGE.filter_map(look));
    in_key_order(found)
}

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

/// The lowest address that a block ever had. Most words that are taken for pointers are below it.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The highest at which one ever ended. What is on a stack is above it, mostly.
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// False for most words that are no pointers to a block.
#[inline]
fn may_be_in_a_block(addr: usize) -> bool {
    (LOWEST.load(Relaxed)..HIGHEST.load(Relaxed)).contains(&addr)
}

/// A block was allocated.
#[track_caller]
pub(crate) fn debug_block_allocated(addr: usize, size: usize) {
    if cfg!(feature = "debug") {
        let block = Block {
            size,
            number: NEXT_BLOCK.fetch_add(1, Relaxed),
            machine: this_machine(),
            allocated: Origin::new(Location::caller()),
        };
        leaks::at_exit(block.machine);
        if addr < LOWEST.load(Relaxed) {
            LOWEST.fetch_min(addr, Relaxed);
        }
        let end = addr + size;
        if end > HIGHEST.load(Relaxed) {
            HIGHEST.fetch_max(end, Relaxed);
        }
        if addr % PAGE_SIZE + size > 2 * PAGE_SIZE {
            ANY_LARGE.store(true, Relaxed);
            LARGE.insert(addr, block);
            return;
        }
        BLOCKS.insert(addr, block);
    }
}

/// A block is about to be freed.
#[track_caller]
pub(crate) fn debug_block_freed(addr: usize) {
    if cfg!(feature = "debug") {
        let size = |block: &mut Block| block.size;
        let large = || LARGE.with(addr, size);
        if let Some(size) = BLOCKS.with(addr, size).or_else(large) {
            debug_check_no_obj_freed(addr, size);
            if BLOCKS.remove(addr).is_none() {
                LARGE.remove(addr);
            }
            COPIED.with(slot(addr), |known| {
                if known.0 == addr {
                    *known = (0, 0);
                }
            });
        }
    }
}

/// The allocated block in which `addr` lies: where it begins, and its size. From any context.
#[inline]
pub fn debug_block_of(addr: usize) -> Option<(usize, usize)> {
    if !may_be_in_a_block(addr) {
        return None;
    }
    size_of_block(addr)
}

#[inline(never)]
fn size_of_block(addr: usize) -> Option<(usize, usize)> {
    block_of(addr, |start, block| (start, block.size))
}

/// The number of the allocated block in which `addr` lies. From any context.
#[cfg(feature = "debug")]
pub(crate) fn debug_block_number(addr: usize) -> Option<u64> {
    block_of(addr, |_, block| block.number)
}

/// The number of the block that is allocated next.
#[cfg(feature = "debug")]
#[inline]
pub(crate) fn debug_next_block() -> u64 {
    NEXT_BLOCK.load(Relaxed)
}

/// Functions that are called when something happens to a machine.
#[allow(missing_debug_implementations)]
pub struct debug_watch {
    /// Virtual time has advanced. Called in the machine, with no lock held.
    pub time_passed: fn(),
    /// Memory is about to be freed. Called in any context, with no lock held.
    pub freeing: fn(freeing: &Freeing),
    /// The text of a module is about to go, or its device has gone. Called in process context, in
    /// the former case after a grace period.
    pub module_gone: fn(module: &ModuleText),
    /// The machine is about to end: all its tasks have, or are blocked forever.
    pub ended: fn(blocked: usize),
    /// All tasks of the machine have ended, and all callbacks of RCU were called. Called in it.
    pub left: fn(),
    /// Adds what is known of a block to what is said of it: its address and size.
    pub describe: fn(addr: usize, size: usize, text: &mut Text),
    /// Writes whose lock is at an address, after a space, if that is known.
    pub owner: Owner,
}

/// Kinds of objects that can be watched over.
const WATCHES: usize = 4;

/// Those that were registered, before the first null.
static WATCHING: [AtomicPtr<debug_watch>; WATCHES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; WATCHES];

/// Registers `watch`, unless it is already. From any context.
pub fn debug_watch_register(watch: &'static debug_watch) {
    if watching().any(|known| ptr::eq(known, watch)) {
        return;
    }
    let watch = ptr::from_ref(watch).cast_mut();
    for slot in &WATCHING {
        // Pairs with the `Acquire` in `watching()`.
        match slot.compare_exchange(ptr::null_mut(), watch, Release, Relaxed) {
            Ok(_) => return blocked::ask_for_owners(owner),
            Err(known) if known == watch => return,
            Err(_) => {}
        }
    }
}

fn owner(addr: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    watching().try_for_each(|watch| (watch.owner)(addr, out))
}

fn watching() -> impl Iterator<Item = &'static debug_watch> {
    // Pairs with the `Release` in `debug_watch_register()`.
    let all = WATCHING.iter().map(|slot| slot.load(Acquire));
    // SAFETY: Null, or one that was registered, which is static.
    all.map_while(|watch| unsafe { watch.as_ref() })
}

/// A module that is being unloaded, or whose device has gone.
#[derive(Clone, Copy, Debug)]
pub struct ModuleText {
    /// Its name.
    pub name: &'static CStr,
    /// The file in which it was declared.
    pub file: &'static str,
    /// The directory of its crate.
    pub directory: &'static str,
    /// A stamp of RCU's from when it was loaded.
    pub loaded: u64,
    /// Its text stays.
    pub stays: bool,
}

impl ModuleText {
    /// True if code of that file belongs to the module: it is that in which the module was
    /// declared, or below it, as Rust has files below others.
    pub fn has(&self, file: &str) -> bool {
        let file = self.relative(file);
        if file == self.file {
            return true;
        }
        let Some((directory, name)) = self.file.rsplit_once('/') else {
            return false;
        };
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => directory,
            _ => self.file.strip_suffix(".rs").unwrap_or(self.file),
        };
        file.strip_prefix(below)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// A file as the compiler writes it, which has the path from where it was called: somewhere above
    /// the directory of the crate. Debug information has whole paths.
    fn relative<'a>(&self, file: &'a str) -> &'a str {
        let above = self.directory.match_indices('/');
        let mut above = above.map(|(at, _)| self.directory.split_at(at));
        let root = above.find(|(_, way)| {
            let rest = self.file.strip_prefix(&way[1..]);
            rest.is_some_and(|rest| rest.starts_with('/'))
        });
        let root = root.map_or(self.directory, |(root, _)| root);
        match file.strip_prefix(root) {
            Some(rest) if !self.file.starts_with('/') => rest.trim_start_matches('/'),
            _ => file,
        }
    }
}

/// The text of a module is about to be freed, or its device has gone.
#[track_caller]
pub fn debug_module_gone(module: &ModuleText) {
    for watch in watching() {
        (watch.module_gone)(module);
    }
}

/// Adds what the kinds of objects know of a block.
pub(super) fn describe(addr: usize, size: usize, text: &mut Text) {
    for watch in watching() {
        (watch.describe)(addr, size, text);
    }
}

/// Virtual time has advanced.
pub(crate) fn debug_time_passed() {
    for watch in watching() {
        (watch.time_passed)();
    }
}

/// All tasks of the machine have ended.
pub(crate) fn debug_machine_left() {
    for watch in watching() {
        (watch.left)();
    }
}

/// The machine is about to end.
pub(crate) fn debug_machine_ended(blocked: usize) {
    for watch in watching() {
        (watch.ended)(blocked);
    }
}

/// Blocks of which copies were made last: where each begins, and its size, by a hash of the former.
/// A block comes here only while it is among [`BLOCKS`], and goes after it has left these.
static COPIED: HashTable<usize, (usize, usize)> = HashTable::new();

/// The key in [`COPIED`] of a block that begins at `addr`.
fn slot(addr: usize) -> usize {
    const SLOTS: usize = 64;
    const GOLDEN: usize = 0x9e37_79b9_7f4a_7c15;
    addr.wrapping_mul(GOLDEN) / (usize::MAX / SLOTS + 1)
}

/// A copy of the allocated block in which `addr` lies, up to so many words: where it begins, its
/// size, and its words. From any context.
///
/// The block is not freed meanwhile: it is taken out of the tables first, under the same locks.
pub fn debug_block_words(addr: usize, most: usize) -> Option<(usize, usize, Words)> {
    let copy = |start: usize, size: usize| {
        let words = (0..size.div_ceil(size_of::<usize>()).min(most)).map(|n| {
            let at = start + n * size_of::<usize>();
            load(at, (start + size - at).min(size_of::<usize>()))
        });
        (start, size, words.collect())
    };
    let again = COPIED.with(slot(addr), |&mut (start, size)| {
        (start == addr && size != 0).then(|| copy(start, size))
    });
    again.flatten().or_else(|| {
        block_of(addr, |start, block| {
            COPIED.insert(slot(start), (start, block.size));
            copy(start, block.size)
        })
    })
}

/// The word at `at`, or its first `bytes` bytes and zeroes.
fn load(at: usize, bytes: usize) -> usize {
    if bytes == size_of::<usize>() {
        let word: *mut usize = ptr::with_exposed_provenance_mut(at);
        // SAFETY: The caller has found it in a block, under a lock under which that leaves its
        // table; all blocks are aligned for words. What stands there may be anything, even
        // unwritten or being written at this moment: it is looked at as one number.
        return unsafe { AtomicUsize::from_ptr(word) }.load(Relaxed);
    }
    let mut word = [0; size_of::<usize>()];
    for (n, byte) in word.iter_mut().enumerate().take(bytes) {
        let at: *mut u8 = ptr::with_exposed_provenance_mut(at + n);
        // SAFETY: In the same block, as the word would be; bytes need no alignment.
        *byte = unsafe { AtomicU8::from_ptr(at) }.load(Relaxed);
    }
    usize::from_ne_bytes(word)
}
