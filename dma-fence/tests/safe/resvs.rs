// SPDX-License-Identifier: GPL-2.0-only
//! Reservation objects.
#![cfg_attr(not(feature = "debug"), allow(unused_imports))]

use super::{issued, raw};
use dma_fence::{
    testing::{context, expect_no_report, issue_arc, Plain},
    DmaResv, DmaResvFences, DmaResvGuard, DmaResvSlot, DmaResvUsage, Fence, FenceArray,
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        rcu, Arc, Completion,
    },
    testing::{expect_bug, memory::fail_nth, spawn, vcpu, Explorer},
    time::{delay::fsleep, Delta},
    workqueue,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use DmaResvUsage::{Bookkeep, Kernel, Read, Write};

assert_impl_all!(DmaResv: Send, Sync);
assert_not_impl_any!(DmaResvGuard<'_>: Send);
assert_not_impl_any!(DmaResvSlot<'_, '_>: Send);
assert_not_impl_any!(DmaResvFences<'_>: Clone);

fn resv() -> Result<Arc<DmaResv>> {
    Arc::pin_init(DmaResv::new(), GFP_KERNEL)
}

fn add(resv: &DmaResv, fence: &Fence, usage: DmaResvUsage) -> Result {
    resv.lock().reserve_one()?.add(fence, usage);
    Ok(())
}

#[test]
fn readers_with_the_lock_and_without_it() {
    expect_no_report(|| {
        let resv = resv()?;
        let (mut issuers, fences) = (std::vec::Vec::new(), [Kernel, Write, Read, Bookkeep]);
        for usage in fences {
            let (issuer, fence) = issue_arc(&context(Plain)?)?;
            add(&resv, &fence, usage)?;
            issuers.push(issuer);
        }
        issuers.remove(1).signal(Ok(()));
        let locked = |usage| -> std::vec::Vec<_> {
            let guard = resv.lock();
            let found = guard.fences(usage).map(|(_, usage)| usage);
            found.collect()
        };
        assert_eq!(locked(Read), [Kernel, Write, Read]);
        let mut restarted = std::vec::Vec::new();
        let unlocked = resv.fences(Bookkeep).map(|found| {
            restarted.push(found.restarted);
            (found.fence.is_signaled(), found.usage)
        });
        let unlocked: std::vec::Vec<_> = unlocked.collect();
        assert_eq!(
            unlocked,
            [Kernel, Read, Bookkeep].map(|usage| (false, usage))
        );
        assert_eq!(restarted, [true, false, false]);
        assert_eq!(resv.pending(Read)?.len(), 2);
        let mut first = resv.fences(Kernel);
        assert!(first.next().is_some() && first.next().is_none() && first.next().is_none());
        assert!(!resv.is_signaled(Kernel));
        issuers.into_iter().for_each(|issuer| issuer.signal(Ok(())));
        assert!(resv.is_signaled(Bookkeep) && resv.pending(Bookkeep)?.is_empty());
        assert_eq!(resv.fences(Bookkeep).count(), 0);
        Ok(())
    });
}

/// A fence that is found has one reference more, which goes with what was found and not with the reading.
#[test]
fn what_is_found_is_the_finders() {
    expect_no_report(|| {
        let resv = resv()?;
        let mut issuers = std::vec::Vec::new();
        for _ in 0..2 {
            let (issuer, fence) = issue_arc(&context(Plain)?)?;
            add(&resv, &fence, Read)?;
            issuers.push((issuer, fence, 0));
        }
        issuers
            .iter_mut()
            .for_each(|(_, fence, count)| *count = fence.references());
        let more = || [0, 1].map(|n: usize| issuers[n].1.references() - issuers[n].2);

        let mut reader = resv.fences(Read);
        let first = reader.next();
        assert_eq!(more(), [1, 0]);
        let second = reader.next();
        assert_eq!(more(), [1, 1]);
        assert!(reader.next().is_none() && reader.next().is_none());
        drop(reader);
        assert_eq!(more(), [1, 1]);
        drop(first);
        assert_eq!(more(), [0, 1]);

        let mut left = resv.fences(Read);
        assert!(left.next().is_some());
        core::mem::forget(left);
        assert_eq!(more(), [0, 1]);

        let mut anew = resv.fences(Read);
        let found = anew.next();
        assert_eq!(resv.lock().reserve(16).map(drop), Ok(()));
        let again = anew.next();
        assert!(again.as_ref().is_some_and(|found| found.restarted));
        assert_eq!(more(), [2, 1]);
        drop((anew, found, again, second));
        assert_eq!(more(), [0, 0]);
        issuers
            .into_iter()
            .for_each(|(issuer, ..)| issuer.signal(Ok(())));
        Ok(())
    });
}

#[test]
fn slots_are_used_once() {
    expect_no_report(|| {
        let (resv, mut all) = (resv()?, std::vec::Vec::new());
        let mut guard = resv.lock();
        assert_eq!(guard.reserve(0).err(), Some(EINVAL));
        assert_eq!(guard.reserve(u32::MAX).err(), Some(ENOMEM));
        let mut slots = guard.reserve(2)?;
        while let Some(slot) = slots.slot() {
            let (issuer, fence) = issue_arc(&context(Plain)?)?;
            slot.add(&fence, Read);
            all.push(issuer);
        }
        assert_eq!((all.len(), slots.fences(Bookkeep).count()), (2, 2));
        drop(guard);
        all.into_iter().for_each(|issuer| issuer.signal(Ok(())));
        Ok(())
    });
}

#[test]
fn a_fence_takes_the_place_of_others() {
    expect_no_report(|| {
        let timeline = context(Plain)?;
        let (mut issuers, fences) = issued(&timeline, 3)?;
        let (resv, other) = (resv()?, resv()?);
        add(&resv, &fences[0], Write)?;
        add(&resv, &fences[1], Write)?;
        let list = |resv: &DmaResv| -> std::vec::Vec<_> {
            let guard = resv.lock();
            let all = guard
                .fences(Bookkeep)
                .map(|(fence, usage)| (raw(fence), usage));
            all.collect()
        };
        // A later one of the same context.
        assert_eq!(list(&resv), [(raw(&fences[1]), Write)]);
        resv.lock().replace(fences[0].context(), &fences[2], Kernel);
        assert_eq!(list(&resv), [(raw(&fences[2]), Kernel)]);
        other.lock().copy_from(&resv)?;
        assert_eq!(list(&other), list(&resv));
        issuers.drain(..).for_each(|issuer| issuer.signal(Ok(())));
        other.lock().copy_from(&resv)?;
        assert_eq!(list(&other), []);
        Ok(())
    });
}

#[test]
fn one_fence_for_all() {
    expect_no_report(|| {
        let resv = resv()?;
        assert!(resv.singleton(Bookkeep)?.is_none());
        let [(a, fa), (b, fb)] = [issue_arc(&context(Plain)?)?, issue_arc(&context(Plain)?)?];
        add(&resv, &fa, Write)?;
        add(&resv, &fb, Read)?;
        assert_eq!(
            resv.singleton(Write)?.map(|fence| raw(&fence)),
            Some(raw(&fa))
        );
        let both = resv.singleton(Read)?.ok_or(EINVAL)?;
        assert!(both.as_array().is_some());
        a.signal(Ok(()));
        b.signal(Ok(()));
        assert_eq!(both.status(), Some(Ok(())));
        Ok(())
    });
}

#[test]
fn what_is_made_of_others_is_not_to_be_added() -> Result {
    let (issuer, fence) = issue_arc(&context(Plain)?)?;
    let (resv, array) = (resv()?, FenceArray::new(&[&fence])?);
    expect_bug("dma_fence_is_container", || add(&resv, &array, Read))?;
    issuer.signal(Ok(()));
    Ok(())
}

#[test]
fn all_are_waited_for() {
    expect_no_report(|| {
        let resv = resv()?;
        let [(a, fa), (b, fb)] = [issue_arc(&context(Plain)?)?, issue_arc(&context(Plain)?)?];
        add(&resv, &fa, Write)?;
        add(&resv, &fb, Read)?;
        assert_eq!(resv.wait_timeout(Kernel, 7), Some(7));
        assert_eq!(resv.wait_timeout(Write, 7), None);
        assert_eq!(resv.wait_interruptible_timeout(Write, 0), Ok(None));
        let signals = move || {
            fsleep(Delta::from_millis(100));
            a.signal(Ok(()));
            fsleep(Delta::from_millis(100));
            b.signal(Ok(()));
        };
        workqueue::system().try_spawn(GFP_KERNEL, signals)?;
        assert_eq!(resv.wait_timeout(Write, 1000), Some(975));
        resv.wait(Bookkeep);
        assert!(fb.is_signaled());
        Ok(())
    });
}

#[test]
fn many_are_locked_in_any_order() {
    expect_no_report(|| {
        let [a, b, c] = [resv()?, resv()?, resv()?];
        let guards = DmaResv::lock_all(&[&b, &a, &b, &c, &a])?;
        let is =
            |guard: &DmaResvGuard<'_>, resv: &DmaResv| core::ptr::eq::<DmaResv>(&**guard, resv);
        assert_eq!(guards.len(), 3);
        assert!(is(&guards[0], &b) && is(&guards[1], &a) && is(&guards[2], &c));
        assert!(a.try_lock().is_none());
        drop(guards);
        assert!(a.try_lock().is_some());
        assert_eq!(DmaResv::lock_all(&[])?.len(), 0);
        Ok(())
    });
}

/// Guards of which one outlives the others keep what all were locked under.
#[test]
fn a_guard_may_be_kept_for_longer() {
    expect_no_report(|| {
        let [a, b] = [resv()?, resv()?];
        let mut guards = DmaResv::lock_all(&[&a, &b])?;
        let last = guards.pop();
        drop(guards);
        assert!(a.try_lock().is_some() && b.try_lock().is_none());
        drop(last);
        assert!(b.try_lock().is_some());
        Ok(())
    });
}

/// In every schedule of two tasks both get all locks; in some one has to let go.
#[test]
#[cfg(feature = "debug")]
fn tasks_that_lock_in_opposite_orders_do_not_wait_for_each_other() {
    let search = Explorer::new().schedules(200_000).search(1, || {
        let all: [Arc<DmaResv>; 3] = core::array::from_fn(|_| resv().unwrap());
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let held = Arc::new(Atomic::new(0), GFP_KERNEL).unwrap();
        let (others, ends, count) = (all.clone(), done.clone(), held.clone());
        let lock = |order: [&DmaResv; 3], held: &Atomic<i32>| {
            let guards = DmaResv::lock_all(&order).unwrap();
            for (guard, resv) in guards.iter().zip(order) {
                assert!(core::ptr::eq::<DmaResv>(&**guard, resv));
            }
            assert_eq!(held.fetch_add(1, kernel::sync::atomic::Full), 0);
            held.store(0, Relaxed);
        };
        spawn(move || {
            lock([&others[2], &others[1], &others[0]], &count);
            ends.complete_all();
        });
        lock([&all[0], &all[1], &all[2]], &held);
        done.wait_for_completion();
    });
    let search = search.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(search.complete, "{search:?}");
}

#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let (a, b) = (resv()?, resv()?);
            let (issuer, fence) = issue_arc(&context(Plain)?)?;
            let (result, reached) = fail_nth(nth, || -> Result {
                for guard in DmaResv::lock_all(&[&a, &b])?.iter_mut() {
                    guard.reserve_one()?.add(&fence, Read);
                }
                a.pending(Read)?;
                a.lock().copy_from(&b)
            });
            assert!(a.try_lock().is_some() && b.try_lock().is_some());
            issuer.signal(Ok(()));
            Ok::<_, Error>((result, reached))
        }
    };
    for nth in 1..=6 {
        let end = vcpu::fifo(fails(nth));
        assert_eq!(end, Ok(Ok((Err(ENOMEM), true))), "allocation {nth}");
    }
    assert_eq!(vcpu::fifo(fails(7)), Ok(Ok((Ok(()), false))));
}

