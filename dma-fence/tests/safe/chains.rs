// SPDX-License-Identifier: GPL-2.0-only
//! Chains of fences.

use dma_fence::{
    bindings,
    testing::{context, expect_no_report, issue, register, Plain},
    ArcDriverFence, Complete, Fence, FenceArray, FenceChain, FenceChainAllocation, FenceChainIter,
    FenceContext, FenceContextOps, Ktime, Unchained,
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Completion,
    },
    testing::expect_report,
};
use static_assertions::assert_impl_all;
use std::vec::Vec;

assert_impl_all!(FenceChain: Send, Sync);
assert_impl_all!(FenceChainAllocation: Send, Sync);
assert_impl_all!(FenceChainIter: Send, Sync, Iterator);
assert_impl_all!(Unchained: Send, Sync);

type Issued = ArcDriverFence<Plain>;

/// Nodes that contain fences of one timeline, the oldest first, with these numbers.
fn chain(numbers: &[u64]) -> Result<(Vec<ARef<FenceChain>>, Vec<Issued>)> {
    let context = context(Plain)?;
    let (mut nodes, mut issued) = (Vec::<ARef<FenceChain>>::new(), Vec::new());
    for number in numbers {
        let fence = FenceContext::new_arc_fence_allocation(&context, ())?.new_fence();
        let prev = nodes.last().map(|node| &***node);
        let node = FenceChainAllocation::new()?.new_node(prev, fence.as_unchained(), *number);
        nodes.push(node);
        issued.push(fence);
    }
    Ok((nodes, issued))
}

fn end(issued: impl IntoIterator<Item = Issued>) {
    for fence in issued {
        fence.signal(Ok(()));
    }
}

fn numbers(fences: impl IntoIterator<Item = ARef<Fence>>) -> Vec<u64> {
    fences.into_iter().map(|fence| fence.seqno()).collect()
}

#[test]
fn a_node_continues_the_context_unless_it_goes_back() -> Result {
    let (nodes, issued) = chain(&[3, 5, 4, 9])?;
    assert_eq!(
        nodes.iter().map(|node| node.seqno()).collect::<Vec<_>>(),
        [3, 5, 5, 9]
    );
    assert_eq!(nodes[0].context(), nodes[1].context());
    assert_ne!(nodes[1].context(), nodes[2].context());
    assert_eq!(nodes[2].context(), nodes[3].context());
    for (node, fence) in nodes.iter().zip(&issued) {
        assert!(core::ptr::eq(node.contained(), fence.as_fence()));
        let same = node.as_chain().ok_or(EINVAL)?;
        assert!(core::ptr::eq(same, &**node));
        assert!(node.as_unchained().is_none());
        assert!(fence.as_fence().as_chain().is_none());
        assert!(fence.as_fence().as_unchained().is_some());
    }
    end(issued);
    Ok(())
}

#[test]
fn a_node_signals_with_the_last_of_what_is_before_it() -> Result {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let (nodes, issued) = chain(&[1, 2, 3])?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let registration = register(&nodes[2], Complete::new(done.clone()))?;
        let mut issued: Vec<_> = issued.into_iter().map(Some).collect();
        for (count, which) in order.into_iter().enumerate() {
            // What was not asked for its signal does not know of it.
            assert_eq!(nodes[2].timestamp(), None);
            end(issued[which].take());
            assert_eq!(nodes[2].is_signaled(), count == 2, "{order:?}");
        }
        done.wait_for_completion();
        drop(registration);
        assert_eq!(nodes[2].status(), Some(Ok(())));
        assert_eq!(numbers(nodes[2].iter()), [3]);
    }
    Ok(())
}

#[test]
fn what_has_signalled_is_taken_out() -> Result {
    let (mut nodes, issued) = chain(&[1, 2, 3, 4])?;
    let last = nodes.pop().ok_or(EINVAL)?;
    assert_eq!(numbers(last.iter()), [4, 3, 2, 1]);
    let mut issued = issued.into_iter();
    let (first, second, third) = (issued.next(), issued.next(), issued.next());
    end(second);
    assert_eq!(last.prev().map(|prev| prev.seqno()), Some(3));
    assert_eq!(numbers(last.iter()), [4, 3, 1]);
    end(third);
    assert_eq!(last.prev().map(|prev| prev.seqno()), Some(1));
    end(first);
    assert!(last.prev().is_none());
    assert_eq!(numbers(last.iter()), [4]);
    end(issued);
    // It is there, whether it has signalled or not.
    assert_eq!(numbers(last.iter()), [4]);
    let mut iter = last.iter();
    assert_eq!((iter.by_ref().count(), iter.count()), (1, 0));
    Ok(())
}

