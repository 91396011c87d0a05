// SPDX-License-Identifier: GPL-2.0-only
//! What is made of others, taken apart and merged.

use super::{issued, raw, refs};
use dma_fence::{
    bindings, merge,
    testing::{context, expect_no_report, Plain},
    Fence, FenceArray, Ktime, Unwrap,
};
use kernel::{ffi::c_char, prelude::*};
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

/// Linux's order, also where there is none: of fences that are equal, or in a circle.
#[test]
fn many_are_sorted_as_few_are() {
    extern "C" fn name(_: *mut bindings::dma_fence) -> *const c_char {
        c"dedup".as_char_ptr()
    }
    static OPS: bindings::dma_fence_ops = bindings::dma_fence_ops {
        get_driver_name: Some(name),
        get_timeline_name: Some(name),
        ..pin_init::zeroed()
    };
    const COUNT: usize = 200;
    let later = |a, b| {
        // SAFETY: Both are initialised below.
        unsafe { bindings::dma_fence_is_later(a, b) }
    };
    let compare = |&a: &*mut bindings::dma_fence, &b: &*mut bindings::dma_fence| {
        // SAFETY: Both are initialised below.
        let [of_a, of_b] = [a, b].map(|fence| unsafe { bindings::dma_fence_context(fence) });
        let in_context = || i32::from(later(b, a)) - i32::from(later(a, b));
        of_a.cmp(&of_b) as i32 | if of_a == of_b { in_context() } else { 0 }
    };
    // Contexts, and numbers: at random, of a few, near to each other, and some with 64 bits.
    for (contexts, step, wide) in [
        (u64::MAX, 1, 0),
        (7, 1, 0),
        (7, 1, 3),
        (1, 0x0100_0000, 0),
        (1, 0x0300_0000, 0),
        (20, 0x5555_5555, 0),
        (3, 0, 0),
    ] {
        let mut random = 1_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random >> 33
        };
        let mut fences = std::vec::Vec::new();
        fences.resize_with(COUNT, bindings::dma_fence::default);
        let mut sorted = std::vec::Vec::new();
        for (n, fence) in fences.iter_mut().enumerate() {
            let (context, number) = (next() % contexts, n as u64 * step);
            let init = if wide != 0 && next() % wide == 0 {
                bindings::dma_fence_init64
            } else {
                bindings::dma_fence_init
            };
            // SAFETY: The fence stays where it is, and the ops are static. The other references are those
            // that are dropped.
            unsafe {
                init(fence, &OPS, core::ptr::null_mut(), context, number);
                for _ in 0..2 {
                    bindings::dma_fence_get(fence);
                }
            }
            let at = next() as usize % (sorted.len() + 1);
            sorted.insert(at, core::ptr::from_mut(fence));
            if n % 50 == 0 {
                // The same again.
                sorted.push(fence);
            }
        }
        let mut kept = sorted.clone();
        // SAFETY: As many references are there.
        let count = unsafe { bindings::dma_fence_dedup_array(kept.as_mut_ptr(), kept.len()) };
        kept.truncate(count);
        kernel::bindings::sort(&mut sorted, compare);
        // SAFETY: All are initialised.
        sorted.dedup_by_key(|fence| unsafe { bindings::dma_fence_context(*fence) });
        assert_eq!(kept, sorted, "{contexts} contexts, numbers {step} apart");
        for fence in &mut fences {
            // SAFETY: It is not used any more.
            unsafe { bindings::dma_fence_signal(fence) };
        }
    }
}
