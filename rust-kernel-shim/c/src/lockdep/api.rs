// SPDX-License-Identifier: GPL-2.0-only
//! What is no lock, but waited for as one is: maps without a lock, and who takes them.

use super::{
    lock_class_key,
    watch::{self, dep_map},
    How, What,
};
use crate::{
    ffi::{c_int, c_uint, c_ulong},
    globals,
    rule::{self, Rule},
    spinlock_t, Globals,
};
use core::{ffi::CStr, panic::Location, sync::atomic::Ordering::Relaxed};
use machine::cpu;

/// The map of something that is waited for as for a lock.
///
/// C: `struct lockdep_map`, as `STATIC_LOCKDEP_MAP_INIT()` leaves it.
#[allow(missing_debug_implementations)]
pub struct lockdep_map {
    name: &'static CStr,
    dep_map: dep_map,
    /// Whether the task has it, if that is known without lockdep.
    held: Option<fn() -> bool>,
}

impl lockdep_map {
    /// A map that reports call `name`.
    pub const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            dep_map: dep_map::new(),
            held: None,
        }
    }

    /// A map that readers who hold up no other reader have, as `held` says; it is in no circle, and is
    /// not to be acquired.
    pub(crate) const fn of_readers(name: &'static CStr, held: fn() -> bool) -> Self {
        Self {
            held: Some(held),
            ..Self::new(name)
        }
    }

    #[inline]
    fn dep_map(&'static self) -> &'static dep_map {
        self.dep_map.is_named(self.name);
        &self.dep_map
    }

    #[inline]
    fn addr(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// The task takes what the map is of, or begins to wait for it: if it is free, for `trylock`; as
/// others may as well, if `read` is 1, and even if they wait for it, for 2. From any context.
///
/// `ip` is not looked at: the caller is known.
///
/// # Safety
///
/// The map is static; `nest_lock` is null, or is as well, and held.
#[inline]
#[track_caller]
pub unsafe fn lock_acquire(
    map: *const lockdep_map,
    subclass: c_uint,
    trylock: c_int,
    read: c_int,
    check: c_int,
    nest_lock: *const lockdep_map,
    _ip: c_ulong,
) {
    // SAFETY: Both are static, or one is null: the caller's guarantees.
    let (map, nest): (&'static lockdep_map, Option<&'static lockdep_map>) =
        unsafe { (&*map, nest_lock.as_ref()) };
    let how = How {
        // CAST: There are eight subclasses and three ways to read.
        subclass: subclass as u8,
        trylock: trylock != 0,
        read: read as u8,
        unchecked: check == 0,
        nest: nest.map(|nest| (nest.dep_map(), What::Event, nest.addr())),
        ..How::LOCK
    };
    map.dep_map()
        .acquire(map.addr(), What::Event, how, Location::caller());
}

/// Does what [`lock_acquire`] would, of what is free, for a reader with `read` 1, if the task holds
/// nothing, is not [`in_atomic`](crate::in_atomic), and there is nothing new in it; else nothing, and
/// returns false. From any context.
///
/// Linux does not know of this.
///
/// # Safety
///
/// The map is static.
#[inline(always)]
#[track_caller]
pub unsafe fn lock_acquire_read_again(map: *const lockdep_map) -> bool {
    // SAFETY: It is static: the caller's guarantee.
    let map: &'static lockdep_map = unsafe { &*map };
    let at = Location::caller();
    cpu::with(|cpu| map.dep_map.is_read_again(cpu, map.addr(), at))
}

/// Ends what [`lock_acquire`] began. From any context.
///
/// # Safety
///
/// The map is static.
#[inline]
pub unsafe fn lock_release(map: *const lockdep_map, _ip: c_ulong) {
    // SAFETY: It is static: the caller's guarantee.
    let map: &'static lockdep_map = unsafe { &*map };
    map.dep_map().release_map(map.addr());
}

/// 1 if the task has taken it, as `read` says if that is not -1; 0 if not; -1 if that is not known.
/// From any context.
///
/// # Safety
///
/// The map is static.
#[inline]
pub unsafe fn lock_is_held_type(map: *const lockdep_map, read: c_int) -> c_int {
    // SAFETY: It is static: the caller's guarantee.
    let map: &'static lockdep_map = unsafe { &*map };
    if let Some(held) = map.held {
        return (read != 0 && held()).into();
    }
    let reader = (read >= 0).then_some(read != 0);
    map.dep_map().is_held(map.addr(), What::Event, reader)
}

/// [`lock_acquire`], exclusively.
///
/// # Safety
///
/// The map is static.
#[inline]
#[track_caller]
pub unsafe fn lock_map_acquire(map: *const lockdep_map) {
    // SAFETY: It is static: the caller's guarantee.
    unsafe { lock_acquire(map, 0, 0, 0, 1, core::ptr::null(), 0) }
}

pub use lock_release as lock_map_release;

/// What `map` is of was begun by the task. If that runs an item of work, it could not before the task
/// had the mutexes that it holds, for which others of its kind will wait as well: so who holds one of
/// these must not wait for what the map is of. From any context.
///
/// Linux does not know of this.
///
/// # Safety
///
/// The map is static.
#[inline(always)]
#[track_caller]
pub unsafe fn lockdep_needs_held(map: *const lockdep_map) {
    if super::ON && crate::workqueue::runs_work() {
        // SAFETY: It is static: the caller's guarantee.
        let map: &'static lockdep_map = unsafe { &*map };
        work_needs_held(map, Location::caller());
    }
}

#[inline(never)]
fn work_needs_held(map: &'static lockdep_map, at: &'static Location<'static>) {
    map.dep_map().needs_held(map.addr(), at);
}

/// The task has waited for what `map` is of. If it runs an item of work, what that completes later
/// needs it. From any context.
///
/// Linux does not know of this.
///
/// # Safety
///
/// The map is static.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn lockdep_was_waited_for(map: *const lockdep_map) {
    // SAFETY: It is static: the caller's guarantee.
    let map: &'static lockdep_map = unsafe { &*map };
    map.dep_map().was_waited_for(map.addr(), Location::caller());
}

/// Calls `prime` as a task that holds nothing, if it is the first call in this machine with that number,
/// up to 30, where rules are checked, and since the mode was set. So a hierarchy of locks is known before
/// it is used. From any context.
pub fn lockdep_prime(number: u32, prime: impl FnOnce()) {
    let bit = 1 << number;
    let first = |globals: &Globals| {
        globals.primed.load(Relaxed) & bit == 0 && globals.primed.fetch_or(bit, Relaxed) & bit == 0
    };
    if super::ON && rule::checking() && globals::with(first) {
        watch::pretend(false, &"boot", prime);
    }
}

/// A circle through the map of that name breaks `rule`. From any context.
pub fn lockdep_circles_break(name: &'static CStr, rule: &'static Rule) {
    watch::circles_break(name, rule);
}

/// Says that a lock is taken in interrupts, whether it was yet or not; for reports, at `place`. From
/// any context.
///
/// # Safety
///
/// It is initialised.
#[inline]
#[track_caller]
pub unsafe fn lockdep_taken_in_irq(lock: *mut spinlock_t, place: &'static &'static str) {
    // SAFETY: It is initialised: the caller's guarantee.
    let map = unsafe { crate::spinlock_dep_map(lock) };
    if !cpu::with(|cpu| map.is_said_in_irq(cpu)) {
        say_in_irq(map, lock.addr(), place, Location::caller());
    }
}

#[inline(never)]
fn say_in_irq(
    map: &dep_map,
    instance: usize,
    place: &'static &'static str,
    at: &'static Location<'static>,
) {
    watch::pretend(true, place, || {
        map.acquire(instance, What::Spinlock, How::LOCK, at);
        map.release(instance, What::Spinlock);
    });
}

/// The number of what [`fs_reclaim`] primes.
const RECLAIM: u32 = 31;

static __fs_reclaim_map: lockdep_map = lockdep_map::new(c"fs_reclaim");

/// What callbacks of address spaces, which wait for GPUs, are called under.
///
/// C: `__mmu_notifier_invalidate_range_start_map`.
pub static __mmu_notifier_invalidate_range_start_map: lockdep_map =
    lockdep_map::new(c"mmu_notifier_invalidate_range_start");

/// Memory may have to be reclaimed first. C: `fs_reclaim_acquire()`, and its end around `inside`.
#[track_caller]
pub fn fs_reclaim(inside: impl FnOnce()) {
    // That the one is inside the other is no driver's doing.
    lockdep_prime(RECLAIM, || reclaim(|| {}));
    reclaim(inside);
}

#[track_caller]
fn reclaim(inside: impl FnOnce()) {
    // SAFETY: The map is static.
    unsafe {
        lock_map_acquire(&__fs_reclaim_map);
        lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
        inside();
        lock_map_release(&__mmu_notifier_invalidate_range_start_map, 0);
        lock_map_release(&__fs_reclaim_map, 0);
    }
}

/// Registers a key in memory that will be freed.
pub unsafe fn lockdep_register_key(_key: *mut lock_class_key) {
    // Classes have keys of their own here, which are static.
}

/// Unregisters such a key, and forgets the classes that have it.
///
/// # Safety
///
/// No lock of these is used any more.
pub unsafe fn lockdep_unregister_key(key: *mut lock_class_key) {
    watch::key_goes(key);
}
