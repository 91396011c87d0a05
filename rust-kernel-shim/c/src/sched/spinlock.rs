// SPDX-License-Identifier: GPL-2.0-only
//! Spinlocks.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Four bytes, as in a production kernel. What a debug kernel wants to know of a lock it keeps
//! elsewhere, by the lock's address, so that the layout is one.

#[cfg(loom)]
use super::model_lock::ModelLock as SpinMutex;
use crate::ffi::{c_char, c_int, c_ulong};
use crate::{
    irq::irq_work::{irq_work_waits, run_irq_work},
    local_interrupt_disable, local_interrupt_enable, local_irq_disable, local_irq_enable,
    local_irq_restore, local_irq_save, lock_class_key,
    lockdep::{dep_map, How, What},
    preempt_disable, preempt_enable,
    rcu::current_grace_period,
};
use core::{panic::Location, sync::atomic::Ordering::Acquire};
use machine::{
    atomic::fence,
    blocked::{self, Thing},
    cpu, task,
};
#[cfg(not(loom))]
use spin::mutex::SpinMutex;
use spin::RelaxStrategy;

/// The wait for a contended lock: on a virtual CPU the holder must get the run token.
pub(crate) struct Relax;

impl RelaxStrategy for Relax {
    #[inline]
    fn relax() {
        task::relax();
    }
}

/// C: `spinlock_t`.
#[repr(C, align(4))]
pub struct spinlock {
    raw: SpinMutex<(), Relax>,
    dep_map: dep_map,
}

/// C: `spinlock_t`.
pub type spinlock_t = spinlock;

#[cfg(not(loom))]
static_assertions::assert_eq_size!(spinlock_t, u32);

impl spinlock {
    machine::const_fn! {
        /// An unlocked lock.
        ///
        /// C: `__SPIN_LOCK_UNLOCKED()`.
        pub fn new() -> Self {
            Self {
                raw: SpinMutex::new(()),
                dep_map: dep_map::new(),
            }
        }
    }
}

impl Default for spinlock {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes `lock` an unlocked lock.
pub unsafe fn __spin_lock_init(
    lock: *mut spinlock_t,
    name: *const c_char,
    key: *mut lock_class_key,
) {
    // SAFETY: `lock` is valid for writes, and the name lives forever: the caller's guarantees.
    unsafe {
        lock.write(spinlock {
            dep_map: dep_map::named(name, key, What::Spinlock),
            ..spinlock::new()
        });
        blocked::name_lock(lock.addr(), name.cast());
    }
}

/// Makes `$lock` an unlocked lock, one of a class for this line of code, with a name.
///
/// # Safety
///
/// As [`__spin_lock_init`].
#[macro_export]
macro_rules! spin_lock_init {
    ($lock:expr, $name:expr) => {{
        static mut KEY: $crate::lock_class_key = $crate::lock_class_key::new();
        $crate::__spin_lock_init($lock, $name, &raw mut KEY)
    }};
}

/// Makes the lock, which is not held, one of another class.
///
/// C: `lockdep_set_class()`.
///
/// # Safety
///
/// As [`__spin_lock_init`].
pub unsafe fn lockdep_set_class(
    lock: *mut spinlock_t,
    name: *const c_char,
    key: *mut lock_class_key,
) {
    // SAFETY: `lock` is valid for writes, and the name lives forever: the caller's guarantees.
    unsafe { (&raw mut (*lock).dep_map).write(dep_map::named(name, key, What::Spinlock)) };
}

#[inline]
unsafe fn raw<'a>(lock: *mut spinlock_t) -> &'a SpinMutex<(), Relax> {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).raw }
}

/// The lock's part of lockdep.
#[inline]
pub(crate) unsafe fn spinlock_dep_map<'a>(lock: *mut spinlock_t) -> &'a dep_map {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).dep_map }
}

/// Takes the lock; no preemption until [`spin_unlock`].
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock(lock: *mut spinlock_t) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { acquire(lock, How::LOCK) }
}

/// As [`spin_lock`], where a lock of the same class may be held, of another `subclass`.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock_nested(lock: *mut spinlock_t, subclass: c_int) {
    // CAST: There are eight.
    let subclass = subclass as u8;
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe {
        acquire(
            lock,
            How {
                subclass,
                ..How::LOCK
            },
        )
    }
}

#[inline]
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn acquire(lock: *mut spinlock_t, how: How<'_>) {
    task::point();
    // SAFETY: `preempt_disable()` has no preconditions.
    unsafe { preempt_disable() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { spinlock_dep_map(lock) }.acquire(lock.addr(), What::Spinlock, how, Location::caller());
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let raw = unsafe { raw(lock) };
    match blocked::ON.then(|| raw.try_lock()) {
        Some(Some(guard)) => core::mem::forget(guard),
        Some(None) => contended(lock, raw),
        None => core::mem::forget(raw.lock()),
    }
    blocked::acquired(known(lock), Location::caller());
}

/// The lock, for what a debug kernel knows of tasks.
fn known(lock: *mut spinlock_t) -> Thing {
    Thing::lock("spinlock", lock.addr())
}

/// Takes the lock if it is free: 1 if it was.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_trylock(lock: *mut spinlock_t) -> c_int {
    // SAFETY: `preempt_disable()` has no preconditions.
    unsafe { preempt_disable() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    match unsafe { raw(lock) }.try_lock() {
        Some(guard) => {
            core::mem::forget(guard);
            let (how, at) = (How::TRYLOCK, Location::caller());
            // SAFETY: `lock` is initialised: the caller's guarantee.
            unsafe { spinlock_dep_map(lock) }.acquire(lock.addr(), What::Spinlock, how, at);
            blocked::acquired(known(lock), at);
            1
        }
        None => {
            // SAFETY: Disabled above.
            unsafe { preempt_enable() };
            0
        }
    }
}

/// Releases the lock.
///
/// # Safety
///
/// The thread holds the lock.
#[inline]
pub unsafe fn spin_unlock(lock: *mut spinlock_t) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { spinlock_dep_map(lock) }.release(lock.addr(), What::Spinlock);
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { raw(lock).force_unlock() };
    blocked::released(known(lock).id);
    // SAFETY: Disabled when the lock was taken.
    unsafe { preempt_enable() };
}

