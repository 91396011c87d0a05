// SPDX-License-Identifier: GPL-2.0-only
//! The file `sw_sync`: a timeline for each program that opens it.
//!
//! C file mirrored: `drivers/dma-buf/sw_sync.c`, call by call; the file is in `/dev`, where Linux has it
//! in debugfs.
// UNTIL(debugfs-file): a file of debugfs in Rust can be opened by each program, and has ioctls.
#![forbid(unsafe_code)]

use crate::{
    registry::Registry,
    timeline::Timeline,
    SwTimeline, //
};
use dma_fence::{
    MiscFile,
    SyncFile, //
};
use kernel::{
    fs::file::{
        flags::O_CLOEXEC,
        FileDescriptorReservation, //
    },
    ioctl::{
        _IOW,
        _IOWR, //
    },
    prelude::*,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// The argument of [`SW_SYNC_IOC_CREATE_FENCE`]: `u32 value; char name[32]; s32 fence;`.
pub type CreateFenceData = [u8; 40];

/// The argument of [`SW_SYNC_GET_DEADLINE`]: `u64 deadline_ns; u32 pad; s32 fence_fd;`.
pub type GetDeadline = [u8; 16];

/// Makes a fence that signals at a value, in a file of its own.
pub const SW_SYNC_IOC_CREATE_FENCE: u32 = _IOWR::<CreateFenceData>(b'W' as u32, 0);
/// Adds to the value.
pub const SW_SYNC_IOC_INC: u32 = _IOW::<u32>(b'W' as u32, 1);
/// Tells the deadline of a fence of any timeline.
pub const SW_SYNC_GET_DEADLINE: u32 = _IOWR::<GetDeadline>(b'W' as u32, 2);

/// An open file: a timeline, which is closed with it.
pub(crate) struct SwSync {
    timeline: Arc<Timeline>,
    registry: Arc<Registry>,
}

impl Drop for SwSync {
    fn drop(&mut self) {
        self.timeline.close();
        self.registry.forget();
    }
}

/// Four bytes of an argument.
fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map(|word| u32::from_ne_bytes(*word)).ok_or(EINVAL)
}

impl SwSync {
    fn create_fence(&self, arg: UserSlice) -> Result {
        let reservation = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let (mut reader, mut writer) = arg.reader_writer();
        let mut data: CreateFenceData = [0; 40];
        reader.read_slice(&mut data)?;
        let fence = self.timeline.fence(word(&data, 0)?)?;
        let file = SyncFile::new(&fence)?;
        data[36..].copy_from_slice(&reservation.reserved_fd().to_ne_bytes());
        writer.write_slice(&data)?;
        reservation.fd_install(file.into_file());
        Ok(())
    }

    fn inc(&self, arg: UserSlice) -> Result {
        self.timeline.advance(arg.reader().read()?);
        Ok(())
    }

    fn get_deadline(&self, arg: UserSlice) -> Result {
        let (mut reader, mut writer) = arg.reader_writer();
        let mut data: GetDeadline = [0; 16];
        reader.read_slice(&mut data)?;
        if data[..12] != [0; 12] {
            return Err(EINVAL);
        }
        let fence = SyncFile::get_fence(word(&data, 12)?)?;
        let deadline = self.registry.deadline(&fence)?;
        data[..8].copy_from_slice(&deadline.as_nanos().to_ne_bytes());
        writer.write_slice(&data)
    }
}

impl MiscFile for SwSync {
    type Shared = Arc<Registry>;
    type OwnerModule = SwTimeline;

    fn open(registry: &Arc<Registry>, comm: &CStr) -> Result<KBox<Self>> {
        let file = Self {
            timeline: registry.open(comm)?,
            registry: registry.clone(),
        };
        Ok(KBox::new(file, GFP_KERNEL)?)
    }

    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize> {
        let arg = |size| UserSlice::new(UserPtr::from_addr(arg), size);
        match cmd {
            SW_SYNC_IOC_CREATE_FENCE => self.create_fence(arg(size_of::<CreateFenceData>()))?,
            SW_SYNC_IOC_INC => self.inc(arg(size_of::<u32>()))?,
            SW_SYNC_GET_DEADLINE => self.get_deadline(arg(size_of::<GetDeadline>()))?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}
