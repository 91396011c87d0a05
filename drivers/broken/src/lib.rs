// SPDX-License-Identifier: GPL-2.0-only
//! Drivers that break a rule of the contract if `wrong`, and keep it otherwise.
//!
//! No type can keep these rules: all of this is safe code. The rule's page in Documentation/rules/
//! has the report.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

dma_fence::examples! {
    "drivers/broken/src":
    unload_after_detach = "unload-after-detach";
    signal_eventually = "signal-eventually";
    callback_atomic = "callback-atomic";
    signalling_section = "signalling-section";
    not_before_done = "not-before-done";
    context_order = "context-order";
    nothing_after_remove = "nothing-after-remove";
    rcu_no_sleep = "rcu-no-sleep";
    lock_order = "lock-order";
    irq_lock_order = "irq-lock-order";
    lock_context = "lock-context";
}

use ::dma_fence::{FenceContext, FenceContextOps, Progress, ProgressOp};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic},
        Arc,
    },
};

/// Fences without data and ops.
struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

/// The timeline of a ring.
fn timeline() -> Result<Arc<FenceContext<Ops>>> {
    let timeline = FenceContext::new(1, c"broken", c"ring0", Ops);
    Arc::pin_init(timeline, GFP_KERNEL)
}

/// The register in which a ring counts the jobs that it has done.
struct Register(Atomic<u32>);

impl FenceContextOps for Register {
    type FenceDataType = ();
    const SEQNO64: bool = false;
    const PROGRESS: Option<ProgressOp<Self>> = Some(|fence| {
        let completed = fence.context().data().0.load(Acquire);
        Some(Progress::of_32_bits(completed, fence.seqno() as u32))
    });
}

/// The timeline of a ring with such a register, which is about to wrap around.
fn ring() -> Result<Arc<FenceContext<Register>>> {
    let register = Register(Atomic::new(u32::MAX - 1));
    let ring = FenceContext::new(u64::from(u32::MAX), c"broken", c"ring0", register);
    Arc::pin_init(ring, GFP_KERNEL)
}
