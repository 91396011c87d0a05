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
    irq::irqflags::{local_irq_restore_at, preempt_disable_on, preempt_enable_on},
    local_interrupt_disable, local_interrupt_enable, local_irq_disable, local_irq_enable,
    lock_class_key,
    lockdep::{self, dep_map, How, What},
    preempt_disable, preempt_enable,
    rcu::current_grace_period,
};
use core::{panic::Location, sync::atomic::Ordering::Acquire};
use machine::{
    atomic::fence,
    blocked::{self, Last, Thing},
    cpu::{self, Cpu},
    task,
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
    unsafe { disable_and_acquire(lock, How::LOCK, Location::caller()) }
}

/// As [`spin_lock`], where a lock of the same class may be held, of another `subclass`.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn spin_lock_nested(lock: *mut spinlock_t, subclass: c_int) {
    // CAST: There are eight.
    let subclass = subclass as u8;
    let how = How {
        subclass,
        ..How::LOCK
    };
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { disable_and_acquire(lock, how, Location::caller()) }
}

#[inline]
unsafe fn disable_and_acquire(lock: *mut spinlock_t, how: How<'_>, at: &'static Location<'static>) {
    cpu::with(|cpu| {
        task::point_on(cpu);
        preempt_disable_on(cpu);
        // SAFETY: `lock` is initialised: the caller's guarantee.
        unsafe { acquire(cpu, lock, how, at) };
    });
}

/// Takes the lock; preemption is disabled.
#[inline(always)]
unsafe fn acquire(cpu: &Cpu, lock: *mut spinlock_t, how: How<'_>, at: &'static Location<'static>) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let dep_map = unsafe { spinlock_dep_map(lock) };
    dep_map.acquire_on(cpu, lock.addr(), What::Spinlock, how, at);
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let raw = unsafe { raw(lock) };
    match blocked::ON.then(|| raw.try_lock()) {
        Some(Some(guard)) => core::mem::forget(guard),
        Some(None) => contended(lock, raw, at),
        None => core::mem::forget(raw.lock()),
    }
    blocked::acquired_on(cpu, known(lock), at);
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
    cpu::with(|cpu| {
        // SAFETY: The thread holds the lock: the caller's guarantee.
        unsafe { release(cpu, lock) };
        preempt_enable_on(cpu);
    });
}

/// Releases the lock; preemption stays disabled.
#[inline(always)]
unsafe fn release(cpu: &Cpu, lock: *mut spinlock_t) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    let dep_map = unsafe { spinlock_dep_map(lock) };
    dep_map.release_on(cpu, lock.addr(), What::Spinlock);
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { raw(lock).force_unlock() };
    blocked::released_on(cpu, known(lock).id);
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
            None => contended(lock, raw, Location::caller()),
        }
        return off.into();
    }
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { debug_lock_irqsave(lock, Location::caller()) }
}

/// [`spin_lock_irqsave`] of a debug kernel.
#[inline(never)]
unsafe fn debug_lock_irqsave(lock: *mut spinlock_t, at: &'static Location<'static>) -> c_ulong {
    // What is not usual is left to others, in whose place this returns: so it needs no stack.
    cpu::with(|cpu| {
        let reader = cpu
            .is_usual()
            .then(|| cpu.begin_atomic(current_grace_period));
        let Some(reader) = reader.flatten() else {
            // SAFETY: `lock` is initialised: the caller's guarantee.
            return unsafe { unusual_lock_irqsave(cpu, lock, at) };
        };
        // SAFETY: Nothing is unusual.
        let task = unsafe { lockdep::usual_task(cpu) };
        task.set_irqs(false, 0);
        // SAFETY: `lock` is initialised: the caller's guarantee.
        let (raw, dep_map) = unsafe { (raw(lock), spinlock_dep_map(lock)) };
        if !dep_map.is_spinlock_again(task, reader, lock.addr(), at) {
            // SAFETY: `lock` is initialised: the caller's guarantee.
            return unsafe { first_lock_irqsave(cpu, lock, at) };
        }
        match raw.try_lock() {
            Some(guard) => core::mem::forget(guard),
            None => return contended_irqsave(cpu, lock, raw, at),
        }
        blocked::acquired_on(cpu, known(lock), at);
        0
    })
}

