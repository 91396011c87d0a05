// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that drivers have made and mended in public, each reduced to one function of safe code.
//!
//! A line that is to be named by what tells of the mistake ends with the word BUG.

mod decoder;
mod nested;

mod happened {
    pub(super) mod context;
    pub(super) mod early;
    pub(super) mod lost;
}

use crate::ring;
use dma_fence::{testing::judge, FenceContext};
use happened::{context, early, lost};
use kernel::{error::Result, sync::atomic::Release};

dma_fence::mistakes! {
    "tests/happened":
    context::lock_of_callbacks_with_interrupts_on, "irq-lock-order";
    context::allocation_in_the_signalling_section, "signalling-section";
    context::timeline_dropped_in_a_callback, "synchronize_rcu";
    lost::armed_job_in_a_cycle, "signal-eventually";
    lost::failure_after_the_point_of_no_return, "signal-eventually";
    lost::frame_that_never_comes, "signal-eventually";
    lost::register_put_back_at_resume, "signal-eventually";
    lost::reset_that_drops_the_guilty, "signal-eventually";
    lost::rollover_never_reached, "signal-eventually";
    lost::watchdog_that_loses_the_job, "signal-eventually";
    // What a driver's own lists, numbers and results mean.
    early::earlier_fence_that_replaces_a_later;
    early::kill_that_forgets_a_dependency;
    early::merge_that_counts_too_few;
    early::reset_that_completes_what_was_submitted;
}

dma_fence::mistakes! {
    "tests":
    nested::completion_after_the_fence, "lock-order";
    nested::completion_in_the_signalling_section, "signalling-section";
    nested::completion_that_is_waited_for, "waits for";
    nested::mutex_in_the_signalling_section, "signalling-section";
    nested::reader_that_sleeps, "waits for";
    nested::signal_under_the_lock_of_the_ring, "lock-order";
    nested::work_that_a_callback_queues, "callback-atomic";
}

/// A resume puts a number into the register that it was beyond.
fn register_that_goes_back(wrong: bool) -> Result {
    let ring = ring()?;
    for completed in [3, if wrong { 2 } else { 3 }] {
        let job = FenceContext::new_arc_fence_allocation(&ring, ())?.new_fence();
        ring.data().0.store(completed, Release);
        job.signal(Ok(()));
    }
    Ok(())
}

#[test]
fn hardware_does_not_go_back() {
    judge(
        "not-before-done",
        &["hardware that went back"],
        register_that_goes_back,
    );
}
