// SPDX-License-Identifier: GPL-2.0-only
//! A process whose first call is wrong.
#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use dma_fence::bindings::dma_fence_context_alloc;
use kernel::testing::report::reports_of;

#[test]
fn a_warning_before_any_fence_names_the_driver() {
    // SAFETY: It has no preconditions.
    let (reports, _) = reports_of(|| unsafe { dma_fence_context_alloc(0) });
    let first = reports[0].text.lines().next().unwrap_or_default();
    let driver = "WARNING: dma-fence/tests/first_call.rs:";
    assert!(first.starts_with(driver), "{first}");
}
