// SPDX-License-Identifier: GPL-2.0-only
//! What else breaks a rule, beside the drivers of the pages; and what looks like it and does not.

extern crate std;

mod callbacks;
mod freed;
mod pending;
mod polled;
mod whole;

use crate::exporter::{job, Timeline};
use ::dma_fence::bindings::{dma_fence, dma_fence_put, dma_fence_signal};
use std::{
    string::{String, ToString as _},
    vec::Vec,
};

use kernel::{bindings::synchronize_rcu, testing::report::reports_of};

/// Runs `body` in a machine of its own; what was reported: the rules, and the first lines.
fn reported(body: impl FnOnce() + Send) -> Vec<(&'static str, String)> {
    kernel::testing::console::set_loglevel(0);
    let (reports, _) = reports_of(body);
    let first = |text: &str| text.lines().next().unwrap_or_default().to_string();
    reports
        .iter()
        .map(|report| (report.rule, first(&report.text)))
        .collect()
}

/// Fails unless `body` is silent.
fn silent(body: impl FnOnce() + Send) {
    assert_eq!(reported(body), []);
}

/// Fails unless one report of `rule` says `what`.
fn broken(rule: &str, what: &str, body: impl FnOnce() + Send) {
    let reports = reported(body);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].0, rule);
    assert!(reports[0].1.contains(what), "{reports:?}");
}

/// Has `body` do something with the fence of a job that is pending; it signals the fence, drops the
/// reference and frees the timeline, unless it does so itself.
fn with_job(body: impl FnOnce(*mut Timeline, *mut dma_fence)) {
    let timeline = Timeline::new().unwrap();
    let fence = job(timeline, 1).unwrap();
    body(timeline, fence);
}

/// Ends what [`with_job`] has begun.
fn finish(timeline: *mut Timeline, fence: *mut dma_fence) {
    // SAFETY: The reference and the timeline are the caller's.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
        synchronize_rcu();
        Timeline::free(timeline);
    }
}

/// A fence that was not created where it is used.
fn elsewhere(timeline: *mut Timeline) -> *mut dma_fence {
    job(timeline, 1).unwrap()
}
