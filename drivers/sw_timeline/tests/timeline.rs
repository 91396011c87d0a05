// SPDX-License-Identifier: GPL-2.0-only
//! The software timeline, as a program uses it.

#![forbid(unsafe_code)]

use dma_fence::{
    bindings::__tracepoint_dma_fence_signaled, testing::register, Fence, FenceCallback, Ktime,
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, rcu, Arc},
    testing::{self, insmod, trace},
};
use std::vec::Vec;
use sw_timeline::{SwTimeline, Timeline};

fn states(fences: &[ARef<Fence>]) -> Vec<Option<Result>> {
    fences.iter().map(|fence| fence.status()).collect()
}

fn fences(timeline: &Arc<Timeline>, values: &[u32]) -> Result<Vec<ARef<Fence>>> {
    values.iter().map(|&value| timeline.fence(value)).collect()
}

const OK: Option<Result> = Some(Ok(()));

#[test]
fn advancing_signals_what_is_due() -> Result {
    let timeline = Timeline::new(c"render")?;
    let fences = fences(&timeline, &[3, 1, 2, 5])?;
    timeline.advance(2);
    assert_eq!(timeline.value(), 2);
    assert_eq!(states(&fences), [None, OK, OK, None]);
    timeline.advance(1);
    assert_eq!(states(&fences), [OK, OK, OK, None]);
    timeline.advance(u32::MAX);
    assert_eq!(timeline.value(), 2);
    assert_eq!(states(&fences), [OK; 4]);
    Ok(())
}

#[test]
fn fences_signal_in_the_order_of_their_values() -> Result {
    let recording = trace::record(&__tracepoint_dma_fence_signaled)?;
    let timeline = Timeline::new(c"in-order")?;
    let _fences = fences(&timeline, &[4, 2, 9, 1, 7])?;
    timeline.advance(5);
    timeline.close();
    drop(recording);
    let mut order = Vec::new();
    trace::take(|event| {
        // Other tests signal as well.
        if let Some((_, seqno)) = event.split_once("timeline=in-order ") {
            order.push(seqno.rsplit('=').next().unwrap_or_default().to_string());
        }
    });
    assert_eq!(order, ["1", "2", "4", "7", "9"]);
    Ok(())
}

#[test]
fn values_compare_with_wraparound() -> Result {
    let timeline = Timeline::new(c"wrap")?;
    timeline.advance(u32::MAX - 1);
    let fences = fences(&timeline, &[u32::MAX, 0, 1, u32::MAX - 2])?;
    assert_eq!(states(&fences), [None, None, None, OK]);
    timeline.advance(2);
    assert_eq!(states(&fences), [OK, OK, None, OK]);
    Ok(())
}

#[test]
fn a_long_advance_jumps_over_nothing() -> Result {
    let timeline = Timeline::new(c"long")?;
    let fences = fences(&timeline, &[1, i32::MAX as u32])?;
    timeline.advance(u32::MAX);
    assert_eq!(states(&fences), [OK; 2]);
    Ok(())
}

#[test]
fn one_fence_for_a_value() -> Result {
    let timeline = Timeline::new(c"shared")?;
    let (one, same) = (timeline.fence(5)?, timeline.fence(5)?);
    assert!(core::ptr::eq(&*one, &*same));
    timeline.advance(5);
    assert!(!core::ptr::eq(&*one, &*timeline.fence(5)?));
    Ok(())
}

#[test]
fn what_was_reached_has_signalled() -> Result {
    let timeline = Timeline::new(c"reached")?;
    timeline.advance(10);
    assert_eq!(states(&fences(&timeline, &[10, 9, 0])?), [OK; 3]);
    Ok(())
}

#[test]
fn closing_signals_the_rest_with_an_error() -> Result {
    let timeline = Timeline::new(c"closed")?;
    let fences = fences(&timeline, &[1, 2])?;
    timeline.advance(1);
    timeline.close();
    assert_eq!(states(&fences), [OK, Some(Err(ENOENT))]);
    assert_eq!(timeline.fence(3).err(), Some(ENOENT));
    Ok(())
}

#[test]
fn dropping_it_closes_it() -> Result {
    let timeline = Timeline::new(c"dropped")?;
    let fences = fences(&timeline, &[1, 2, 3])?;
    drop(timeline);
    assert_eq!(states(&fences), [Some(Err(ENOENT)); 3]);
    Ok(())
}

/// Advances a timeline when the fence that it is registered on signals.
struct Advance(Arc<Timeline>, u32);

impl FenceCallback for Advance {
    fn on_signal(&mut self) {
        self.0.advance(self.1);
    }
}

#[test]
fn a_callback_may_come_back() -> Result {
    for by in [2, u32::MAX] {
        let timeline = Timeline::new(c"again")?;
        let fences = fences(&timeline, &[1, 3])?;
        let registration = register(&fences[0], Advance(timeline.clone(), by))?;
        timeline.advance(1);
        assert_eq!(states(&fences), [OK; 2], "advanced by {by}");
        drop(registration);
    }
    Ok(())
}

#[test]
fn the_soonest_deadline_counts() -> Result {
    let timeline = Timeline::new(c"deadlines")?;
    let fence = timeline.fence(3)?;
    assert_eq!(timeline.deadline(3), None);
    for ns in [50, 70, 20, 60] {
        fence.set_deadline(Ktime::from_nanos(ns));
    }
    assert_eq!(timeline.deadline(3), Some(Ktime::from_nanos(20)));
    assert_eq!(timeline.deadline(4), None);
    timeline.advance(3);
    // Too late: the driver is not asked any more.
    fence.set_deadline(Ktime::from_nanos(1));
    assert_eq!(timeline.deadline(3), None);
    Ok(())
}

/// The nodes of trees that are looked at for each of so many fences, when they are made and when
/// they signal.
#[cfg(feature = "debug")]
fn visited(count: u32) -> Result<[u64; 2]> {
    use kernel::bindings::rb_visited;

    let timeline = Timeline::new(c"many")?;
    let begin = rb_visited();
    let values: Vec<u32> = (1..=count).rev().collect();
    let fences = fences(&timeline, &values)?;
    let made = rb_visited();
    (1..count).for_each(|_| timeline.advance(1));
    assert_eq!(states(&fences)[..2], [None, OK]);
    timeline.advance(1);
    assert_eq!(states(&fences)[0], OK);
    Ok([made - begin, rb_visited() - made].map(|all| all / u64::from(count)))
}

/// Not with the number of those that are pending, but with its logarithm.
#[cfg(feature = "debug")]
#[test]
fn what_a_fence_costs_grows_slowly() -> Result {
    for (count, most) in [(100, 20), (10_000, 40)] {
        let visited = visited(count)?;
        assert!(visited.iter().all(|n| *n < most), "{visited:?} of {count}");
    }
    Ok(())
}

#[test]
fn the_module_loads_once_and_has_names() -> Result {
    let driver = insmod::<SwTimeline>()?;
    assert_eq!(insmod::<SwTimeline>().err(), Some(EEXIST));
    assert_eq!(testing::loaded_modules(), 1);
    let fence = driver.timeline(c"display")?.fence(1)?;
    assert_eq!(fence.status(), Some(Err(ENOENT)));
    let timeline = driver.timeline(c"display")?;
    let fence = timeline.fence(1)?;
    let guard = rcu::read_lock();
    assert_eq!(fence.driver_name(&guard), c"sw_sync");
    assert_eq!(fence.timeline_name(&guard), c"display");
    drop(guard);
    drop(timeline);
    drop(driver);
    assert_eq!(testing::loaded_modules(), 0);
    Ok(())
}
