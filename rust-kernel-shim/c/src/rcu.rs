// SPDX-License-Identifier: GPL-2.0-only
//! Read-copy-update.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! Readers pay next to nothing: a store to a word of their own thread and a barrier for the
//! compiler. An updater that waits for a grace period pays with a system call that is a barrier for
//! all ([`gp`]). Callbacks wait for one in batches ([`callbacks`]).

mod callbacks;
mod gp;
#[cfg(all(test, loom))]
mod model;
mod poll;
mod request;
mod section;
mod srcu;

use super::{complete, completion, init_completion, may_sleep, wait_for, MAX_SCHEDULE_TIMEOUT};
use crate::{
    ffi::{c_int, c_void},
    globals, lockdep_map, Globals, WARN,
};
use core::{
    fmt,
    mem::MaybeUninit,
    ptr::addr_of_mut,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};
use machine::{
    atomic::planted,
    blocked::{Thing, KINDS},
    cpu::{self, Count},
    task,
};

pub use callbacks::start as rcu_start;
pub(super) use callbacks::Callbacks;
pub(super) use gp::current as current_grace_period;
pub use gp::set_stall_timeout as rcu_set_stall_timeout;
pub(super) use poll::Progress;
pub use poll::*;
pub(super) use request::{
    head_freed as rcu_head_freed, show_left as rcu_show_left, Kind, QUEUED as RCU_QUEUED,
};
pub use request::{
    rcu_callback_request, rcu_order, rcu_order_last, rcu_order_passed, rcu_order_progress, Request,
};
#[cfg(feature = "debug")]
pub(super) use section::{no_sleep as rcu_no_sleep, sleep_breaks_a_rule};
pub use section::{rcu_last_section, rcu_section, Section, RCU_NO_SLEEP};
pub(super) use srcu::Domains;
pub use srcu::*;

/// A pointer that readers follow while updaters replace it.
///
/// C: `T __rcu *`.
pub use machine::atomic::AtomicPtr as rcu_pointer;

/// The argument of [`call_rcu`], inside the object that is to be freed.
///
/// C: `struct rcu_head`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct callback_head {
    /// RCU's own.
    pub next: *mut callback_head,
    /// The function that is called after the grace period.
    pub func: rcu_callback_t,
}

impl Default for callback_head {
    fn default() -> Self {
        Self {
            next: core::ptr::null_mut(),
            func: None,
        }
    }
}

/// C: `rcu_callback_t`.
pub type rcu_callback_t = Option<unsafe extern "C" fn(head: *mut callback_head)>;

/// Begins a read-side section; they nest. From any context.
///
/// # Safety
///
/// The same thread calls [`rcu_read_unlock`] as often.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn rcu_read_lock() {
    cpu::with(|cpu| cpu.enter(Count::Rcu, gp::current));
    #[cfg(feature = "debug")]
    section::begins(core::panic::Location::caller());
    task::point();
}

/// Ends a read-side section.
///
/// # Safety
///
/// The thread is in one, and uses nothing of it any more.
#[inline]
pub unsafe fn rcu_read_unlock() {
    if !cpu::with(|cpu| cpu.exit(Count::Rcu)) {
        WARN!(true, "rcu_read_unlock() without rcu_read_lock()");
    }
    task::point();
}

/// 1 inside a section that [`rcu_read_lock`] began; those of other kinds do not count.
#[inline]
pub unsafe fn rcu_read_lock_held() -> c_int {
    cpu::with(|cpu| cpu.open(Count::Rcu) != 0).into()
}

/// Held in a section that [`rcu_read_lock`] began: it takes no part in the order of locks, in Linux
/// neither, since a reader waits for nothing.
pub static rcu_lock_map: lockdep_map = lockdep_map::of_readers(c"rcu_read_lock", || {
    cpu::with(|cpu| cpu.open(Count::Rcu) != 0)
});

/// Held while a callback of RCU runs.
pub static rcu_callback_map: lockdep_map =
    lockdep_map::of_readers(c"rcu_callback", callbacks::running);

/// Publishes `v`: a reader that finds it sees what was written before. From any context.
///
/// C: `rcu_assign_pointer()`.
#[inline]
pub fn rcu_assign_pointer<T>(p: &rcu_pointer<T>, v: *mut T) {
    // Pairs with the `Acquire` in `rcu_access_pointer()`.
    p.store(v, if planted("publish") { Relaxed } else { Release });
}

/// Reads a pointer that is published, for use inside the section; a debug kernel warns outside of one
/// that [`rcu_read_lock`] began. From any context.
///
/// C: `rcu_dereference()`.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub fn rcu_dereference<T>(p: &rcu_pointer<T>) -> *mut T {
    if cfg!(feature = "debug") && cpu::with(|cpu| cpu.open(Count::Rcu) == 0) {
        WARN!(true, "suspicious rcu_dereference() usage");
    }
    rcu_access_pointer(p)
}

