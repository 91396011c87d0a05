// SPDX-License-Identifier: GPL-2.0-only
//! Mutexes of which a task takes many in any order: who would wait in a circle is told to let go.
//!
//! C header: [`include/linux/ww_mutex.h`](srctree/include/linux/ww_mutex.h)
//!
//! A task takes them under an acquire context, whose stamp says which is older. In a class of the
//! kind wait-die a younger one that holds locks does not wait for an older one: it gets -EDEADLK. In
//! one of the kind wound-wait an older one that has to wait for a younger one wounds it, and that
//! gets -EDEADLK when it has to wait itself. Either lets go of all, takes the contended lock first,
//! and goes on.
//!
//! All of it is done under the lock of the queue of waiters.

use crate::{
    __spin_lock_init, get_current, list_add_tail, list_del_init, list_head, lock_class_key,
    lockdep::{dep_map, for_a_mutex, How, What},
    may_sleep, schedule, set_current_state, signal_pending, spin_lock_irqsave,
    spin_unlock_irqrestore, spinlock_t, task_struct, wake_up_state, EALREADY, EDEADLK, EINTR,
    INIT_LIST_HEAD, TASK_INTERRUPTIBLE, TASK_NORMAL, TASK_RUNNING, TASK_UNINTERRUPTIBLE, WARN_ON,
};
use crate::{
    as_char_ptr,
    ffi::{c_int, c_uint},
};
use core::{
    ffi::CStr,
    panic::Location,
    ptr::{self, addr_of_mut, null, null_mut},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use machine::{
    atomic::{AtomicBool, AtomicI16, AtomicPtr},
    blocked::{self, Thing},
};

/// Mutexes that may be taken under one acquire context.
#[cfg_attr(not(feature = "debug"), allow(dead_code))]
pub struct ww_class {
    /// The youngest context's.
    stamp: AtomicUsize,
    acquire_key: lock_class_key,
    mutex_key: lock_class_key,
    acquire_name: &'static CStr,
    mutex_name: &'static CStr,
    is_wait_die: bool,
}

impl ww_class {
    /// A class, for [`DEFINE_WW_CLASS!`](crate::DEFINE_WW_CLASS) and
    /// [`DEFINE_WD_CLASS!`](crate::DEFINE_WD_CLASS).
    #[doc(hidden)]
    pub const fn new(
        acquire_name: &'static CStr,
        mutex_name: &'static CStr,
        is_wait_die: bool,
    ) -> Self {
        Self {
            stamp: AtomicUsize::new(0),
            acquire_key: lock_class_key::new(),
            mutex_key: lock_class_key::new(),
            acquire_name,
            mutex_name,
            is_wait_die,
        }
    }

    fn mutex_map(&'static self) -> dep_map {
        let key = ptr::from_ref(&self.mutex_key).cast_mut();
        // SAFETY: The name is static.
        unsafe { dep_map::named(as_char_ptr(self.mutex_name), key, What::Mutex) }
    }
}

/// Defines a class in which who waits wounds: a name, and the names that lockdep calls the contexts
/// and the mutexes by.
#[macro_export]
macro_rules! DEFINE_WW_CLASS {
    ($(#[$attr:meta])* $vis:vis $name:ident, $acquire_name:literal, $mutex_name:literal) => {
        $(#[$attr])* $vis static $name: $crate::ww_class =
            $crate::ww_class::new($acquire_name, $mutex_name, false);
    };
}

/// As [`DEFINE_WW_CLASS!`], in which who would wait for an older one dies.
#[macro_export]
macro_rules! DEFINE_WD_CLASS {
    ($(#[$attr:meta])* $vis:vis $name:ident, $acquire_name:literal, $mutex_name:literal) => {
        $(#[$attr])* $vis static $name: $crate::ww_class =
            $crate::ww_class::new($acquire_name, $mutex_name, true);
    };
}

/// A mutex of a [`ww_class`].
#[repr(C)]
pub struct ww_mutex {
    locked: AtomicBool,
    dep_map: dep_map,
    wait_lock: spinlock_t,
    /// A [`Waiter`] for each task.
    waiters: list_head,
    /// What the holder has taken it under; null for a free one, and for a holder without.
    ctx: AtomicPtr<ww_acquire_ctx>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<ww_mutex>() == 32);

/// What a task takes mutexes of one class under.
#[repr(C)]
pub struct ww_acquire_ctx {
    task: *mut task_struct,
    stamp: usize,
    /// The mutexes that are held under it. Others look at it while the task is queued.
    acquired: c_uint,
    /// Not 0 if an older context waits for one of these.
    wounded: AtomicI16,
    is_wait_die: u16,
    debug: Debug,
}

/// What a debug kernel knows of a context.
#[cfg(feature = "debug")]
struct Debug {
    done_acquire: bool,
    /// The mutex that -EDEADLK was returned for.
    contending_lock: *mut ww_mutex,
    dep_map: dep_map,
    /// Stands for the first mutex: it stays until all are released.
    first_lock_dep_map: dep_map,
}

#[cfg(not(feature = "debug"))]
struct Debug;

/// A task in a mutex's queue, which is in the order of stamps, the oldest first; those without a
/// context are among them in the order of arrival.
#[repr(C)]
struct Waiter {
    /// First, so that the link's address is the waiter's.
    list: list_head,
    task: *mut task_struct,
    ctx: *mut ww_acquire_ctx,
}

/// Makes `lock` a free mutex of the class.
pub unsafe fn ww_mutex_init(lock: *mut ww_mutex, class: &'static ww_class) {
    // SAFETY: `lock` is valid for writes: the caller's guarantee. The name and the key are static.
    unsafe {
        blocked::name_lock(lock.addr(), as_char_ptr(class.mutex_name).cast());
        lock.write(ww_mutex {
            locked: AtomicBool::new(false),
            dep_map: class.mutex_map(),
            wait_lock: spinlock_t::new(),
            waiters: list_head::new(),
            ctx: AtomicPtr::new(null_mut()),
        });
        // Null is no name and no class: it is taken only here.
        __spin_lock_init(addr_of_mut!((*lock).wait_lock), null(), null_mut());
        INIT_LIST_HEAD(addr_of_mut!((*lock).waiters));
    }
}

/// Warns, in a debug kernel, of a mutex that is held; it is not used any more.
pub unsafe fn ww_mutex_destroy(lock: *mut ww_mutex) {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    WARN_ON!(cfg!(feature = "debug") && unsafe { ww_mutex_is_locked(lock) });
}

/// True if a task holds it.
pub unsafe fn ww_mutex_is_locked(lock: *mut ww_mutex) -> bool {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).locked }.load(Relaxed)
}

/// What the holder has taken it under, null if there is none; another task's may be gone already.
pub unsafe fn ww_mutex_ctx(lock: *mut ww_mutex) -> *mut ww_acquire_ctx {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).ctx }.load(Relaxed)
}

/// Makes `ctx` a context of this task, and the youngest of the class.
///
/// # Safety
///
/// `ctx` is valid for writes, and stays where it is until [`ww_acquire_fini`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn ww_acquire_init(ctx: *mut ww_acquire_ctx, class: &'static ww_class) {
    // SAFETY: `ctx` is valid for writes: the caller's guarantee. Names and keys are static.
    unsafe {
        ctx.write(ww_acquire_ctx {
            task: get_current(),
            stamp: class.stamp.fetch_add(1, Relaxed).wrapping_add(1),
            acquired: 0,
            wounded: AtomicI16::new(0),
            is_wait_die: class.is_wait_die.into(),
            #[cfg(not(feature = "debug"))]
            debug: Debug,
            #[cfg(feature = "debug")]
            debug: Debug {
                done_acquire: false,
                contending_lock: null_mut(),
                dep_map: dep_map::named(
                    as_char_ptr(class.acquire_name),
                    ptr::from_ref(&class.acquire_key).cast_mut(),
                    What::Event,
                ),
                first_lock_dep_map: class.mutex_map(),
            },
        });
        #[cfg(feature = "debug")]
        {
            let (debug, at) = (&(*ctx).debug, Location::caller());
            let [own, first] = addresses(ctx);
            debug.dep_map.acquire(own, What::Event, How::LOCK, at);
            let how = How {
                stands_in: true,
                ..nested(How::LOCK, ctx)
            };
            debug
                .first_lock_dep_map
                .acquire(first, What::Mutex, how, at);
        }
    }
}

