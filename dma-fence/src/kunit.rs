// SPDX-License-Identifier: GPL-2.0-only
//! What a driver relies on, as a suite of KUnit: it is to pass here and in Linux.

use kernel::prelude::*;

#[kunit_tests(dma_fence)]
mod tests {
    use super::super::{
        merge,
        wait_any,
        DeadlineOp,
        DmaResv,
        DmaResvUsage,
        Fence,
        FenceArray,
        FenceCallback,
        FenceCallbackRegistration,
        FenceChainAllocation,
        FenceContext,
        FenceContextOps,
        Ktime, //
    };
    use kernel::{
        prelude::*,
        sync::{
            aref::ARef,
            atomic::{
                Atomic,
                Relaxed, //
            },
            rcu,
            Arc, //
        },
        time::Jiffies,
        workqueue, //
    };

    const OK: Option<Result> = Some(Ok(()));

    /// Longer than anything here takes, so a test that waits so long fails and does not hang.
    const LONG: Jiffies = 100_000;

    /// A driver that keeps the last deadline.
    struct Driver(Atomic<i64>);

    impl FenceContextOps for Driver {
        type FenceDataType = ();
        const SET_DEADLINE: Option<DeadlineOp<Self>> =
            Some(|fence, by| fence.context().data().0.store(by.as_nanos(), Relaxed));
    }

    fn timeline(name: &'static CStr) -> Result<Arc<FenceContext<Driver>>> {
        let driver = Driver(Atomic::new(0));
        Arc::pin_init(FenceContext::new(1, c"driver", name, driver), GFP_KERNEL)
    }

    /// Counts how often it is called.
    struct Count(Arc<Atomic<i32>>);

    impl FenceCallback for Count {
        fn on_signal(&mut self) {
            self.0.add(1, Relaxed);
        }
    }

    #[test]
    fn a_fence_signals_once_its_issuer_does() -> Result {
        let timeline = timeline(c"ring")?;
        let job = timeline.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        assert_eq!(fence.status(), None);
        assert_eq!(fence.timestamp(), None);
        assert_eq!(fence.references(), 2);
        assert_eq!(fence.context(), timeline.number());
        job.signal(Ok(()));
        assert_eq!(fence.status(), OK);
        assert!(fence.is_signaled() && fence.timestamp().is_some());
        Ok(())
    }

    #[test]
    fn fences_of_a_timeline_are_in_order() -> Result {
        let timeline = timeline(c"ring")?;
        let first = timeline.new_fence_allocation(())?.new_fence();
        let second = timeline.new_fence_allocation(())?.new_fence();
        let (a, b) = (first.as_fence(), second.as_fence());
        assert_eq!(b.seqno(), a.seqno() + 1);
        assert_eq!(b.is_later_than(a), Some(true));
        assert_eq!(a.is_later_than(&Fence::stub()), None);
        first.signal(Ok(()));
        second.signal(Ok(()));
        Ok(())
    }

    #[test]
    fn an_error_is_the_result() -> Result {
        let timeline = timeline(c"ring")?;
        let job = timeline.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        assert_eq!(fence.error(), None);
        job.signal(Err(EIO));
        assert_eq!(fence.status(), Some(Err(EIO)));
        assert_eq!(fence.error(), Some(EIO));
        Ok(())
    }

    #[test]
    fn names_are_the_drivers_until_the_signal() -> Result {
        let timeline = timeline(c"ring")?;
        let job = timeline.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        assert_eq!(fence.driver_name(&rcu::read_lock()), c"driver");
        assert_eq!(fence.timeline_name(&rcu::read_lock()), c"ring");
        job.signal(Ok(()));
        drop(timeline);
        assert_eq!(fence.driver_name(&rcu::read_lock()), c"detached-driver");
        assert_eq!(fence.timeline_name(&rcu::read_lock()), c"signaled-timeline");
        Ok(())
    }

