// SPDX-License-Identifier: GPL-2.0-only
//! All that can be asked of fences made of fences, in a file that compiles in Linux as well, where it is
//! linked with the functions of the kernel.

use dma_fence::{
    merge, DmaResv, DmaResvUsage, Fence, FenceArray, FenceArrayAllocation, FenceChainAllocation,
    FenceContext, FenceContextOps, Ktime, SyncFile,
};
use kernel::{prelude::*, sync::aref::ARef};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

/// Combines the fences of two timelines in every way; returns how many were found in them, and the
/// descriptor of a file that is left.
pub(crate) fn combine() -> Result<(usize, u32)> {
    let timeline = |name| KBox::pin_init(FenceContext::new(1, c"driver", name, Ops), GFP_KERNEL);
    let (render, video) = (timeline(c"render")?, timeline(c"video")?);
    let draw = render.new_fence_allocation(())?.new_fence();
    let decode = video.new_fence_allocation(())?.new_fence();

    let both = FenceArray::new(&[draw.as_fence(), decode.as_fence()])?;
    let again = FenceArrayAllocation::new(2)?.new_array(&[draw.as_fence()])?;
    let mut found = both.members().count() + again.members().count();
    if both.as_array().is_none() || both.match_context(draw.as_fence().context()) {
        return Err(EINVAL);
    }

    let first = FenceChainAllocation::new()?.new_node(None, both.as_unchained(), 10);
    let last = FenceChainAllocation::new()?.new_node(Some(&first), draw.as_unchained(), 20);
    found += last.iter().count() + usize::from(last.prev().is_some());
    let point = last.find_seqno(5)?.ok_or(ENOENT)?;
    let node = point.as_chain().ok_or(EINVAL)?;
    found += node.contained().unwrap().count();
    if node.as_unchained().is_some() {
        return Err(EINVAL);
    }
    let all: ARef<Fence> = merge(&[&last, decode.as_fence()])?;
    found += all.unwrap().count();

    let buffers = [DmaResv::new(), DmaResv::new()];
    let [buffer, copy] = buffers.map(|buffer| KBox::pin_init(buffer, GFP_KERNEL));
    let (buffer, copy) = (buffer?, copy?);
    for guard in DmaResv::lock_all(&[&*buffer, &*copy])?.iter_mut() {
        let slot = guard.reserve_one()?;
        slot.add(draw.as_fence(), DmaResvUsage::Write);
        let mut slots = guard.reserve(1)?;
        let slot = slots.slot().ok_or(ENOSPC)?;
        slot.add(decode.as_fence(), DmaResvUsage::Read);
        found += guard.fences(DmaResvUsage::rw(true)).count();
    }
    if let Some(mut guard) = copy.try_lock() {
        guard.copy_from(&buffer)?;
        let stub = Fence::stub();
        let context = draw.as_fence().context();
        guard.replace(context, &stub, DmaResvUsage::Bookkeep);
    }
    drop(copy.lock());
    found +=
        buffer.fences(DmaResvUsage::Bookkeep).count() + copy.pending(DmaResvUsage::Read)?.len();
    buffer.set_deadline(DmaResvUsage::Read, Ktime::from_nanos(1));
    let before_a_write = buffer.singleton(DmaResvUsage::rw(true))?.ok_or(ENOENT)?;

    let files = [SyncFile::new(&before_a_write)?, SyncFile::new(&all)?];
    let merged = SyncFile::merge(c"frame", &files[0], &files[1])?;
    merged.set_deadline(Ktime::from_nanos(1));
    let (count, done) = merged.info();
    found += count;
    let mut name = [0; 32];
    if merged.poll() || done.is_some() || merged.name(&mut name) != c"frame" {
        return Err(EINVAL);
    }
    let fd = merged.install()?;
    let frame = SyncFile::get_fence(fd)?;
    drop(files.map(SyncFile::into_file));

    draw.signal(Ok(()));
    decode.signal(Ok(()));
    frame.wait();
    buffer.wait(DmaResvUsage::Bookkeep);
    let waits = [
        buffer.wait_timeout(DmaResvUsage::Bookkeep, 1),
        buffer.wait_interruptible_timeout(DmaResvUsage::Bookkeep, 1)?,
    ];
    if !buffer.is_signaled(DmaResvUsage::Bookkeep) || waits.contains(&None) {
        return Err(ETIMEDOUT);
    }
    Ok((found, fd))
}
