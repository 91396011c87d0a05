// SPDX-License-Identifier: GPL-2.0-only
//! Grace periods that are polled.
//!
//! Grace periods and requests for them are numbered by one counter ([`rcu_order`]): one that has
//! begun after a request was made has the greater number.

use super::{
    callbacks,
    request::{self, rcu_order},
    synchronize_rcu,
};
use crate::{ffi::c_ulong, globals};
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use machine::{
    atomic::{fence, planted, quiet},
    task,
};

/// The cookie of a grace period that has ended already.
pub(super) const COMPLETED: u64 = 1;

/// How far the grace periods of a machine are.
pub(crate) struct Progress {
    /// The greatest number of one that has ended.
    completed: quiet::AtomicU64,
    /// The greatest number of a request that no callback waits for.
    needed: AtomicU64,
    /// How many have ended.
    ended: AtomicU64,
}

impl Progress {
    machine::const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                completed: quiet::AtomicU64::new(COMPLETED),
                needed: AtomicU64::new(0),
                ended: AtomicU64::new(0),
            }
        }
    }

    /// True if a grace period has ended that began after the request of this number; then the caller
    /// sees what was done in the sections that it has waited for.
    pub(super) fn has_completed(&self, number: u64) -> bool {
        // Pairs with the `Release` in `ended()`.
        self.completed.load(Acquire) > number
    }

    /// True if a grace period is needed.
    pub(super) fn is_needed(&self) -> bool {
        !self.has_completed(self.needed.load(Relaxed))
    }
}

/// The grace period of this number has ended.
pub(super) fn ended(number: u64) {
    globals::with(|globals| {
        globals.progress.ended.fetch_add(1, Relaxed);
        // Pairs with the `Acquire` in `has_completed()`.
        globals.progress.completed.fetch_max(number, Release);
    });
}

/// A number that is smaller than that of any grace period which begins later.
pub(super) fn cookie() -> u64 {
    // A grace period takes its number before its first heavy barrier. So one of a greater number
    // has that after this fence, and what its readers do not see of what was done before this, it
    // waits for. The partners are `gp::wait()` and `srcu::Data::advance()`.
    if !planted("cookie") {
        fence(SeqCst);
    }
    rcu_order()
}

/// The cookie of a grace period that has ended already.
pub const fn get_completed_synchronize_rcu() -> c_ulong {
    COMPLETED as c_ulong
}

/// Returns a cookie for [`poll_state_synchronize_rcu`], but has no grace period begin. From any
/// context.
pub unsafe fn get_state_synchronize_rcu() -> c_ulong {
    cookie() as c_ulong
}

/// As [`get_state_synchronize_rcu`], and has a grace period begin.
pub unsafe fn start_poll_synchronize_rcu() -> c_ulong {
    let cookie = cookie();
    globals::with(|globals| globals.progress.needed.fetch_max(cookie, Relaxed));
    callbacks::kick();
    cookie as c_ulong
}

/// As [`start_poll_synchronize_rcu`]; here every grace period is as fast as it can be.
pub unsafe fn start_poll_synchronize_rcu_expedited() -> c_ulong {
    // SAFETY: The function has no preconditions.
    unsafe { start_poll_synchronize_rcu() }
}

/// True if a grace period of this machine has begun and ended since it returned `oldstate`. From any
/// context.
pub unsafe fn poll_state_synchronize_rcu(oldstate: c_ulong) -> bool {
    task::point();
    let oldstate = oldstate as u64;
    let over =
        oldstate == COMPLETED || globals::with(|globals| globals.progress.has_completed(oldstate));
    if over {
        request::over(oldstate);
    }
    over
}

/// Waits for a grace period, unless one has begun and ended since it returned `oldstate`. May
/// sleep.
#[track_caller]
pub unsafe fn cond_synchronize_rcu(oldstate: c_ulong) {
    // SAFETY: The functions have no preconditions.
    unsafe {
        if !poll_state_synchronize_rcu(oldstate) {
            synchronize_rcu();
        }
    }
}

/// As [`cond_synchronize_rcu`]; here every grace period is as fast as it can be.
#[track_caller]
pub unsafe fn cond_synchronize_rcu_expedited(oldstate: c_ulong) {
    // SAFETY: The function has no preconditions.
    unsafe { cond_synchronize_rcu(oldstate) }
}

/// True if two cookies are of the same state.
pub const fn same_state_synchronize_rcu(oldstate1: c_ulong, oldstate2: c_ulong) -> bool {
    oldstate1 == oldstate2
}

/// A cookie for both kinds of grace periods, normal and expedited, which are one here.
///
/// C: `struct rcu_gp_seq`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rcu_gp_seq {
    /// That of the normal kind.
    pub norm: c_ulong,
    /// That of the expedited kind.
    pub exp: c_ulong,
}

/// Sets `rgosp` to the cookie of a grace period that has ended already.
pub unsafe fn get_completed_synchronize_rcu_full(rgosp: *mut rcu_gp_seq) {
    let norm = get_completed_synchronize_rcu();
    // SAFETY: `rgosp` is valid for writes: the caller's guarantee.
    unsafe { rgosp.write(rcu_gp_seq { norm, exp: norm }) };
}

/// Sets `rgosp` to what [`get_state_synchronize_rcu`] returns.
pub unsafe fn get_state_synchronize_rcu_full(rgosp: *mut rcu_gp_seq) {
    let norm = cookie() as c_ulong;
    // SAFETY: `rgosp` is valid for writes: the caller's guarantee.
    unsafe { rgosp.write(rcu_gp_seq { norm, exp: norm }) };
}

/// Sets `rgosp` to what [`start_poll_synchronize_rcu`] returns.
pub unsafe fn start_poll_synchronize_rcu_full(rgosp: *mut rcu_gp_seq) {
    // SAFETY: `rgosp` is valid for writes: the caller's guarantee.
    unsafe {
        get_state_synchronize_rcu_full(rgosp);
        start_poll_synchronize_rcu();
    }
}

/// As [`poll_state_synchronize_rcu`].
pub unsafe fn poll_state_synchronize_rcu_full(rgosp: *mut rcu_gp_seq) -> bool {
    // SAFETY: `rgosp` is valid: the caller's guarantee.
    unsafe { poll_state_synchronize_rcu((*rgosp).norm) }
}

/// As [`cond_synchronize_rcu`].
#[track_caller]
pub unsafe fn cond_synchronize_rcu_full(rgosp: *mut rcu_gp_seq) {
    // SAFETY: `rgosp` is valid: the caller's guarantee.
    unsafe { cond_synchronize_rcu((*rgosp).norm) };
}

/// The number of grace periods of this machine that have ended, times 4 as in Linux.
pub unsafe fn rcu_get_gp_seq() -> c_ulong {
    (globals::with(|globals| globals.progress.ended.load(Relaxed)) as c_ulong) << 2
}