/// The addresses by which lockdep knows the context, and what stands for its first mutex.
#[cfg(feature = "debug")]
fn addresses(ctx: *mut ww_acquire_ctx) -> [usize; 2] {
    [ctx.addr(), ctx.addr() + size_of::<usize>()]
}

/// As `how`, under the context if there is one.
#[cfg_attr(not(feature = "debug"), allow(clippy::needless_pass_by_value))]
unsafe fn nested<'a>(how: How<'a>, ctx: *mut ww_acquire_ctx) -> How<'a> {
    #[cfg(feature = "debug")]
    if !ctx.is_null() {
        // SAFETY: It is initialised: the caller's guarantee.
        let map = unsafe { &(*ctx).debug.dep_map };
        let nest = Some((map, What::Event, ctx.addr()));
        return How { nest, ..how };
    }
    let _ = ctx;
    how
}

/// No further mutex will be taken under the context; a debug kernel warns if one is.
///
/// # Safety
///
/// It is initialised, and the task's.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn ww_acquire_done(ctx: *mut ww_acquire_ctx) {
    #[cfg(feature = "debug")]
    // SAFETY: It is initialised, and the task's: the caller's guarantee.
    unsafe {
        WARN_ON!((*ctx).debug.done_acquire);
        (*ctx).debug.done_acquire = true;
    }
    let _ = ctx;
}