#[test]
fn a_point_is_found() -> Result {
    let (nodes, issued) = chain(&[10, 20, 30])?;
    let last = nodes.last().ok_or(EINVAL)?;
    let found = |seqno| last.find_seqno(seqno).map(|found| found.map(|f| f.seqno()));
    for (seqno, node) in [(1, 10), (10, 10), (11, 20), (20, 20), (21, 30), (30, 30)] {
        assert_eq!(found(seqno), Ok(Some(node)), "{seqno}");
    }
    assert_eq!(found(0), Ok(Some(30)));
    assert_eq!(found(31), Err(EINVAL));
    let mut issued = issued.into_iter();
    end(issued.next());
    // The first is still wanted by no one who asks for it.
    assert_eq!(found(1), Ok(None));
    assert_eq!(found(11), Ok(Some(20)));
    end(issued);
    assert_eq!((found(11), found(21)), (Ok(None), Ok(Some(30))));
    Ok(())
}

#[test]
fn a_chain_may_begin_with_any_fence() -> Result {
    let context = context(Plain)?;
    let (before, first) = issue(&context)?;
    let (own, _) = issue(&context)?;
    let node = FenceChainAllocation::new()?.new_node(Some(&first), own.as_unchained(), 1);
    assert_ne!(node.context(), first.context());
    assert_eq!(numbers(node.iter()), [1, first.seqno()]);
    // A node before it would have had a number of its own.
    assert_eq!(node.find_seqno(1)?.map(|found| found.seqno()), Some(1));
    own.signal(Ok(()));
    assert_eq!(node.status(), None);
    before.signal(Err(EIO));
    // The errors of fences are theirs.
    assert_eq!(node.status(), Some(Ok(())));
    let any = FenceChain::into_fence(node);
    assert!(any.as_chain().is_some());
    Ok(())
}

#[test]
fn a_node_contains_an_array() -> Result {
    let context = context(Plain)?;
    let (one, _) = issue(&context)?;
    let (two, _) = issue(&context)?;
    let both = FenceArray::new(&[one.as_fence(), two.as_fence()])?;
    let node = FenceChainAllocation::new()?.new_node(None, both.as_unchained(), 1);
    assert_eq!(numbers(node.unwrap()).len(), 2);
    one.signal(Ok(()));
    assert_eq!(node.status(), None);
    two.signal(Ok(()));
    assert_eq!(node.status(), Some(Ok(())));
    Ok(())
}

/// Counts the deadlines that it is told.
struct Hurried(Atomic<i32>);

impl FenceContextOps for Hurried {
    type FenceDataType = ();
    const SET_DEADLINE: Option<dma_fence::DeadlineOp<Self>> =
        Some(|fence, _deadline| _ = fence.context().data().0.fetch_add(1, Relaxed));
}

#[test]
fn a_deadline_reaches_all_that_have_not_signalled() -> Result {
    let context = context(Hurried(Atomic::new(0)))?;
    let (one, _) = issue(&context)?;
    let (two, _) = issue(&context)?;
    let (three, _) = issue(&context)?;
    let mut last: Option<ARef<FenceChain>> = None;
    for (number, fence) in (1..).zip([&one, &two, &three]) {
        let prev = last.as_ref().map(|node| &***node);
        let node = FenceChainAllocation::new()?.new_node(prev, fence.as_unchained(), number);
        last = Some(node);
    }
    two.signal(Ok(()));
    last.ok_or(EINVAL)?.set_deadline(Ktime::from_nanos(1));
    assert_eq!(context.data().0.load(Relaxed), 2);
    one.signal(Ok(()));
    three.signal(Ok(()));
    Ok(())
}

#[test]
fn no_signal_is_owed_for_a_chain() {
    // No task asks for the signals of these, and none is told.
    expect_no_report(|| {
        let (nodes, issued) = chain(&[1, 2, 3])?;
        drop(nodes);
        let (nodes, more) = chain(&[1, 2, 3])?;
        assert_eq!(nodes[2].iter().count(), 3);
        end(issued);
        end(more);
        Ok(())
    });
}

#[test]
fn a_chain_in_a_chain_is_reported() {
    expect_report("no-nested-containers", || {
        let (nodes, issued) = chain(&[1]).unwrap();
        let inner: ARef<Fence> = FenceChain::into_fence(nodes[0].clone());
        // SAFETY: The memory is new, and the reference is given to it.
        let outer: ARef<Fence> = unsafe {
            let node = bindings::dma_fence_chain_alloc();
            let inner = ARef::into_raw(inner).as_ptr().cast();
            bindings::dma_fence_chain_init(node, core::ptr::null_mut(), inner, 1);
            ARef::from_raw(core::ptr::NonNull::new_unchecked(node.cast()))
        };
        let node = outer.as_chain().unwrap();
        assert!(node.contained().as_chain().is_some());
        end(issued);
    });
}
