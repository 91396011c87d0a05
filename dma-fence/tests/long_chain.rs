// SPDX-License-Identifier: GPL-2.0-only
//! Chains of any length: on a small stack, and at a cost that grows with their length and no more.

use dma_fence::{
    testing::context, ArcDriverFence, Fence, FenceChain, FenceChainAllocation, FenceContext,
    FenceContextOps, Ktime, PollOp,
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
    testing::memory::rcu_barrier,
};
use std::thread;

/// So long that the stack has no room for a frame for each node, none of which is smaller than
/// 16 bytes.
const LENGTH: u64 = match cfg!(debug_assertions) {
    true => 20_000,
    false => 100_000,
};
// What a debug kernel keeps for each thread is on it as well.
const STACK: usize = 96 << 10;
const _: () = assert!(STACK < 16 * LENGTH as usize);

/// Counts how often its fences are polled: what a chain does in each step of a walk.
struct Polled(Atomic<u64>);

impl FenceContextOps for Polled {
    type FenceDataType = ();
    const SIGNALED: Option<PollOp<Self>> = Some(|fence| {
        fence.context().data().0.fetch_add(1u64, Relaxed);
        None
    });
}

/// A chain of nodes that contain one fence.
struct Chain {
    last: ARef<FenceChain>,
    fence: ArcDriverFence<Polled>,
    polls: std::boxed::Box<dyn Fn() -> u64>,
}

impl Chain {
    fn new() -> Result<Self> {
        let context = context(Polled(Atomic::new(0)))?;
        let fence = FenceContext::new_arc_fence_allocation(&context, ())?.new_fence();
        let node = |prev: Option<&Fence>, seqno| {
            let memory = FenceChainAllocation::new()?;
            Ok::<_, Error>(memory.new_node(prev, fence.as_unchained(), seqno))
        };
        let mut last = node(None, 1)?;
        for seqno in 2..=LENGTH {
            last = node(Some(&last), seqno)?;
        }
        let polls = std::boxed::Box::new(move || context.data().0.xchg(0, Relaxed));
        Ok(Self { last, fence, polls })
    }
}

/// Walks, asks and releases a chain that has not signalled.
fn pending() -> Result {
    let Chain { last, fence, polls } = Chain::new()?;
    assert_eq!(polls(), 0);
    // Each step looks at the next.
    assert_eq!((last.iter().count() as u64, polls()), (LENGTH, LENGTH - 1));
    let first = last.find_seqno(1)?.map(|fence| fence.seqno());
    assert_eq!((first, polls()), (Some(1), LENGTH - 1));
    // The last is asked first, and says no.
    last.set_deadline(Ktime::from_nanos(1));
    assert_eq!(polls(), 1 + LENGTH - 1);
    assert_eq!((last.status(), polls()), (None, 1));

    // Released as far as where a reader has another reference, which then has it signal.
    let midst: ARef<Fence> = last.iter().nth(LENGTH as usize / 2).ok_or(EINVAL)?;
    polls();
    drop(last);
    midst.enable_signaling();
    assert_eq!(polls(), 0);
    fence.signal(Ok(()));
    let midst = midst.as_chain().ok_or(EINVAL)?;
    assert_eq!((midst.is_signaled(), midst.iter().count()), (true, 1));
    assert_eq!(polls(), 0);
    Ok(())
}

/// Collects a chain of which no signal was asked for.
fn collected() -> Result {
    let Chain { last, fence, polls } = Chain::new()?;
    fence.signal(Ok(()));
    assert!(last.prev().is_none());
    assert_eq!((last.iter().count(), polls()), (1, 0));
    Ok(())
}

/// Releases all of a chain.
fn released() -> Result {
    let Chain { last, fence, polls } = Chain::new()?;
    drop(last);
    assert_eq!(polls(), 0);
    fence.signal(Ok(()));
    Ok(())
}

#[test]
fn a_long_chain_needs_no_stack_and_no_more_than_a_step_a_node() {
    for part in [pending, collected, released] {
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn(move || {
            part().unwrap();
            rcu_barrier();
        });
        thread.unwrap().join().unwrap();
    }
}
