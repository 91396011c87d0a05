// SPDX-License-Identifier: GPL-2.0-only
//! What was found in Linux, shown in it: Documentation/found-upstream. Each prints what happens, and
//! without `wrong` there is nothing to print.

use crate::dma_fence::{
    DmaResv, DmaResvUsage::Bookkeep, ArcDriverFence, Fence, FenceContext, FenceContextOps,
};
use kernel::{
    bindings::{dma_resv, dma_resv_list},
    prelude::*,
    sync::{rcu::synchronize_rcu, Arc},
};

pub(crate) const EXAMPLES: &[(&str, crate::Run)] = &[
    ("list-fields", list_fields),
    ("resv-endless", resv_endless),
    ("resv-reused", resv_reused),
];

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

fn job(timeline: &Arc<FenceContext<Ops>>) -> Result<ArcDriverFence<Ops>> {
    Ok(FenceContext::new_arc_fence_allocation(timeline, ())?.new_fence())
}

fn timeline() -> Result<Arc<FenceContext<Ops>>> {
    Arc::pin_init(FenceContext::new(1, c"found", c"ring0", Ops), GFP_KERNEL)
}

fn resv() -> Result<Arc<DmaResv>> {
    Arc::pin_init(DmaResv::new(), GFP_KERNEL)
}

/// Where the list of fences is.
fn list(resv: &DmaResv) -> *mut dma_resv_list {
    let resv: *const dma_resv = core::ptr::from_ref(resv).cast();
    // SAFETY: There is nothing else in a `DmaResv`, and only we change its list.
    unsafe { (&raw const (*resv).fences).read() }
}

fn add(resv: &DmaResv, fence: &Fence) -> Result {
    resv.lock().reserve_one()?.add(fence, Bookkeep);
    Ok(())
}

/// It shows itself.
fn list_fields(wrong: bool) -> Result {
    // SAFETY: Null stands for what is no module.
    static NONE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
    if wrong {
        crate::list_fields::load(&NONE)?;
    }
    Ok(())
}

/// A list is taken away from a reader.
fn resv_endless(wrong: bool) -> Result {
    let (resv, other) = (resv()?, resv()?);
    let job = job(&timeline()?)?;
    add(&resv, job.as_fence())?;
    if !wrong {
        add(&other, job.as_fence())?;
    }
    let mut reader = resv.fences(Bookkeep);
    assert!(reader.next().is_some());
    resv.lock().copy_from(&other)?;
    let more = reader.take(1000).count();
    if more > 1 {
        pr_info!("of one fence, {more} more are found\n");
    }
    job.signal(Ok(()));
    Ok(())
}

/// A list comes to be where the one was in which a reader is.
fn resv_reused(wrong: bool) -> Result {
    let (resv, many, one) = (resv()?, resv()?, resv()?);
    let mut jobs = KVec::new();
    for n in 0..5 {
        let job = job(&timeline()?)?;
        add(&many, job.as_fence())?;
        if n < 3 {
            add(&one, job.as_fence())?;
        }
        jobs.push(job, GFP_KERNEL)?;
    }
    resv.lock().copy_from(&many)?;
    let before = list(&resv);
    let mut reader = resv.fences(Bookkeep);
    assert_eq!(reader.by_ref().take(3).count(), 3);
    let mut lists = 1;
    resv.lock().copy_from(&one)?;
    while wrong && list(&resv) != before && lists < 1000 {
        synchronize_rcu();
        resv.lock().copy_from(&one)?;
        lists += 1;
    }
    if !reader.next().is_some_and(|found| found.restarted) {
        pr_info!("another list is taken for the one before, {lists} later\n");
    }
    jobs.into_iter().for_each(|job| job.signal(Ok(())));
    Ok(())
}