/// The memory of a list that no task reads may be used again.
fn after_a_grace_period() {
    rcu::synchronize_rcu();
    rcu::rcu_barrier();
}

/// A reader between two steps holds no list. One that comes to be where the old one was is another list,
/// even if it is shorter than the reader has come.
#[test]
fn a_shorter_list_in_the_place_of_the_old_one_is_read_anew() {
    expect_no_report(|| {
        let (resv, many, one) = (resv()?, resv()?, resv()?);
        let mut issuers = std::vec::Vec::new();
        for n in 0..5 {
            let (issuer, fence) = issue_arc(&context(Plain)?)?;
            add(&many, &fence, Bookkeep)?;
            if n < 3 {
                add(&one, &fence, Bookkeep)?;
            }
            issuers.push(issuer);
        }
        for _ in 0..50 {
            resv.lock().copy_from(&many)?;
            let mut reader = resv.fences(Bookkeep);
            assert_eq!(reader.by_ref().take(3).count(), 3);
            resv.lock().copy_from(&one)?;
            after_a_grace_period();
            resv.lock().copy_from(&one)?;
            let rest: std::vec::Vec<_> = reader.map(|found| found.restarted).collect();
            assert_eq!(rest, [true, false, false]);
        }
        issuers.into_iter().for_each(|issuer| issuer.signal(Ok(())));
        Ok(())
    });
}