/// Takes the lock with interrupts disabled; returns what [`spin_unlock_irqrestore`] needs.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock_irqsave(lock: *mut spinlock_t) -> c_ulong {
    if cfg!(not(feature = "debug")) {
        // What else is done on the way is a debug kernel's.
        let off = cpu::with(|cpu| cpu.enter_atomic(current_grace_period));
        // SAFETY: `lock` is initialised: the caller's guarantee.
        let raw = unsafe { raw(lock) };
        match raw.try_lock() {
            Some(guard) => core::mem::forget(guard),
            None => contended(lock, raw),
        }
        return off.into();
    }
    // SAFETY: `local_irq_save()` has no preconditions.
    let flags = unsafe { local_irq_save() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { spin_lock(lock) };
    flags
}

/// Takes the lock that another task has.
#[cold]
#[inline(never)]
#[cfg_attr(feature = "debug", track_caller)]
fn contended(lock: *mut spinlock_t, raw: &SpinMutex<(), Relax>) {
    let _waits = blocked::waiting(known(lock));
    core::mem::forget(raw.lock());
}

/// Releases the lock and enables interrupts again if they were enabled before.
///
/// # Safety
///
/// The thread has taken the lock by [`spin_lock_irqsave`], which returned `flags`.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_unlock_irqrestore(lock: *mut spinlock_t, flags: c_ulong) {
    if cfg!(not(feature = "debug")) {
        // SAFETY: The thread holds the lock: the caller's guarantee.
        unsafe { raw(lock).force_unlock() };
        if flags == 0 && cpu::with(cpu::Cpu::exit_atomic) {
            if irq_work_waits() {
                run_irq_work();
            }
        } else {
            nested_unlock_irqrestore(flags);
        }
        return;
    }
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { spin_unlock(lock) };
    // SAFETY: Saved when the lock was taken.
    unsafe { local_irq_restore(flags) };
}

/// The rest of [`spin_unlock_irqrestore`] in a section of another kind, or if the caller has changed
/// what counts.
#[inline(never)]
fn nested_unlock_irqrestore(flags: c_ulong) {
    // SAFETY: Both were done when the lock was taken.
    unsafe {
        preempt_enable();
        local_irq_restore(flags);
    }
}

/// Takes the lock with interrupts disabled, whatever their state was.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock_irq(lock: *mut spinlock_t) {
    // SAFETY: `local_irq_disable()` has no preconditions.
    unsafe { local_irq_disable() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { spin_lock(lock) };
}

/// Releases the lock and enables interrupts, even if they were disabled before it was taken.
///
/// # Safety
///
/// The thread holds the lock.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_unlock_irq(lock: *mut spinlock_t) {
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { spin_unlock(lock) };
    // SAFETY: `local_irq_enable()` has no preconditions.
    unsafe { local_irq_enable() };
}

/// As [`spin_lock_irqsave`], with a count of the processor's in place of the flags.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock_irq_disable(lock: *mut spinlock_t) {
    // SAFETY: `local_interrupt_disable()` has no preconditions.
    unsafe { local_interrupt_disable() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { spin_lock(lock) };
}

/// As [`spin_trylock`], with interrupts disabled if it succeeds.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_trylock_irq_disable(lock: *mut spinlock_t) -> c_int {
    // SAFETY: `local_interrupt_disable()` has no preconditions.
    unsafe { local_interrupt_disable() };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let taken = unsafe { spin_trylock(lock) };
    if taken == 0 {
        // SAFETY: Disabled above.
        unsafe { local_interrupt_enable() };
    }
    taken
}

/// Ends what [`spin_lock_irq_disable`] began.
///
/// # Safety
///
/// The thread has taken the lock so.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_unlock_irq_enable(lock: *mut spinlock_t) {
    // SAFETY: The thread has taken the lock: the caller's guarantee.
    unsafe { spin_unlock(lock) };
    // SAFETY: Disabled when the lock was taken.
    unsafe { local_interrupt_enable() };
}

/// 1 if the lock is held, by this thread or another.
#[inline]
pub unsafe fn spin_is_locked(lock: *mut spinlock_t) -> c_int {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { raw(lock) }.is_locked().into()
}

/// True if no thread has the lock; then the caller sees what was done under it, as if it had taken the
/// lock itself.
#[inline]
pub unsafe fn spin_is_free(lock: *mut spinlock_t) -> bool {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let free = !unsafe { raw(lock) }.is_locked();
    // With the look at the lock, pairs with the release of the lock.
    fence(Acquire);
    free
}

/// Warns if the lock is free; a debug kernel's check.
#[inline]
pub unsafe fn spin_assert_is_held(lock: *mut spinlock_t) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    crate::WARN_ON!(cfg!(feature = "debug") && unsafe { spin_is_locked(lock) } == 0);
}
