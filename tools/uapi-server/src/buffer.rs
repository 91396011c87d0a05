// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that programs share, as far as fences go: there is no memory in them.
//!
//! C file mirrored: `drivers/dma-buf/dma-buf.c`, what it does with sync_file.

use crate::protocol::{set_field, word};
use dma_fence::{
    bindings::{
        DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, DMA_BUF_SYNC_RW,
        DMA_BUF_SYNC_WRITE,
    },
    DmaResv, DmaResvUsage, Fence, SyncFile,
};
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::{
        code::{EINVAL, ENOTTY},
        Result,
    },
    init::InPlaceInit,
    sync::Arc,
};
use rustix::event::PollFlags;

/// A buffer, or another reference to it.
#[derive(Clone)]
pub(crate) struct Buffer(Arc<DmaResv>);

/// As what a fence of one who writes, or reads, is added.
pub(crate) fn usage_of(write: bool) -> DmaResvUsage {
    if write {
        DmaResvUsage::Write
    } else {
        DmaResvUsage::Read
    }
}

impl Buffer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Arc::pin_init(DmaResv::new(), GFP_KERNEL)?))
    }

    /// Its fences.
    pub(crate) fn resv(&self) -> &DmaResv {
        &self.0
    }

    /// A call of a program's; returns the descriptor of a sync_file that was made.
    pub(crate) fn ioctl(&self, command: u32, bytes: &mut [u8]) -> Result<Option<u32>> {
        let export = match command {
            DMA_BUF_IOCTL_EXPORT_SYNC_FILE => true,
            DMA_BUF_IOCTL_IMPORT_SYNC_FILE => false,
            _ => return Err(ENOTTY),
        };
        let flags = word(bytes, 0);
        if flags == 0 || flags & !DMA_BUF_SYNC_RW != 0 {
            return Err(EINVAL);
        }
        let write = flags & DMA_BUF_SYNC_WRITE != 0;
        if export {
            let fence = self.0.singleton(DmaResvUsage::rw(write))?;
            let fd = SyncFile::new(&fence.unwrap_or_else(Fence::stub))?.install()?;
            set_field(bytes, 4, &fd.to_ne_bytes());
            return Ok(Some(fd));
        }
        let fence = SyncFile::get_fence(word(bytes, 4))?;
        let count = u32::try_from(fence.unwrap().count()).map_err(|_| EINVAL)?;
        let mut guard = self.0.lock();
        let mut slots = guard.reserve(count)?;
        for fence in fence.unwrap() {
            slots.slot().ok_or(EINVAL)?.add(&fence, usage_of(write));
        }
        Ok(None)
    }

    /// What is ready: it can be read when no one writes any more, and written when no one reads either.
    pub(crate) fn poll(&self) -> PollFlags {
        let mut ready = PollFlags::empty();
        ready.set(PollFlags::IN, self.0.is_signaled(DmaResvUsage::rw(false)));
        ready.set(PollFlags::OUT, self.0.is_signaled(DmaResvUsage::rw(true)));
        ready
    }
}
