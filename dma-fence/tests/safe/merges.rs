// SPDX-License-Identifier: GPL-2.0-only
//! What is made of others, taken apart and merged.

use super::{issued, raw, refs};
use dma_fence::{
    bindings, merge,
    testing::{context, expect_no_report, Plain},
    Fence, FenceArray, Ktime, Unwrap,
};
use kernel::prelude::*;
use static_assertions::assert_impl_all;
use std::vec::Vec;

assert_impl_all!(Unwrap: Send, Sync, Iterator);

/// The context and the number of each fence in this one, in order.
fn inside(fence: &Fence) -> Vec<(u64, u64)> {
    let mut inside: Vec<_> = fence.unwrap().map(|f| (f.context(), f.seqno())).collect();
    inside.sort_unstable();
    inside
}

fn time(fence: &Fence) -> Option<i64> {
    fence.timestamp().map(Ktime::as_nanos)
}

#[test]
fn the_latest_of_each_context_is_kept() {
    expect_no_report(|| {
        let timelines = [context(Plain)?, context(Plain)?, context(Plain)?];
        let (mut all, mut fences) = (Vec::new(), Vec::new());
        for timeline in &timelines {
            let (issued, of_one) = issued(timeline, 4)?;
            all.extend(issued);
            fences.push(of_one);
        }
        let [a, b, c] = &fences[..] else {
            return Err(EINVAL);
        };
        let array = FenceArray::new(&[&b[2], &a[1], &b[0]])?;
        let heads: [&Fence; 6] = [&a[2], &array, &c[3], &a[0], &a[2], &b[1]];
        let merged = merge(&heads)?;
        let latest = [&a[2], &b[2], &c[3]].map(|f| (f.context(), f.seqno()));
        assert_eq!(inside(&merged), latest);
        // Merged once more with what is in it, nothing is new.
        let again = merge(&[&merged, &a[1], &merged])?;
        assert_eq!(inside(&again), latest);
        // An earlier fence is not left out for a later one that has signalled.
        let (done, pending): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|issued| issued.as_fence().seqno() == 9);
        done.into_iter().for_each(|issued| issued.signal(Ok(())));
        let left = [&a[1], &b[1], &c[3]].map(|f| (f.context(), f.seqno()));
        let rest = merge(&[&merged, &a[1], &b[1]])?;
        assert_eq!(inside(&rest), left);
        pending.into_iter().for_each(|issued| issued.signal(Ok(())));
        Ok(())
    });
}

#[test]
fn what_is_alone_is_not_put_into_an_array() -> Result {
    let (mut issued, fences) = issued(&context(Plain)?, 3)?;
    let (stub, array) = (Fence::stub(), FenceArray::new(&refs(&fences))?);
    let alone = |heads: &[&Fence]| merge(heads).map(|merged| raw(&merged));
    assert_eq!(alone(&[&fences[0]]), Ok(raw(&fences[0])));
    assert_eq!(alone(&[&stub, &fences[0], &stub]), Ok(raw(&fences[0])));
    assert_eq!(alone(&[&array, &fences[1]]), Ok(raw(&fences[2])));
    issued.drain(1..).for_each(|issued| issued.signal(Ok(())));
    assert_eq!(alone(&[&array, &stub]), Ok(raw(&fences[0])));
    issued.into_iter().for_each(|issued| issued.signal(Ok(())));
    Ok(())
}

#[test]
fn where_nothing_is_left_the_last_signal_counts() -> Result {
    let stub = |ns| Fence::private_stub(Ktime::from_nanos(ns));
    let (a, b, c) = (stub(30)?, stub(70)?, stub(50)?);
    let array = FenceArray::new(&[&b, &a])?;
    let merges: [(&[&Fence], i64); 4] =
        [(&[], 0), (&[&a], 30), (&[&c, &array], 70), (&[&a, &c], 50)];
    // Each has its own time, and keeps it.
    let stubs = merges.map(|(fences, _)| merge(fences));
    for (stub, (_, ns)) in stubs.into_iter().zip(merges) {
        let stub = stub?;
        assert_eq!((stub.status(), time(&stub)), (Some(Ok(())), Some(ns)));
    }
    Ok(())
}

#[test]
fn a_walk_shows_what_has_signalled_too() -> Result {
    let (mut issued, fences) = issued(&context(Plain)?, 3)?;
    let array = FenceArray::new(&refs(&fences))?;
    issued.remove(1).signal(Err(EIO));
    let states: Vec<_> = array.unwrap().map(|fence| fence.status()).collect();
    assert_eq!(states, [None, Some(Err(EIO)), None]);
    issued.into_iter().for_each(|issued| issued.signal(Ok(())));
    assert_eq!(
        array.unwrap().filter(|fence| fence.is_signaled()).count(),
        3
    );
    Ok(())
}

#[test]
fn a_walk_may_end_early() {
    // A reference that is left would be reported.
    expect_no_report(|| {
        let (issued, fences) = issued(&context(Plain)?, 3)?;
        let array = FenceArray::new(&refs(&fences))?;
        let mut walk = array.unwrap();
        drop(array.unwrap());
        let first = walk.next();
        assert_eq!(first.as_deref().map(raw), Some(raw(&fences[0])));
        drop((walk, array));
        issued.into_iter().for_each(|issued| issued.signal(Ok(())));
        assert_eq!(first.and_then(|first| first.status()), Some(Ok(())));
        Ok(())
    });
}

#[test]
fn of_none_none_are_kept() {
    // SAFETY: There are none.
    let kept = unsafe { bindings::dma_fence_dedup_array(core::ptr::null_mut(), 0) };
    assert_eq!(kept, 0);
}