/// Ends the context, under which no mutex is held any more.
///
/// # Safety
///
/// It is initialised, and the task's.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn ww_acquire_fini(ctx: *mut ww_acquire_ctx) {
    #[cfg(feature = "debug")]
    // SAFETY: It is initialised, and the task's: the caller's guarantee.
    unsafe {
        let [own, first] = addresses(ctx);
        (*ctx).debug.first_lock_dep_map.release(first, What::Mutex);
        (*ctx).debug.dep_map.release(own, What::Event);
        WARN_ON!((*ctx).acquired != 0);
        (*ctx).debug.done_acquire = true;
    }
    let _ = ctx;
}

/// Takes the mutex: 0, or -EALREADY if it is held under the context, or -EDEADLK if that has to let go
/// of all that is. Without a context, which is null, it is always 0. May sleep.
///
/// # Safety
///
/// `lock` is initialised, and `ctx` null, or the task's and of the same class. A task that has no
/// context for it holds no mutex of the class.
#[track_caller]
pub unsafe fn ww_mutex_lock(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { lock_common(lock, ctx, TASK_UNINTERRUPTIBLE, Location::caller()) }
}

/// As [`ww_mutex_lock`], or -EINTR if a signal came while it waited.
///
/// # Safety
///
/// As [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn ww_mutex_lock_interruptible(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { lock_common(lock, ctx, TASK_INTERRUPTIBLE, Location::caller()) }
}

/// Takes the mutex that -EDEADLK was returned for, when all that was held under the context is
/// released. May sleep.
///
/// # Safety
///
/// As [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn ww_mutex_lock_slow(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        slow(ctx);
        lock_common(lock, ctx, TASK_UNINTERRUPTIBLE, Location::caller());
    }
}

/// As [`ww_mutex_lock_slow`]: 0, or -EINTR if a signal came while it waited.
///
/// # Safety
///
/// As [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn ww_mutex_lock_slow_interruptible(
    lock: *mut ww_mutex,
    ctx: *mut ww_acquire_ctx,
) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        slow(ctx);
        lock_common(lock, ctx, TASK_INTERRUPTIBLE, Location::caller())
    }
}

/// Warns of a context for which no -EDEADLK was returned.
#[track_caller]
unsafe fn slow(ctx: *mut ww_acquire_ctx) {
    #[cfg(feature = "debug")]
    // SAFETY: It is initialised: the caller's guarantee.
    WARN_ON!(unsafe { (*ctx).debug.contending_lock }.is_null());
    let _ = ctx;
}