/// As [`rcu_dereference`], for an updater or a domain of its own, of whose sections it knows nothing.
///
/// C: `rcu_dereference_raw()`, `rcu_access_pointer()`.
#[inline]
pub fn rcu_access_pointer<T>(p: &rcu_pointer<T>) -> *mut T {
    // `Acquire` for C's `consume`, which Rust does not have; pairs with the `Release` in
    // `rcu_assign_pointer()`.
    p.load(Acquire)
}

/// Ends the machine if this is an RCU callback. Those that are queued behind it, and what waits
/// for one of these, would wait forever.
#[track_caller]
fn not_from_a_callback(function: &str) {
    if callbacks::running() {
        let queued = fmt::from_fn(|f| match rcu_callback_request() {
            Some(request) => write!(f, " queued at {}", request.site),
            None => Ok(()),
        });
        machine::end(format_args!(
            "{function}() in an RCU callback{queued}, whose end it would wait for"
        ));
    }
}

/// Waits until every section that was open at the call has been closed. May sleep.
///
/// Inside a section it would wait for itself, forever; in an RCU callback, that is a BUG.
#[track_caller]
pub unsafe fn synchronize_rcu() {
    not_from_a_callback("synchronize_rcu");
    may_sleep();
    let stamp = request::rcu_order();
    if globals::with(Globals::has_vcpu) {
        // SAFETY: As in `wait_for_callback()`.
        unsafe {
            wait_by(Thing::GRACE_PERIOD, |head, func| {
                callbacks::queue_waiter(head, func)
            })
        }
    } else {
        gp::wait()
    }
    request::over(stamp);
}

/// As [`synchronize_rcu`]; here every grace period is as fast as it can be.
#[track_caller]
pub unsafe fn synchronize_rcu_expedited() {
    // SAFETY: `synchronize_rcu()` has no preconditions.
    unsafe { synchronize_rcu() }
}

/// Calls `func` with `head` after a grace period. From any context.
///
/// Returns at once, unless about 10,000 callbacks wait and the caller may sleep: then it waits for these.
///
/// # Safety
///
/// `head` is valid until then, and on no other list; `func` may be called with it.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn call_rcu(head: *mut callback_head, func: rcu_callback_t) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { call(head, func, Kind::Call) };
}

/// # Safety
///
/// As [`call_rcu`].
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn call(head: *mut callback_head, func: rcu_callback_t, kind: Kind) {
    if request::queued(head, core::panic::Location::caller(), kind) {
        // SAFETY: The caller's guarantees are the same.
        unsafe { callbacks::queue(head, func) };
        hold_back();
    }
}

/// Callbacks that may wait before those who queue more have to wait as well: `qhimark`.
const MANY: usize = 10_000;

/// Waits for the callbacks if there are too many, and the task may wait: it holds nothing that a
/// section or a callback could wait for.
#[track_caller]
fn hold_back() {
    let many = globals::with(|globals| !globals.has_vcpu() && globals.callbacks.length() > MANY);
    // A task that is about to sleep for something else would miss its wake-up.
    if many
        && cpu::with(|cpu| !cpu.cannot_sleep() && cpu.open(Count::Rcu) == 0)
        && !task::current().is_blocked()
        && !crate::debug::call::in_call()
    {
        wait_for_callback(CALLBACKS);
    }
}

/// What waits for callbacks waits for.
const CALLBACKS: Thing = Thing::new("RCU callbacks", (KINDS + 6, 0));

/// True if an RCU callback that a task of this machine has queued has not returned. From any
/// context.
pub fn rcu_callbacks_pending() -> bool {
    globals::with(|globals| globals.callbacks.pending())
}

/// Waits until every callback queued so far has been called; at once if there is none.
///
/// This is no grace period: with nothing queued, readers may still be where they were. May sleep.
/// Not inside a section, and not in an RCU callback, as [`synchronize_rcu`].
#[track_caller]
pub unsafe fn rcu_barrier() {
    not_from_a_callback("rcu_barrier");
    may_sleep();
    if rcu_callbacks_pending() {
        // Callbacks are called in the order in which they were queued.
        wait_for_callback(CALLBACKS);
    }
}

#[repr(C)]
struct Waiter {
    head: callback_head,
    completion: completion,
}

/// # Safety
///
/// `head` is that of a [`Waiter`] that waits.
unsafe extern "C" fn wake_waiter(head: *mut callback_head) {
    let waiter: *mut Waiter = head.cast();
    // SAFETY: `head` is the first member of a `Waiter` that lives until it is completed.
    unsafe { complete(addr_of_mut!((*waiter).completion)) };
}