/// The rest of it if the lock was not taken so before.
#[inline(never)]
unsafe fn first_lock_irqsave(
    cpu: &Cpu,
    lock: *mut spinlock_t,
    at: &'static Location<'static>,
) -> c_ulong {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { acquire(cpu, lock, How::LOCK, at) };
    0
}

/// The rest of it if another task has the lock.
#[cold]
fn contended_irqsave(
    cpu: &Cpu,
    lock: *mut spinlock_t,
    raw: &SpinMutex<(), Relax>,
    at: &'static Location<'static>,
) -> c_ulong {
    contended(lock, raw, at);
    blocked::acquired_on(cpu, known(lock), at);
    0
}

/// The same inside a section, or where something is unusual.
#[inline(never)]
unsafe fn unusual_lock_irqsave(
    cpu: &Cpu,
    lock: *mut spinlock_t,
    at: &'static Location<'static>,
) -> c_ulong {
    let off = cpu.enter_atomic(current_grace_period);
    if !off {
        lockdep::hardirqs_off(cpu);
    }
    task::point_on(cpu);
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { acquire(cpu, lock, How::LOCK, at) };
    off.into()
}

/// Takes the lock that another task has.
#[cold]
#[inline(never)]
fn contended(lock: *mut spinlock_t, raw: &SpinMutex<(), Relax>, at: &'static Location<'static>) {
    let _waits = blocked::waiting_at(known(lock), at);
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
        if flags == 0 && cpu::with(Cpu::exit_atomic) {
            if cpu::with(irq_work_waits) {
                run_irq_work();
            }
        } else {
            nested_unlock_irqrestore(flags, Location::caller());
        }
        return;
    }
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { debug_unlock_irqrestore(lock, flags, Location::caller()) };
}

/// [`spin_unlock_irqrestore`] of a debug kernel.
///
/// # Safety
///
/// As there.
#[inline(never)]
unsafe fn debug_unlock_irqrestore(
    lock: *mut spinlock_t,
    flags: c_ulong,
    at: &'static Location<'static>,
) {
    // What is not usual is left to others, as there.
    cpu::with(|cpu| {
        'usual: {
            if !cpu.is_usual() || flags != 0 || !cpu.is_atomic() {
                break 'usual;
            }
            // SAFETY: Nothing is unusual.
            let task = unsafe { lockdep::usual_task(cpu) };
            let Some(last) = Last::of(cpu, known(lock).id) else {
                break 'usual;
            };
            if !task.release_last(lock.addr()) {
                break 'usual;
            }
            // SAFETY: The thread holds the lock: the caller's guarantee.
            unsafe { raw(lock).force_unlock() };
            last.released();
            match task.depth() {
                0 => task.set_irqs(true, 0),
                _ if task.is_on_again() => lockdep::hardirqs_are_on(task, at),
                _ => return inner_unlock_irqrestore(cpu, task, at),
            }
            // SAFETY: It is, as seen above; nothing since then has begun a section.
            return unsafe { cpu.end_atomic() };
        }
        // SAFETY: The thread holds the lock: the caller's guarantee.
        unsafe { unusual_unlock_irqrestore(cpu, lock, flags, at) };
    });
}

/// The rest of it if there may be something new in that interrupts are enabled.
#[inline(never)]
fn inner_unlock_irqrestore(cpu: &Cpu, task: &lockdep::Task, at: &'static Location<'static>) {
    if !(lockdep::hardirqs_on_inside(task, at) && cpu.exit_atomic()) {
        nested_unlock_irqrestore(0, at);
    }
}

/// [`debug_unlock_irqrestore`] inside a section, or where something is unusual.
///
/// # Safety
///
/// As there.
#[inline(never)]
unsafe fn unusual_unlock_irqrestore(
    cpu: &Cpu,
    lock: *mut spinlock_t,
    flags: c_ulong,
    at: &'static Location<'static>,
) {
    // SAFETY: The thread holds the lock: the caller's guarantee.
    unsafe { release(cpu, lock) };
    nested_unlock_irqrestore(flags, at);
}

/// The rest of [`spin_unlock_irqrestore`] in a section of another kind, or if the caller has changed
/// what counts.
#[inline(never)]
fn nested_unlock_irqrestore(flags: c_ulong, at: &'static Location<'static>) {
    // SAFETY: Both were done when the lock was taken.
    unsafe {
        preempt_enable();
        local_irq_restore_at(flags, at);
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