/// Takes the mutex if it is free: 1 if it was. Never -EDEADLK, and so no reason to let go. Not from
/// interrupt context.
///
/// # Safety
///
/// As [`ww_mutex_lock`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn ww_mutex_trylock(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int {
    let at = Location::caller();
    // SAFETY: The caller says that both are valid. What is of the queue is done under its lock.
    unsafe {
        heals(ctx);
        let queue = addr_of_mut!((*lock).wait_lock);
        let flags = spin_lock_irqsave(queue);
        let taken = take(lock, ctx, true, at);
        spin_unlock_irqrestore(queue, flags);
        if taken {
            let how = nested(How::TRYLOCK, ctx);
            let addr = lock.addr();
            (*lock).dep_map.acquire(addr, What::Mutex, how, at);
        }
        taken.into()
    }
}

/// Releases the mutex.
///
/// # Safety
///
/// The task holds it.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn ww_mutex_unlock(lock: *mut ww_mutex) {
    // SAFETY: `lock` is initialised, and the task holds it: the caller's guarantee. A context lives
    // until what was taken under it is released, and a waiter while it is queued.
    unsafe {
        (*lock).dep_map.release(lock.addr(), What::Mutex);
        blocked::released(known(lock).id);
        let queue = addr_of_mut!((*lock).wait_lock);
        let flags = spin_lock_irqsave(queue);
        if let Some(ctx) = (*lock).ctx.load(Relaxed).as_mut() {
            WARN_ON!(cfg!(feature = "debug") && ctx.acquired == 0);
            ctx.acquired = ctx.acquired.saturating_sub(1);
            (*lock).ctx.store(null_mut(), Relaxed);
        }
        (*lock).locked.store(false, Relaxed);
        let head = addr_of_mut!((*lock).waiters);
        if (*head).next != head {
            // It stays queued until it has the mutex.
            wake((*(*head).next.cast::<Waiter>()).task);
        }
        spin_unlock_irqrestore(queue, flags);
    }
}

/// 1 if the task holds it, 0 if not, -1 if that is not known.
///
/// C: `lockdep_is_held()`.
pub unsafe fn ww_mutex_is_held(lock: *mut ww_mutex) -> c_int {
    // SAFETY: `lock` is initialised: the caller's guarantee.
    unsafe { &(*lock).dep_map }.is_held(lock.addr(), What::Mutex, None)
}

/// The mutex, for what a debug kernel knows of tasks.
fn known(lock: *mut ww_mutex) -> Thing {
    Thing::lock("mutex", lock.addr())
}

/// A context that holds nothing is not wounded any more: so no other task can wound it now.
unsafe fn heals(ctx: *mut ww_acquire_ctx) {
    // SAFETY: It is null, or the task's: the caller's guarantee.
    if let Some(ctx) = unsafe { ctx.as_ref() }.filter(|ctx| ctx.acquired == 0) {
        ctx.wounded.store(0, Relaxed);
    }
}

/// Wakes a task that is queued, or that holds what a task is queued for.
unsafe fn wake(task: *mut task_struct) {
    // SAFETY: So it lives.
    for_a_mutex(|| unsafe { wake_up_state(task, TASK_NORMAL) });
}

unsafe fn lock_common(
    lock: *mut ww_mutex,
    ctx: *mut ww_acquire_ctx,
    state: c_uint,
    at: &'static Location<'static>,
) -> c_int {
    let well = may_sleep();
    // SAFETY: The caller says that both are valid. What is of the queue is done under its lock.
    unsafe {
        if !ctx.is_null() && (*lock).ctx.load(Relaxed) == ctx {
            return -(EALREADY as c_int);
        }
        heals(ctx);
        let (addr, how) = (lock.addr(), nested(How::sleeping(well, 0), ctx));
        (*lock).dep_map.acquire(addr, What::Mutex, how, at);
        let queue = addr_of_mut!((*lock).wait_lock);
        let flags = spin_lock_irqsave(queue);
        let ret = match take(lock, ctx, true, at) {
            true => 0,
            false => wait(lock, ctx, state, flags, at),
        };
        spin_unlock_irqrestore(queue, flags);
        if ret != 0 {
            (*lock).dep_map.release(addr, What::Mutex);
        }
        ret
    }
}

