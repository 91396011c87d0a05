// SPDX-License-Identifier: GPL-2.0-only
//! Grace periods of threads that run freely.
//!
//! Grace periods are numbered. A reader whose outermost section begins stores the number of the
//! current one in its word, and 0 when the section ends. A grace period is over for us when
//! every word is 0 or younger than the number that we have ended.
//!
//! The reader's store may be as late as it likes:
//!
//! - If it comes before our first heavy barrier, our scan reads it and waits.
//! - If it comes after, so do the reader's loads, and these see what the updater unpublished
//!   before. We need not wait.
//! - If the reader took an old number and stored it only now, it counts as older than it is,
//!   and an updater waits for it in vain, but never too short.
//!
//! Since numbers have 64 bits and are never used again, one pass is enough; no second phase has
//! to tell a reader of this grace period from one of the next but one.

use super::{poll, request::rcu_order};
use crate::{debug::splat::splat, KERN_ERR};
use core::{
    fmt::{self, Write as _},
    panic::Location,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use machine::{
    atomic::{planted, quiet},
    barrier, clock, cpu, location,
    report_log::Text,
};

machine::global! {
    /// The current grace period; 0 would mean "quiescent" in a reader's word.
    static CURRENT: quiet::AtomicU64 = quiet::AtomicU64::new(1);
}

/// The number that a section which begins now stores.
#[inline(always)]
pub(in super::super) fn current() -> u64 {
    CURRENT.load(Relaxed)
}

/// The time after which a grace period's readers are named (ns), as in Linux by default.
static STALL: AtomicU64 = AtomicU64::new(21 * 1_000_000_000);

/// Sets the time after which a grace period's readers are named (ns); returns the old one.
pub fn set_stall_timeout(ns: u64) -> u64 {
    STALL.swap(ns, Relaxed)
}

/// The time after which a grace period's readers are named (ns).
pub(super) fn patience() -> u64 {
    STALL.load(Relaxed)
}

/// The time (ns), which goes on where virtual time does not.
pub(super) fn now() -> u64 {
    clock::host_monotonic().unsigned_abs()
}

/// A section, as far as a debug kernel knows of it.
pub(super) struct Holder<'a> {
    pub(super) reader: Option<&'a cpu::Reader>,
    pub(super) at: Option<&'static Location<'static>>,
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "a read-side section entered at {}", location::at(at))?,
            None => f.write_str("a section")?,
        }
        if let Some(reader) = self.reader {
            f.write_str(" by task ")?;
            reader.write_task(f)?;
        }
        Ok(())
    }
}

/// Names the section that holds up a grace period of `kind` for so long (ns).
#[cold]
pub(super) fn stalled(kind: &str, holder: &Holder<'_>, waited: u64) {
    let seconds = waited / 1_000_000_000;
    // Those of one section are one.
    let mut at = Text::new();
    if let Some(entered) = holder.at {
        // Writing to a string does not fail.
        let _ = write!(at, "{}", location::at(entered));
    }
    splat(
        KERN_ERR,
        &at,
        format_args!("{kind}: INFO: stall: {holder} holds up a grace period for {seconds} s"),
        format_args!(""),
    );
}

/// Waits until every section that was open at the call has been closed.
///
/// Several callers may wait at the same time, each for a number of its own.
pub(super) fn wait() {
    // Before the barrier: see `poll::cookie()`.
    let number = rcu_order();
    // Orders the caller's accesses before the scan; pairs with the barrier in `Cpu::enter()`.
    if !planted("scan") {
        barrier::heavy();
    }
    // Ordered by the barriers: a reader that takes the new number has its barrier after ours.
    let ended = CURRENT.fetch_add(1, Relaxed);
    let start = now();
    let mut patience = patience();
    cpu::for_each_reader(|reader| {
        let mut tries = 0;
        while (1..=ended).contains(&reader.grace_period()) {
            barrier::back_off(&mut tries);
            let waited = now().saturating_sub(start);
            if waited >= patience {
                let (at, reader) = (reader.at(), Some(reader));
                stalled("rcu", &Holder { reader, at }, waited);
                patience = patience.saturating_mul(2);
            }
        }
    });
    // What readers did in the sections that have ended comes before what the caller does next, also
    // where the scan has read the number of a later section; pairs with the light barrier in
    // `Cpu::exit()`.
    barrier::heavy();
    poll::ended(number);
}
