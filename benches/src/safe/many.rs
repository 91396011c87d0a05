// SPDX-License-Identifier: GPL-2.0-only
//! Operations on many fences, or by many threads.

use super::{context, make, Context, Nothing, Plain};
use crate::{measure::each, mirror::together, processors::on_the_second};
use dma_fence::{
    merge as merge_all, wait_any as wait_any_of, DmaResv, DmaResvUsage, DriverFence, Fence,
    FenceArray, FenceCallbackRegistration, FenceChain, FenceChainAllocation,
};
use kernel::{
    prelude::{InPlaceInit as _, KBox, GFP_KERNEL},
    sync::{
        aref::ARef,
        rcu::{self, rcu_barrier, synchronize_rcu},
    },
};
use std::{
    hint::black_box,
    mem,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        OnceLock,
    },
    thread,
    time::Duration,
    vec::Vec,
};

/// So many issuers, and their fences.
fn issue(n: u64) -> (Vec<DriverFence<'static, Plain>>, Vec<ARef<Fence>>) {
    let issuers: Vec<_> = (0..n).map(|_| make()).collect();
    let fences = issuers.iter().map(|issuer| issuer.as_fence().into());
    let fences = fences.collect();
    (issuers, fences)
}

/// A thousand fences, of which the last has signalled.
fn wait_any_for(n: u64, timeout: usize) -> f64 {
    static ALL: OnceLock<Vec<ARef<Fence>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let (mut issuers, fences) = issue(1000);
        issuers.pop().expect("the last").signal(Ok(()));
        // Those stay pending.
        mem::forget(issuers);
        fences
    });
    let all: Vec<&Fence> = all.iter().map(|fence| &**fence).collect();
    each(n, |_| {
        let found = wait_any_of(&all, timeout);
        black_box(found.expect("fences").is_some());
    })
}

pub(crate) fn wait_any_poll(n: u64) -> f64 {
    wait_any_for(n, 0)
}

pub(crate) fn wait_any(n: u64) -> f64 {
    wait_any_for(n, 100)
}

/// So many threads, each with a fence of its own, or all with the first.
pub(crate) fn threads<const THREADS: usize, const OWN: bool>(n: u64) -> f64 {
    let (issuers, fences) = issue(THREADS as u64);
    let took = together(THREADS, |thread| {
        let fence = &fences[if OWN { thread } else { 0 }];
        for _ in 0..n {
            pin_init::stack_try_pin_init!(let callback = FenceCallbackRegistration::new(fence, Nothing));
            black_box(&callback.ok().expect("a pending fence"));
        }
    });
    for issuer in issuers {
        issuer.signal(Ok(()));
    }
    took
}

/// Two threads, each of which waits for the other.
pub(crate) fn round_trip(n: u64) -> f64 {
    let (issue_there, there) = issue(n);
    let (issue_back, back) = issue(n);
    thread::scope(|scope| {
        let there = &there;
        scope.spawn(move || {
            on_the_second();
            for (there, back) in there.iter().zip(issue_back) {
                there.wait();
                back.signal(Ok(()));
            }
        });
        let mut issue_there = issue_there.into_iter();
        each(n, |i| {
            let there = issue_there.next().expect("one for each");
            there.signal(Ok(()));
            back[i as usize].wait();
        })
    })
}

fn walk(n: u64, signalled: bool) -> f64 {
    let issuer = make();
    let mut last: Option<ARef<FenceChain>> = None;
    for seqno in 1..=n {
        let room = FenceChainAllocation::new().expect("memory");
        let prev: Option<&Fence> = last.as_ref().map(|last| &***last);
        last = Some(room.new_node(prev, issuer.as_unchained(), seqno));
    }
    let last = last.expect("a node");
    let walk = || {
        each(1, |_| {
            black_box(last.iter().count());
        })
    };
    if signalled {
        issuer.signal(Ok(()));
        walk()
    } else {
        let took = walk();
        issuer.signal(Ok(()));
        took
    }
}

pub(crate) fn chain_walk(n: u64) -> f64 {
    walk(n, false)
}