/// Takes the mutex if it is free. If others may be queued, they are told if they have to wait for
/// this one.
///
/// # Safety
///
/// The queue's lock is held.
unsafe fn take(
    lock: *mut ww_mutex,
    ctx: *mut ww_acquire_ctx,
    stolen: bool,
    at: &'static Location<'static>,
) -> bool {
    // SAFETY: Both are valid, and the lock held: the caller's guarantees.
    unsafe {
        if (*lock).locked.load(Relaxed) {
            return false;
        }
        // What was done under it before came before the release of the queue's lock.
        (*lock).locked.store(true, Relaxed);
        blocked::acquired(known(lock), at);
        if !ctx.is_null() {
            acquired(lock, ctx);
            if stolen {
                check_waiters(lock, ctx);
            }
        }
        true
    }
}

/// The task has the mutex, under the context.
#[track_caller]
unsafe fn acquired(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) {
    // SAFETY: Both are valid, and the task's: the caller's guarantees.
    unsafe {
        #[cfg(feature = "debug")]
        {
            let debug = &mut (*ctx).debug;
            WARN_ON!(debug.done_acquire);
            if !debug.contending_lock.is_null() {
                // Another one than that which -EDEADLK was returned for.
                WARN_ON!(debug.contending_lock != lock);
                // Not all was released before.
                WARN_ON!((*ctx).acquired > 0);
                debug.contending_lock = null_mut();
            }
            let wrong_class = !debug.first_lock_dep_map.is_as(&(*lock).dep_map);
            WARN_ON!(wrong_class);
        }
        (*ctx).acquired += 1;
        (*lock).ctx.store(ctx, Relaxed);
    }
}

/// Queues the task until it has the mutex or may not wait for it. The queue's lock is released
/// meanwhile.
///
/// # Safety
///
/// The queue's lock is held, with those flags; `lock` and `ctx` are valid.
unsafe fn wait(
    lock: *mut ww_mutex,
    ctx: *mut ww_acquire_ctx,
    state: c_uint,
    mut flags: usize,
    at: &'static Location<'static>,
) -> c_int {
    let _waits = blocked::waiting(known(lock));
    let mut waiter = Waiter {
        list: list_head::new(),
        // SAFETY: It has no preconditions.
        task: unsafe { get_current() },
        ctx,
    };
    let this = &raw mut waiter;
    // SAFETY: The caller's guarantees; the waiter is off the queue before it goes.
    unsafe {
        let queue = addr_of_mut!((*lock).wait_lock);
        let ret = add_waiter(lock, this);
        if ret != 0 {
            return ret;
        }
        let ret = loop {
            set_current_state(state);
            let first = ptr::eq((*lock).waiters.next, this.cast());
            // Where waiters die, the younger ones were woken when this one was queued.
            let tell = !first && !ctx.is_null() && (*ctx).is_wait_die == 0;
            if take(lock, ctx, tell, at) {
                break 0;
            }
            if state == TASK_INTERRUPTIBLE && signal_pending((*this).task) != 0 {
                break -(EINTR as c_int);
            }
            let ret = check_kill(lock, this);
            if ret != 0 {
                break ret;
            }
            spin_unlock_irqrestore(queue, flags);
            for_a_mutex(|| schedule());
            flags = spin_lock_irqsave(queue);
        };
        list_del_init(this.cast());
        set_current_state(TASK_RUNNING);
        ret
    }
}

/// True if `a` is the younger.
unsafe fn younger(a: *mut ww_acquire_ctx, b: *mut ww_acquire_ctx) -> bool {
    // SAFETY: Both live: the caller's guarantee.
    unsafe { (*a).stamp.wrapping_sub((*b).stamp).cast_signed() > 0 }
}

/// The nearest waiter in front of `from` that has a context, from the end of the queue if `from` is its
/// head; null if there is none.
unsafe fn before(lock: *mut ww_mutex, mut from: *mut list_head) -> *mut Waiter {
    // SAFETY: The queue's lock is held: the caller's guarantee. What is queued is a `Waiter`.
    unsafe {
        let head = addr_of_mut!((*lock).waiters);
        loop {
            from = (*from).prev;
            let waiter: *mut Waiter = from.cast();
            match from == head {
                true => return null_mut(),
                false if (*waiter).ctx.is_null() => {}
                false => return waiter,
            }
        }
    }
}

