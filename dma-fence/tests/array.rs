// SPDX-License-Identifier: GPL-2.0-only
//! Arrays: what the contract asks of them, and what it does not.

use ::dma_fence::{
    bindings::{self as c, dma_fence},
    testing::{context, expect_no_report, issue_arc, Plain},
    Fence,
};
use core::{mem::forget, ptr::NonNull};
use kernel::{
    bindings::kmalloc_objs,
    prelude::*,
    sync::aref::ARef,
    time::{delay::fsleep, Delta},
    workqueue,
};

/// An array of these.
fn array<const N: usize>(fences: [&ARef<Fence>; N]) -> ARef<Fence> {
    // SAFETY: Each fence becomes a reference of the array, in memory of its own.
    unsafe {
        let members: *mut *mut dma_fence = kmalloc_objs(N, kernel::bindings::GFP_KERNEL);
        for (n, fence) in fences.into_iter().enumerate() {
            let fence = ARef::into_raw(fence.clone());
            members.add(n).write(fence.as_ptr().cast());
        }
        let context = c::dma_fence_context_alloc(1);
        let array = c::dma_fence_array_create(N as i32, members, context, 1);
        ARef::from_raw(NonNull::new(array.cast()).unwrap())
    }
}

#[test]
fn an_array_goes_as_soon_as_it_is_not_needed() {
    expect_no_report(|| {
        let timeline = context(Plain)?;
        for enabled in [false, true] {
            let (a, fa) = issue_arc(&timeline)?;
            let (b, fb) = issue_arc(&timeline)?;
            let array = array([&fa, &fb]);
            if enabled {
                array.enable_signaling();
            }
            assert_eq!(array.status(), None);
            a.signal(Ok(()));
            b.signal(Err(EIO));
            // An array that was not asked does not look for errors.
            let error = if enabled { Err(EIO) } else { Ok(()) };
            assert_eq!(array.status(), Some(error));
            // What it has of its members is freed here, without a grace period.
            drop(array);
        }
        Ok(())
    });
}

#[test]
fn an_array_that_nothing_asks_for_need_not_signal() {
    expect_no_report(|| {
        let (issued, fence) = issue_arc(&context(Plain)?)?;
        // Another task may know of it.
        drop(array([&fence]).clone());
        issued.signal(Ok(()));
        Ok(())
    });
}

#[test]
fn an_array_is_waited_for() {
    expect_no_report(|| {
        let timeline = context(Plain)?;
        let (a, fa) = issue_arc(&timeline)?;
        let (b, fb) = issue_arc(&timeline)?;
        let array = array([&fb, &fa]);
        let signals = move || {
            a.signal(Ok(()));
            fsleep(Delta::from_millis(100));
            b.signal(Ok(()));
        };
        workqueue::system().try_spawn(GFP_KERNEL, signals)?;
        assert_eq!(array.wait_timeout(1000), Some(975));
        Ok(())
    });
}

/// The rules that are said to be broken, and by fences of which context.
#[cfg(all(feature = "debug", not(any(loom, tsan))))]
fn broken(driver: impl FnOnce() -> Result + Send + 'static) -> std::vec::Vec<(String, bool)> {
    let (reports, end) = kernel::testing::report::reports_of(driver);
    assert_eq!(end, Ok(Ok(())));
    let broken = reports.iter().map(|report| {
        let timeline = report.text.contains("(driver:timeline)");
        (report.rule.to_string(), timeline)
    });
    broken.collect()
}

#[test]
#[cfg(all(feature = "debug", not(any(loom, tsan))))]
fn an_array_that_is_left_is_reported_unless_its_members_are_to_blame() {
    let left = |of_the_driver| ("reference-left".to_string(), of_the_driver);
    let said = broken(|| {
        let (issued, fence) = issue_arc(&context(Plain)?)?;
        forget(array([&fence]));
        issued.signal(Ok(()));
        Ok(())
    });
    assert_eq!(said, [left(true), left(false)]);
    let said = broken(|| {
        let (issued, fence) = issue_arc(&context(Plain)?)?;
        array([&fence]).enable_signaling();
        forget(issued);
        Ok(())
    });
    assert_eq!(said, [("signal-eventually".to_string(), true)]);
}
