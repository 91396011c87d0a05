// SPDX-License-Identifier: GPL-2.0-only
//! What a program does with a file that has fences: its calls, with types.
//!
//! Each may sleep, and fails with the errno that the kernel's has.

use crate::bindings::{
    sync_fence_info, sync_file_info, sync_merge_data, sync_set_deadline, SYNC_IOC_FILE_INFO,
    SYNC_IOC_MERGE, SYNC_IOC_SET_DEADLINE,
};
use core::ffi::CStr;
use kernel::{
    alloc::{flags::GFP_KERNEL, KVec},
    error::Result,
    testing::user::{ioctl, UserMemory},
    transmute::{AsBytes, FromBytes},
};

/// Makes a call whose argument is written back, also if it fails.
///
/// # Errors
///
/// Those of [`ioctl`].
pub fn call<T: AsBytes + FromBytes>(fd: u32, cmd: u32, arg: &mut T) -> Result {
    let memory = UserMemory::new(size_of::<T>())?;
    memory.write(0, arg.as_bytes())?;
    let result = ioctl(fd, cmd, memory.addr());
    memory.read(0, arg.as_bytes_mut())?;
    result.map(|_| ())
}

/// Makes a file with the fences of two; returns its descriptor. A name that is too long is cut off.
///
/// # Errors
///
/// ENOENT if `fd2` is no such file; EMFILE, ENOMEM.
#[doc(alias = "SYNC_IOC_MERGE")]
pub fn merge(name: &CStr, fd: u32, fd2: u32) -> Result<u32> {
    let mut data = sync_merge_data {
        fd2: fd2.cast_signed(),
        ..Default::default()
    };
    for (to, from) in data.name.iter_mut().zip(name.to_bytes()) {
        *to = *from;
    }
    call(fd, SYNC_IOC_MERGE, &mut data)?;
    Ok(data.fence.cast_unsigned())
}

/// Tells the state of a file and, if `room` is not 0, of each of its fences.
///
/// # Errors
///
/// EINVAL if there are more than `room` fences, which is not 0; ENOMEM.
#[doc(alias = "SYNC_IOC_FILE_INFO")]
pub fn file_info(fd: u32, room: u32) -> Result<(sync_file_info, KVec<sync_fence_info>)> {
    let each = size_of::<sync_fence_info>();
    let memory = UserMemory::new(each * room as usize)?;
    let mut info = sync_file_info {
        num_fences: room,
        sync_fence_info: memory.addr() as u64,
        ..Default::default()
    };
    call(fd, SYNC_IOC_FILE_INFO, &mut info)?;
    let mut fences = KVec::new();
    for at in 0..info.num_fences.min(room) as usize {
        let mut fence = sync_fence_info::default();
        memory.read(at * each, fence.as_bytes_mut())?;
        fences.push(fence, GFP_KERNEL)?;
    }
    Ok((info, fences))
}

/// Says that the file's fence is wanted by `deadline_ns` (ns, `CLOCK_MONOTONIC`).
///
/// # Errors
///
/// ENOMEM.
#[doc(alias = "SYNC_IOC_SET_DEADLINE")]
pub fn set_deadline(fd: u32, deadline_ns: u64) -> Result {
    let mut deadline = sync_set_deadline {
        deadline_ns,
        pad: 0,
    };
    call(fd, SYNC_IOC_SET_DEADLINE, &mut deadline)
}