    #[test]
    fn a_callback_runs_with_the_signal() -> Result {
        let timeline = timeline(c"ring")?;
        let calls = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let job = timeline.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        let count = || Count(calls.clone());
        let _kept = KBox::pin_init(FenceCallbackRegistration::new(&fence, count()), GFP_KERNEL)?;
        let dropped = KBox::pin_init(FenceCallbackRegistration::new(&fence, count()), GFP_KERNEL)?;
        drop(dropped);
        assert_eq!(calls.load(Relaxed), 0);
        job.signal(Ok(()));
        assert_eq!(calls.load(Relaxed), 1);

        let late = KBox::pin_init(FenceCallbackRegistration::new(&fence, count()), GFP_KERNEL);
        assert!(matches!(late, Err(ENOENT)));
        assert_eq!(calls.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_wait_ends_with_the_signal_or_in_time() -> Result {
        let timeline = timeline(c"ring")?;
        let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        assert_eq!(fence.wait_timeout(1), None);
        // From another task, while this one waits.
        workqueue::system().try_spawn(GFP_KERNEL, move || job.signal(Ok(())))?;
        assert!(fence.wait_timeout(LONG).is_some());
        assert_eq!(fence.status(), OK);
        Ok(())
    }

    #[test]
    fn a_wait_for_any_says_which() -> Result {
        let timeline = timeline(c"ring")?;
        let first = timeline.new_fence_allocation(())?.new_fence();
        let job = FenceContext::new_arc_fence_allocation(&timeline, ())?.new_fence();
        let second: ARef<Fence> = job.as_fence().into();
        assert_eq!(wait_any(&[first.as_fence(), &second], 1)?, None);
        workqueue::system().try_spawn(GFP_KERNEL, move || job.signal(Ok(())))?;
        let any = wait_any(&[first.as_fence(), &second], LONG)?;
        assert!(matches!(any, Some((1, _))));
        first.signal(Ok(()));
        Ok(())
    }

    #[test]
    fn a_deadline_reaches_the_driver() -> Result {
        let timeline = timeline(c"ring")?;
        let job = timeline.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = job.as_fence().into();
        fence.set_deadline(Ktime::from_nanos(7));
        assert_eq!(timeline.data().0.load(Relaxed), 7);
        job.signal(Ok(()));
        fence.set_deadline(Ktime::from_nanos(9));
        assert_eq!(timeline.data().0.load(Relaxed), 7);
        Ok(())
    }

    #[test]
    fn an_array_signals_with_its_last_member() -> Result {
        let (render, video) = (timeline(c"render")?, timeline(c"video")?);
        let draw = render.new_fence_allocation(())?.new_fence();
        let decode = video.new_fence_allocation(())?.new_fence();
        let both = FenceArray::new(&[draw.as_fence(), decode.as_fence()])?;
        both.enable_signaling();
        assert_eq!(both.members().count(), 2);
        draw.signal(Err(EIO));
        assert_eq!(both.status(), None);
        decode.signal(Ok(()));
        // What signals it is deferred.
        assert!(both.wait_timeout(LONG).is_some());
        assert_eq!(both.status(), Some(Err(EIO)));
        Ok(())
    }

    #[test]
    fn a_chain_signals_in_order() -> Result {
        let (render, video) = (timeline(c"render")?, timeline(c"video")?);
        let draw = render.new_fence_allocation(())?.new_fence();
        let decode = video.new_fence_allocation(())?.new_fence();
        let first = FenceChainAllocation::new()?.new_node(None, draw.as_unchained(), 1);
        let last = FenceChainAllocation::new()?.new_node(Some(&first), decode.as_unchained(), 2);
        assert_eq!(last.iter().count(), 2);
        assert!(last
            .find_seqno(1)?
            .is_some_and(|node| core::ptr::eq(&*node, &**first)));
        decode.signal(Ok(()));
        assert_eq!(last.status(), None);
        draw.signal(Ok(()));
        assert!(last.wait_timeout(LONG).is_some());
        assert_eq!(last.status(), OK);
        Ok(())
    }

    #[test]
    fn what_is_merged_is_there_once() -> Result {
        let (render, video) = (timeline(c"render")?, timeline(c"video")?);
        let early = render.new_fence_allocation(())?.new_fence();
        let draw = render.new_fence_allocation(())?.new_fence();
        let decode = video.new_fence_allocation(())?.new_fence();
        let two = FenceArray::new(&[early.as_fence(), decode.as_fence()])?;
        let all = merge(&[&two, draw.as_fence()])?;
        // The later one of a timeline has the earlier one in it.
        assert_eq!(all.unwrap().count(), 2);
        for job in [early, draw, decode] {
            job.signal(Ok(()));
        }
        assert!(all.wait_timeout(LONG).is_some());
        Ok(())
    }

    #[test]
    fn a_buffer_is_ready_once_its_writer_is() -> Result {
        let timeline = timeline(c"ring")?;
        let buffer = KBox::pin_init(DmaResv::new(), GFP_KERNEL)?;
        let write = timeline.new_fence_allocation(())?.new_fence();
        let read = timeline.new_fence_allocation(())?.new_fence();
        let mut guard = buffer.lock();
        guard
            .reserve_one()?
            .add(write.as_fence(), DmaResvUsage::Write);
        guard
            .reserve_one()?
            .add(read.as_fence(), DmaResvUsage::Bookkeep);
        drop(guard);
        assert!(!buffer.is_signaled(DmaResvUsage::Write));
        assert_eq!(buffer.fences(DmaResvUsage::Bookkeep).count(), 2);
        write.signal(Ok(()));
        assert!(buffer.is_signaled(DmaResvUsage::Write));
        assert!(!buffer.is_signaled(DmaResvUsage::Bookkeep));
        read.signal(Ok(()));
        assert!(buffer.wait_timeout(DmaResvUsage::Bookkeep, LONG).is_some());
        Ok(())
    }
}
