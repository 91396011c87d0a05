// SPDX-License-Identifier: GPL-2.0-only
//! Arrays of fences.

use super::{issued, raw, refs};
use dma_fence::{
    bindings,
    testing::{context, expect_no_report, issue_arc, Plain},
    Fence, FenceArray, FenceArrayAllocation,
};
use kernel::{
    prelude::*,
    time::{delay::fsleep, Delta},
    workqueue,
};
use static_assertions::assert_impl_all;

assert_impl_all!(FenceArray: Send, Sync);
assert_impl_all!(FenceArrayAllocation: Send, Sync);

#[test]
fn an_array_goes_as_soon_as_it_is_not_needed() {
    expect_no_report(|| {
        let timeline = context(Plain)?;
        for enabled in [false, true] {
            let (a, fa) = issue_arc(&timeline)?;
            let (b, fb) = issue_arc(&timeline)?;
            let array = FenceArray::new(&[&fa, &fb])?;
            if enabled {
                array.enable_signaling();
            }
            assert_eq!(array.status(), None);
            a.signal(Ok(()));
            b.signal(Err(EIO));
            // An array that was not asked does not look for errors.
            let error = enabled.then_some(EIO);
            assert_eq!(array.status(), Some(error.map_or(Ok(()), Err)));
            assert_eq!(array.error(), error);
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
        drop(FenceArray::new(&[&fence])?.clone());
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
        let array = FenceArray::new(&[&fb, &fa])?;
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

#[test]
fn the_first_member_that_fails_is_the_error() -> Result {
    let timeline = context(Plain)?;
    let (issued, fences) = issued(&timeline, 3)?;
    let array = FenceArray::new(&refs(&fences))?;
    array.enable_signaling();
    let results = [Ok(()), Err(EIO), Err(ETIME)];
    for (issued, result) in issued.into_iter().zip(results) {
        issued.signal(result);
    }
    assert_eq!(array.status(), Some(Err(EIO)));
    Ok(())
}

/// Until it signals, an array has an error of its own, which is no error number.
#[test]
fn the_error_of_an_array_that_is_pending_is_never_seen() -> Result {
    let timeline = context(Plain)?;
    // Looked at, without its signal being wanted; wanted before its member signals, and after.
    for wanted in [None, Some(true), Some(false)] {
        let (issued, fence) = issue_arc(&timeline)?;
        let array = FenceArray::new(&[&fence])?;
        let want = |when| (wanted == Some(when)).then(|| array.enable_signaling());
        want(true);
        assert_eq!((array.status(), array.error()), (None, None));
        issued.signal(Ok(()));
        want(false);
        assert_eq!(array.status(), Some(Ok(())));
        // SAFETY: The fence is valid.
        assert_eq!(unsafe { bindings::dma_fence_error(raw(&array)) }, 0);
    }
    Ok(())
}

#[test]
fn members_are_those_that_were_given() -> Result {
    let (timeline, other) = (context(Plain)?, context(Plain)?);
    let (mut issued, mut fences) = self::issued(&timeline, 2)?;
    let array = FenceArray::new(&refs(&fences))?;
    assert!(array.members().map(raw).eq(fences.iter().map(|f| raw(f))));
    assert!(array.match_context(fences[0].context()));
    assert!(!array.match_context(array.context()));
    // The same one may be there twice.
    let (last, fence) = issue_arc(&other)?;
    issued.push(last);
    fences.extend([fence.clone(), fence]);
    let mixed = FenceArray::new(&refs(&fences))?;
    assert_eq!(mixed.members().count(), 4);
    assert!(!mixed.match_context(fences[0].context()));
    assert!(fences[0].match_context(fences[0].context()));
    // What it is, a fence knows.
    let fence = FenceArray::into_fence(mixed);
    assert_eq!(
        fence.as_array().map(|array| array.members().count()),
        Some(4)
    );
    assert!(fences[0].as_array().is_none() && Fence::stub().as_array().is_none());
    issued.into_iter().for_each(|issued| issued.signal(Ok(())));
    assert_eq!([array.status(), fence.status()], [Some(Ok(())); 2]);
    assert!(fence.as_array().is_some());
    Ok(())
}

#[test]
fn what_is_no_array_is_refused() -> Result {
    let stub = Fence::stub();
    let array = FenceArray::new(&[&stub])?;
    for fences in [&[][..], &[&**array], &[&stub, &array]] {
        assert_eq!(FenceArray::new(fences).err(), Some(EINVAL));
    }
    let memory = || FenceArrayAllocation::new(2);
    assert!(memory()?.new_array(&[&stub]).is_ok());
    assert!(memory()?.new_array(&[&stub, &stub]).is_ok());
    assert_eq!(memory()?.new_array(&[&*stub; 3]).err(), Some(EINVAL));
    assert_eq!(FenceArrayAllocation::new(usize::MAX).err(), Some(EINVAL));
    Ok(())
}

/// The rules that are said to be broken, and whether by fences of the driver.
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
    use core::mem::forget;
    let left = |of_the_driver| ("reference-left".to_string(), of_the_driver);
    let said = broken(|| {
        let (issued, fence) = issue_arc(&context(Plain)?)?;
        forget(FenceArray::new(&[&fence])?);
        issued.signal(Ok(()));
        Ok(())
    });
    assert_eq!(said, [left(true), left(false)]);
    let said = broken(|| {
        let (issued, fence) = issue_arc(&context(Plain)?)?;
        FenceArray::new(&[&fence])?.enable_signaling();
        forget(issued);
        Ok(())
    });
    assert_eq!(said, [("signal-eventually".to_string(), true)]);
}
