// SPDX-License-Identifier: GPL-2.0-only
//! DRM devices without hardware: vgem, whose buffers have fences that programs signal, and one that
//! says its name and no more.
//!
//! C files mirrored: `drivers/gpu/drm/vgem/`, but that a fence does not signal by itself after ten
//! seconds.

use crate::{
    buffer::{usage_of, Buffer},
    files::New,
    protocol::{set_field, word},
};
use dma_fence::{ArcDriverFence, DmaResvUsage, FenceContext, FenceContextOps};
use kernel::{
    alloc::flags::GFP_KERNEL,
    error::{
        code::{EBUSY, EINVAL, ENOENT, ENOTTY, ETIMEDOUT},
        Result,
    },
    init::InPlaceInit,
    sync::Arc,
};
use std::collections::BTreeMap;

const VGEM: &[u8] = b"vgem";

/// A driver that IGT knows, and looks for no hardware of.
const OTHER: &[u8] = b"panfrost";

const DRM_IOCTL_VERSION: u32 = 0xc040_6400;
const DRM_IOCTL_GEM_CLOSE: u32 = 0x4008_6409;
const DRM_IOCTL_PRIME_HANDLE_TO_FD: u32 = 0xc00c_642d;
const DRM_IOCTL_MODE_CREATE_DUMB: u32 = 0xc020_64b2;
const DRM_IOCTL_VGEM_FENCE_ATTACH: u32 = 0xc010_6441;
const DRM_IOCTL_VGEM_FENCE_SIGNAL: u32 = 0x4008_6442;

const VGEM_FENCE_WRITE: u32 = 1;

const PAGE_SIZE: u64 = 4096;

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

/// An open device.
pub(crate) struct Drm {
    name: &'static [u8],
    buffers: BTreeMap<u32, Buffer>,
    fences: BTreeMap<u32, ArcDriverFence<Ops>>,
}

/// Adds an element by a number that none has, from 1.
fn add<T>(map: &mut BTreeMap<u32, T>, element: T) -> u32 {
    let free = (1..).find(|number| !map.contains_key(number));
    let number = free.unwrap_or_default();
    map.insert(number, element);
    number
}

impl Drm {
    /// The numbers of the device at a path.
    pub(crate) fn device(path: &[u8]) -> Option<(u32, u32)> {
        match path {
            b"/dev/dri/card0" => Some((226, 0)),
            b"/dev/dri/card1" => Some((226, 1)),
            _ => None,
        }
    }

    /// Opens one of these.
    pub(crate) fn open(device: (u32, u32)) -> Self {
        Self {
            name: if device.1 == 0 { VGEM } else { OTHER },
            buffers: BTreeMap::new(),
            fences: BTreeMap::new(),
        }
    }

    /// A call of a program's.
    pub(crate) fn ioctl(
        &mut self,
        command: u32,
        bytes: &mut [u8],
        more: &mut [u8],
    ) -> Result<Option<New>> {
        match command {
            DRM_IOCTL_VERSION => {
                let length = self.name.len().min(more.len());
                more[..length].copy_from_slice(&self.name[..length]);
                // Version 1.0.0, without a date and a description.
                for (at, value) in [(0, 1), (8, 0), (16, self.name.len()), (32, 0), (48, 0)] {
                    set_field(bytes, at, &value.to_ne_bytes());
                }
            }
            _ if self.name != VGEM => return Err(ENOTTY),
            DRM_IOCTL_MODE_CREATE_DUMB => {
                let [height, width, bits] = [0, 4, 8].map(|at| u64::from(word(bytes, at)));
                let pitch = width * bits.div_ceil(8);
                let size = pitch.saturating_mul(height).next_multiple_of(PAGE_SIZE);
                let pitch = u32::try_from(pitch).map_err(|_| EINVAL)?;
                if size == 0 {
                    return Err(EINVAL);
                }
                let handle = add(&mut self.buffers, Buffer::new()?);
                set_field(bytes, 16, &handle.to_ne_bytes());
                set_field(bytes, 20, &pitch.to_ne_bytes());
                set_field(bytes, 24, &size.to_ne_bytes());
            }
            DRM_IOCTL_GEM_CLOSE => {
                self.buffers.remove(&word(bytes, 0)).ok_or(EINVAL)?;
            }
            DRM_IOCTL_PRIME_HANDLE_TO_FD => {
                let buffer = self.buffers.get(&word(bytes, 0)).ok_or(ENOENT)?;
                return Ok(Some(New::Buffer(buffer.clone())));
            }
            DRM_IOCTL_VGEM_FENCE_ATTACH => {
                let fence = self.attach(word(bytes, 0), word(bytes, 4), word(bytes, 12))?;
                set_field(bytes, 8, &fence.to_ne_bytes());
            }
            DRM_IOCTL_VGEM_FENCE_SIGNAL => {
                if word(bytes, 4) != 0 {
                    return Err(EINVAL);
                }
                let fence = self.fences.remove(&word(bytes, 0)).ok_or(ENOENT)?;
                let late = fence.as_fence().is_signaled();
                fence.signal(Ok(()));
                if late {
                    return Err(ETIMEDOUT);
                }
            }
            _ => return Err(ENOTTY),
        }
        Ok(None)
    }

    /// Attaches a fence to a buffer; returns its number.
    fn attach(&mut self, handle: u32, flags: u32, pad: u32) -> Result<u32> {
        if flags & !VGEM_FENCE_WRITE != 0 || pad != 0 {
            return Err(EINVAL);
        }
        let write = flags != 0;
        let resv = self.buffers.get(&handle).ok_or(ENOENT)?.resv();
        if !resv.is_signaled(DmaResvUsage::rw(write)) {
            return Err(EBUSY);
        }
        let context = FenceContext::new(1, c"vgem", c"unbound", Ops);
        let context = Arc::pin_init(context, GFP_KERNEL)?;
        let fence = FenceContext::new_arc_fence_allocation(&context, ())?;
        let mut guard = resv.lock();
        let slot = guard.reserve_one()?;
        let fence = fence.new_fence();
        slot.add(fence.as_fence(), usage_of(write));
        Ok(add(&mut self.fences, fence))
    }
}

impl Drop for Drm {
    fn drop(&mut self) {
        while let Some((_, fence)) = self.fences.pop_first() {
            fence.signal(Ok(()));
        }
    }
}
