// SPDX-License-Identifier: GPL-2.0-only
//! What fences allocate, and what becomes of it when there is no memory.
//!
//! One test, since it looks at the counters of the whole machine.

use dma_fence::{
    merge,
    testing::{context, register},
    wait_any, Complete, Fence, FenceArray, FenceChainAllocation, FenceContext, FenceContextOps,
    Forward, Ktime,
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, Arc, Completion},
    testing::{
        memory::{allocations, fail_nth, live_blocks, rcu_barrier},
        vcpu, without_checks,
    },
    time::{delay::fsleep, Delta},
    workqueue,
};
use std::panic::{catch_unwind, AssertUnwindSafe};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = Option<Arc<u32>>;
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

struct Bombs;

impl FenceContextOps for Bombs {
    type FenceDataType = Bomb;
}

type Context = Arc<FenceContext<Ops>>;

/// Returns the number of allocations of `body`, and its result.
fn cost<R>(body: impl FnOnce() -> R) -> (usize, R) {
    let before = allocations();
    let result = body();
    (allocations() - before, result)
}

fn costs(context: &Context) -> Result {
    let (memory, allocation) = cost(|| context.new_fence_allocation(None));
    let (creating, issued) = cost(|| allocation.map(|a| a.new_fence()));
    let issued = issued?;
    let fence: ARef<Fence> = issued.as_fence().into();
    let (asking, _) = cost(|| {
        fence.enable_signaling();
        fence.set_deadline(Ktime::from_nanos(0));
        (fence.status(), fence.is_signaled(), fence.wait_timeout(0))
    });
    let (signalling, ()) = cost(|| issued.signal(Ok(())));
    let (waiting, ()) = cost(|| fence.wait());
    let (any, found) = cost(|| wait_any(&[&fence, &fence], 5));
    let (dropping, ()) = cost(|| drop(fence));
    assert_eq!(found, Ok(Some((0, 5))));
    assert_eq!(
        [memory, creating, asking, signalling, waiting, any, dropping],
        [1, 0, 0, 0, 0, 1, 0]
    );
    Ok(())
}

/// Waits that sleep: what they allocate is counted on the thread that waits.
fn waiting_costs() -> Result {
    vcpu::fifo(|| -> Result {
        let context = context(Ops)?;
        let mut fences = KVec::new();
        for _ in 0..2 {
            let allocation = FenceContext::new_arc_fence_allocation(&context, None)?;
            let issued = allocation.new_fence();
            fences.push(ARef::<Fence>::from(issued.as_fence()), GFP_KERNEL)?;
            workqueue::system_highpri().try_spawn(GFP_KERNEL, move || {
                fsleep(Delta::from_millis(100));
                issued.signal(Ok(()));
            })?;
        }
        let (any, found) = cost(|| wait_any(&[&fences[0], &fences[1]], 1000));
        let (waiting, ()) = cost(|| fences[1].wait());
        assert!(matches!(found, Ok(Some((0, 1..1000)))), "{found:?}");
        assert_eq!([any, waiting], [1, 0]);
        Ok(())
    })
    .map_err(|_| EDEADLK)?
}

/// Everything that allocates, once.
fn everything() -> Result {
    let context = context(Ops)?;
    let data = Arc::new(5, GFP_KERNEL)?;
    let issued = context
        .new_fence_allocation(Some(data.clone()))?
        .new_fence();
    let fence: ARef<Fence> = issued.as_fence().into();
    let shared = FenceContext::new_arc_fence_allocation(&context, Some(data))?.new_fence();
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let registration = register(&fence, Complete::new(done.clone()))?;
    let ours = FenceContext::new_arc_fence_allocation(&context, None)?.new_fence();
    drop(Forward::new(&fence, ours)?);
    drop(context.new_fence_allocation(None)?.new_private_fence());
    let stub = Fence::private_stub(Ktime::from_nanos(7))?;
    wait_any(&[&fence, &stub], 5)?;
    made_of_others(&fence)?;
    let node = FenceChainAllocation::new()?.new_node(Some(&stub), issued.as_unchained(), 1);
    let unused = FenceChainAllocation::new()?;
    let node = FenceChainAllocation::new()?.new_node(Some(&node), shared.as_unchained(), 2);
    let chained = register(&node, Complete::new(done.clone()))?;
    drop(unused);
    shared.signal(Ok(()));
    issued.signal(Ok(()));
    done.wait_for_completion();
    drop((registration, chained));
    Ok(())
}

/// Containers of a fence that is pending and others, and what is allocated for them.
fn made_of_others(fence: &Fence) -> Result {
    let other = context(Ops)?;
    let issued = other.new_fence_allocation(None)?.new_fence();
    let both = [fence, issued.as_fence()];
    let (creating, array) = cost(|| FenceArray::new(&both));
    let array = array?;
    let (walking, count) = cost(|| array.unwrap().count());
    let (few, merged) = cost(|| merge(&[&array, fence]));
    let merged = merged?;
    let (many, again) = cost(|| merge(&[fence, &merged, &array, issued.as_fence(), fence]));
    let again = again?;
    let (one, _) = cost(|| merge(&[fence]));
    again.enable_signaling();
    issued.signal(Ok(()));
    let (none, stub) = cost(|| merge(&[]));
    drop(stub?);
    assert_eq!(count, 2);
    // The pointers and the array; and for many the places of the walks.
    assert_eq!(
        [creating, walking, few, many, one, none],
        [2, 0, 2, 3, 0, 1]
    );
    Ok(())
}

#[test]
fn nothing_is_allocated_in_secret_and_nothing_leaks() -> Result {
    // What is set up once is set up now.
    kernel::testing::console::set_loglevel(0);
    // It drops fences that were not signalled.
    without_checks(everything)?;
    rcu_barrier();

    costs(&context(Ops)?)?;
    waiting_costs()?;
    // What a callback frees may itself be freed by a callback.
    rcu_barrier();
    rcu_barrier();
    let before = live_blocks();
    let context = context(Bombs)?;
    let allocation = context.new_fence_allocation(Bomb)?;
    assert!(catch_unwind(AssertUnwindSafe(|| drop(allocation))).is_err());
    let private = context.new_fence_allocation(Bomb)?.new_private_fence();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(private))).is_err());
    drop(context);
    rcu_barrier();
    assert_eq!(live_blocks(), before, "a destructor panicked");
    let mut failed = 0;
    for nth in 1.. {
        let (result, reached) = fail_nth(nth, || without_checks(everything));
        rcu_barrier();
        assert_eq!(
            live_blocks(),
            before,
            "allocation {nth} failed, and something leaked"
        );
        if !reached {
            assert_eq!(result, Ok(()));
            break;
        }
        assert_eq!(result, Err(ENOMEM), "allocation {nth}");
        failed += 1;
    }
    assert_eq!(failed, 29);
    Ok(())
}