/// Queues it; -EDEADLK if it has to die instead. Others learn that it waits as well.
unsafe fn add_waiter(lock: *mut ww_mutex, waiter: *mut Waiter) -> c_int {
    // SAFETY: The queue's lock is held: the caller's guarantee. So those queued live, and the holder.
    unsafe {
        let (ctx, head) = ((*waiter).ctx, addr_of_mut!((*lock).waiters));
        if ctx.is_null() {
            list_add_tail(waiter.cast(), head);
            return 0;
        }
        let mut next = head;
        loop {
            let other = before(lock, next);
            if other.is_null() {
                break;
            }
            if younger(ctx, (*other).ctx) {
                if (*ctx).is_wait_die != 0 {
                    let ret = kill(lock, ctx);
                    if ret != 0 {
                        return ret;
                    }
                }
                break;
            }
            next = other.cast();
            die(other, ctx);
        }
        list_add_tail(waiter.cast(), next);
        if (*ctx).is_wait_die == 0 {
            wound(ctx, (*lock).ctx.load(Relaxed));
        }
        0
    }
}

/// The task has the mutex, maybe before older ones that are queued: these die or wound it.
unsafe fn check_waiters(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) {
    // SAFETY: The queue's lock is held: the caller's guarantee. So those queued live.
    unsafe {
        let head = addr_of_mut!((*lock).waiters);
        let mut link = (*head).next;
        while link != head {
            let waiter: *mut Waiter = link.cast();
            link = (*link).next;
            let of = (*waiter).ctx;
            if !of.is_null() && of != ctx && (die(waiter, ctx) || wound(of, ctx)) {
                break;
            }
        }
    }
}

/// Wakes a waiter that holds locks and is younger than `ctx`, so that it dies; false if the class
/// knows no such thing.
unsafe fn die(waiter: *mut Waiter, ctx: *mut ww_acquire_ctx) -> bool {
    // SAFETY: The queue's lock is held: the caller's guarantee. So the waiter lives.
    unsafe {
        let dies = (*ctx).is_wait_die != 0;
        if dies && (*(*waiter).ctx).acquired > 0 && younger((*waiter).ctx, ctx) {
            wake((*waiter).task);
        }
        dies
    }
}

/// Wounds the holder if it is younger than `ctx`, which waits and holds locks; true if so.
unsafe fn wound(ctx: *mut ww_acquire_ctx, holder: *mut ww_acquire_ctx) -> bool {
    // SAFETY: The queue's lock is held: the caller's guarantee. So the holder's context lives, and its
    // task.
    unsafe {
        if holder.is_null() || (*ctx).acquired == 0 || !younger(holder, ctx) {
            return false;
        }
        // Seen by a task that is woken, or looks before it sleeps: `set_current_state()` comes first.
        (*holder).wounded.store(1, Relaxed);
        if (*holder).task != get_current() {
            wake((*holder).task);
        }
        true
    }
}

/// -EDEADLK for a context that holds locks.
unsafe fn kill(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int {
    // SAFETY: It is the task's: the caller's guarantee.
    unsafe {
        if (*ctx).acquired == 0 {
            return 0;
        }
        #[cfg(feature = "debug")]
        {
            WARN_ON!(!(*ctx).debug.contending_lock.is_null());
            (*ctx).debug.contending_lock = lock;
        }
        let _ = lock;
        -(EDEADLK as c_int)
    }
}

/// -EDEADLK if the task may not wait any longer.
unsafe fn check_kill(lock: *mut ww_mutex, waiter: *mut Waiter) -> c_int {
    // SAFETY: The queue's lock is held: the caller's guarantee. So the holder's context lives.
    unsafe {
        let ctx = (*waiter).ctx;
        if ctx.is_null() || (*ctx).acquired == 0 {
            return 0;
        }
        let dies = if (*ctx).is_wait_die == 0 {
            (*ctx).wounded.load(Relaxed) != 0
        } else {
            let holder = (*lock).ctx.load(Relaxed);
            !holder.is_null() && younger(ctx, holder) || !before(lock, waiter.cast()).is_null()
        };
        match dies {
            true => kill(lock, ctx),
            false => 0,
        }
    }
}