pub(crate) fn chain_collect(n: u64) -> f64 {
    walk(n, true)
}

pub(crate) fn array_complete(n: u64) -> f64 {
    let one = |_| {
        let (issuers, fences) = issue(1024);
        let members: Vec<&Fence> = fences.iter().map(|fence| &**fence).collect();
        let all = FenceArray::new(&members).expect("memory");
        all.enable_signaling();
        let mut issuers = issuers.into_iter();
        each(1024, |_| {
            issuers.next().expect("one for each").signal(Ok(()))
        })
    };
    (0..n.div_ceil(1024)).map(one).sum()
}

/// Merges two arrays of so many fences each; each fence counts.
pub(crate) fn merge<const HALF: u64>(n: u64) -> f64 {
    let half = HALF as usize;
    let contexts: Vec<Context<Plain>> = (0..2 * half).map(|_| context(Plain)).collect();
    let issue = |i: usize| {
        let context = &contexts[i.wrapping_mul(2_654_435_761) % (2 * half)];
        context
            .new_fence_allocation(())
            .expect("memory")
            .new_fence()
    };
    let issuers: Vec<_> = (0..2 * half).map(issue).collect();
    let fences: Vec<&Fence> = issuers.iter().map(|issuer| issuer.as_fence()).collect();
    let (a, b) = fences.split_at(half);
    let a = FenceArray::new(a).expect("memory");
    let b = FenceArray::new(b).expect("memory");
    let one = |_| {
        let mut merged = None;
        each(1, |_| merged = merge_all(&[&a, &b]).ok())
    };
    let took = (0..n.div_ceil(2 * HALF)).map(one).sum();
    for issuer in issuers {
        issuer.signal(Ok(()));
    }
    took
}

/// Calls `body` with 64 fences, of as many contexts.
fn with_64(body: impl FnOnce(&[&Fence]) -> f64) -> f64 {
    let contexts: Vec<Context<Plain>> = (0..64).map(|_| context(Plain)).collect();
    let rooms = contexts
        .iter()
        .map(|context| context.new_fence_allocation(()));
    let issuers: Vec<_> = rooms
        .map(|room| room.expect("memory").new_fence())
        .collect();
    let fences: Vec<&Fence> = issuers.iter().map(|issuer| issuer.as_fence()).collect();
    let took = body(&fences);
    for issuer in issuers {
        issuer.signal(Ok(()));
    }
    took
}

fn fill(resv: &DmaResv, fences: &[&Fence]) {
    let mut guard = resv.lock();
    for fence in fences {
        let slot = guard.reserve_one().expect("memory");
        slot.add(fence, DmaResvUsage::Read);
    }
}

pub(crate) fn resv_add(n: u64) -> f64 {
    with_64(|fences| {
        let one = |_| {
            let mut resv = None;
            each(1, |_| {
                let new = KBox::pin_init(DmaResv::new(), GFP_KERNEL).expect("memory");
                fill(&new, fences);
                resv = Some(new);
            })
        };
        (0..n.div_ceil(64)).map(one).sum()
    })
}

pub(crate) fn resv_iterate(n: u64) -> f64 {
    with_64(|fences| {
        let resv = KBox::pin_init(DmaResv::new(), GFP_KERNEL).expect("memory");
        fill(&resv, fences);
        rcu_barrier();
        each(n.div_ceil(64), |_| {
            for found in resv.fences(DmaResvUsage::Read) {
                black_box(&found);
            }
        })
    })
}

pub(crate) fn synchronize(n: u64) -> f64 {
    each(n, |_| synchronize_rcu())
}

/// Grace periods with a reader that is in and out of sections.
pub(crate) fn synchronize_reader(n: u64) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            on_the_second();
            while !stop.load(Relaxed) {
                let section = rcu::read_lock();
                for i in 0..20 {
                    black_box(i);
                }
                drop(section);
            }
        });
        thread::sleep(Duration::from_millis(1));
        let took = synchronize(n);
        stop.store(true, Relaxed);
        took
    })
}

/// So many fences that stay.
pub(crate) fn memory(n: u64) -> f64 {
    each(n, |_| mem::forget(black_box(make())))
}