/// As above, where those that have not signalled come earlier in the new list.
#[test]
fn a_list_in_the_place_of_the_old_one_hides_no_fence() {
    expect_no_report(|| {
        for _ in 0..50 {
            let resv = resv()?;
            let (mut issuers, mut fences) = (std::vec::Vec::new(), std::vec::Vec::new());
            for _ in 0..14 {
                let (issuer, fence) = issue_arc(&context(Plain)?)?;
                issuers.push(issuer);
                fences.push(fence);
            }
            let fill = |count, fences: &[ARef<Fence>]| {
                let mut guard = resv.lock();
                let mut slots = guard.reserve(count)?;
                for fence in fences {
                    slots.slot().unwrap().add(fence, Bookkeep);
                }
                Ok::<_, Error>(())
            };
            fill(8, &fences[..8])?;
            let mut reader = resv.fences(Bookkeep);
            assert_eq!(reader.by_ref().take(4).count(), 4);
            issuers.drain(..6).for_each(|issuer| issuer.signal(Ok(())));
            fill(2, &[])?;
            after_a_grace_period();
            fill(6, &fences[8..])?;
            let rest: std::vec::Vec<_> = reader.map(|found| found.fence.context()).collect();
            for pending in &fences[6..] {
                assert!(rest.contains(&pending.context()));
            }
            issuers.into_iter().for_each(|issuer| issuer.signal(Ok(())));
        }
        Ok(())
    });
}
