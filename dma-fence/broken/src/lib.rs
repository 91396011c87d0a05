// SPDX-License-Identifier: GPL-2.0-only
//! Drivers on the C API that break a rule of the contract if `wrong`, and keep it otherwise.
//!
//! The safe API has no way to write these. The rule's page in Documentation/rules/ has the report.

#![no_std]

mod exporter;
#[cfg(test)]
mod tests;

dma_fence::examples! {
    "dma-fence/broken/src":
    names_in_one_rcu_section = "names-in-one-rcu-section";
    grace_period_before_free = "grace-period-before-free";
    no_driver_data_after_signal = "no-driver-data-after-signal";
    extern_lock_outlives = "extern-lock-outlives";
    error_before_signal = "error-before-signal";
    release_signalled = "release-signalled";
    callback_once = "callback-once";
    signaled_monotonic = "signaled-monotonic";
    compare_same_context = "compare-same-context";
    no_nested_containers = "no-nested-containers";
    resv_reserve_first = "resv-reserve-first";
    refcount = "refcount";
    reference_left = "reference-left";
    active_object_freed = "active-object-freed";
}
