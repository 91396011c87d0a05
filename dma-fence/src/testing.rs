// SPDX-License-Identifier: GPL-2.0-only
//! Userspace only: the rules, drivers that break them, and listening to all fences.
//!
//! [`RULES`] are the rules of the contract; [their pages](../../../book/rules/index.html) say why
//! each is there and how it is kept.

pub mod buffer;
mod example;
mod graph;
mod listen;
mod mistake;
mod plain;
pub mod sync;
mod workload;

pub use super::contract::rules::{Check, ContractRule, Kept, RULES};

/// Returns how many fences of this machine the checks of the contract track: those that live, and a
/// few that were freed.
pub fn known_fences() -> usize {
    super::contract::known()
}

/// Sets for how long a fence may be pending, 120 seconds at first, before that breaks rule
/// [signal-eventually](../../../book/rules/signal-eventually.html); for ever with `None`, where programs
/// signal fences, when they like. Linux: the sysctl `hung_task_timeout_secs`.
///
/// # Examples
///
/// ```
/// use dma_fence::testing::{context, issue, set_pending_limit, Plain};
/// use kernel::{prelude::*, testing::vcpu, time::{delay::fsleep, Delta}};
///
/// let slow = || {
///     let context = context(Plain)?;
///     let (job, _fence) = issue(&context)?;
///     fsleep(Delta::from_millis(200_000));
///     job.signal(Ok(()));
///     Ok::<(), Error>(())
/// };
/// set_pending_limit(Some(Delta::from_millis(300_000)));
/// assert_eq!(vcpu::fifo(slow), Ok(Ok(())));
/// set_pending_limit(None);
/// assert_eq!(vcpu::fifo(slow), Ok(Ok(())));
/// # Ok::<(), Error>(())
/// ```
pub fn set_pending_limit(limit: Option<kernel::time::Delta>) {
    super::contract::set_pending_limit(limit);
}

pub use self::{
    example::{expect_no_report, judge, Example},
    graph::{graph, Seen},
    listen::{listen, Event, Kind, Listener, Listening, EVENTS},
    mistake::Mistake,
    plain::{context, issue, issue_arc, register, Plain, Registered},
    workload::{trace_fences, workload},
};