/// Waits for a callback of its own, which is no request for a grace period.
#[track_caller]
fn wait_for_callback(thing: Thing) {
    // SAFETY: The head is valid until the callback is called, and on no other list.
    unsafe {
        wait_by(thing, |head, func| {
            callbacks::queue(head, func);
            callbacks::kick();
        });
    }
}

/// Waits for a callback of its own, which `queue` queues; for `thing`, as far as reports know.
///
/// # Safety
///
/// `queue` has the callback called once, with the head.
#[track_caller]
unsafe fn wait_by(thing: Thing, queue: impl FnOnce(*mut callback_head, rcu_callback_t)) {
    let mut waiter = MaybeUninit::<Waiter>::uninit();
    let waiter = waiter.as_mut_ptr();
    // SAFETY: `waiter` lives until the callback completes it, which is its last access.
    unsafe {
        init_completion(addr_of_mut!((*waiter).completion));
        queue(addr_of_mut!((*waiter).head), Some(wake_waiter));
        wait_for(
            addr_of_mut!((*waiter).completion),
            MAX_SCHEDULE_TIMEOUT,
            thing,
        );
    }
}

/// Frees the block that has `head` at `OFFSET`, after a grace period; for
/// [`kfree_rcu!`](crate::kfree_rcu).
///
/// # Safety
///
/// It does, the block comes from `kmalloc()` and friends, and no reader finds it any more.
#[doc(hidden)]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn kvfree_call_rcu<const OFFSET: usize>(head: *mut callback_head) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { call(head, Some(kfree_rcu_cb::<OFFSET>), Kind::Free) };
}

/// # Safety
///
/// As [`kvfree_call_rcu`]; and the block is not used any more.
unsafe extern "C" fn kfree_rcu_cb<const OFFSET: usize>(head: *mut callback_head) {
    // SAFETY: The block begins `OFFSET` bytes before `head`, and is not used: the caller's
    // guarantee.
    unsafe { super::kfree(head.byte_sub(OFFSET).cast::<c_void>()) }
}

/// A block that is to be freed, of which nothing may be overwritten until then.
#[repr(C)]
struct Doomed {
    head: callback_head,
    block: *const c_void,
}

/// # Safety
///
/// `head` is that of a [`Doomed`], whose block is not used any more.
unsafe extern "C" fn kfree_doomed(head: *mut callback_head) {
    let doomed: *mut Doomed = head.cast();
    // SAFETY: Both come from `kmalloc()`, and are not used: the caller's guarantee.
    unsafe {
        super::kfree((*doomed).block);
        super::kfree(doomed.cast());
    }
}

/// Frees a block after a grace period; it needs no [`callback_head`]. May sleep: it waits for the
/// grace period itself if there is no memory.
///
/// C: `kfree_rcu_mightsleep()`.
///
/// # Safety
///
/// `ptr` is null or comes from `kmalloc()` and friends, and no reader finds it any more.
#[track_caller]
pub unsafe fn kfree_rcu_mightsleep(ptr: *const c_void) {
    may_sleep();
    // SAFETY: `kmalloc_obj()` has no preconditions; what it has allocated is `Doomed`'s. No reader
    // that has not found the block already finds it: the caller's guarantee.
    unsafe {
        let doomed: *mut Doomed = super::kmalloc_obj(super::GFP_KERNEL);
        if doomed.is_null() {
            synchronize_rcu();
            return super::kfree(ptr);
        }
        (*doomed).block = ptr;
        call(addr_of_mut!((*doomed).head), Some(kfree_doomed), Kind::Free);
    }
}

/// Waits until all blocks have been freed that were given to `kfree_rcu()` so far. May sleep; not in
/// an RCU callback.
///
/// In Linux [`rcu_barrier`] does not wait for these; here it does.
#[track_caller]
pub unsafe fn kvfree_rcu_barrier() {
    // SAFETY: `rcu_barrier()` has no preconditions.
    unsafe { rcu_barrier() }
}

/// Frees `$ptr` after a grace period, which it shares with all that wait for one; `$field` is its [`callback_head`]. From any context.
///
/// # Safety
///
/// `$ptr` comes from `kmalloc()` and friends, and no reader finds it that has not found it already.
#[doc(hidden)]
#[macro_export]
macro_rules! kfree_rcu {
    ($ptr:expr, $Type:ty, $($field:tt)+) => {
        $crate::kvfree_call_rcu::<{ ::core::mem::offset_of!($Type, $($field)+) }>(
            ::core::ptr::addr_of_mut!((*$ptr).$($field)+).cast::<$crate::callback_head>(),
        )
    };
}
