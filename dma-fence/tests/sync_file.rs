// SPDX-License-Identifier: GPL-2.0-only
//! Files with fences, as a program sees them: every call, with every mistake that it can make.

use dma_fence::{
    bindings::{
        self as c, sync_file_info, sync_merge_data, sync_set_deadline, SYNC_IOC_FILE_INFO,
        SYNC_IOC_MERGE, SYNC_IOC_SET_DEADLINE,
    },
    testing::{
        context, issue, issue_arc,
        sync::{call, file_info, merge, set_deadline},
        Plain,
    },
    DeadlineOp, Fence, FenceContextOps, Ktime, SyncFile,
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    testing::{
        memory::{each_allocation_fails, fail_nth},
        spawn,
        user::{self, UserMemory, EPOLLIN},
        vcpu,
    },
    time::{delay::fsleep, Delta},
    transmute::AsBytes as _,
};
use std::vec::Vec;

/// A descriptor of a new file with the fence.
fn file_of(fence: &Fence) -> Result<u32> {
    SyncFile::new(fence)?.install()
}

/// A machine of its own, with a table of descriptors of its own.
#[track_caller]
fn alone(body: impl FnOnce() -> Result + Send + 'static) {
    assert_eq!(vcpu::fifo(body), Ok(Ok(())));
}

fn text(name: &[u8; 32]) -> &str {
    let end = name.iter().position(|&b| b == 0).unwrap();
    core::str::from_utf8(&name[..end]).unwrap()
}

#[test]
fn a_file_tells_the_state_of_its_fence() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        let (file, fences) = file_info(fd, 0)?;
        assert_eq!((file.status, file.num_fences), (0, 1));
        let name = format!("driver-timeline{}-7", fence.context());
        assert_eq!(text(&file.name), name);
        assert!(fences.is_empty());
        let (file, fences) = file_info(fd, 3)?;
        assert_eq!((file.status, file.num_fences), (0, 1));
        assert_eq!(text(&fences[0].driver_name), "driver");
        assert_eq!(text(&fences[0].obj_name), "timeline");
        assert_eq!((fences[0].status, fences[0].timestamp_ns), (0, 0));
        issued.signal(Err(EIO));
        let (file, fences) = file_info(fd, 1)?;
        assert_eq!(file.status, EIO.to_errno());
        let name = format!("detached-driver-signaled-timeline{}-7", fence.context());
        assert_eq!(text(&file.name), &name[..name.len().min(31)]);
        assert_eq!(text(&fences[0].driver_name), "detached-driver");
        assert_eq!(text(&fences[0].obj_name), "signaled-timeline");
        assert_eq!(fences[0].status, EIO.to_errno());
        let signalled = fence.timestamp().unwrap().as_nanos();
        assert_eq!(fences[0].timestamp_ns, signalled as u64);
        user::close(fd)
    });
}

#[test]
fn each_mistake_has_its_errno() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        assert_eq!(user::ioctl(fd, SYNC_IOC_FILE_INFO, 8), Err(EFAULT));
        assert_eq!(user::ioctl(fd, SYNC_IOC_SET_DEADLINE, 8), Err(EFAULT));
        assert_eq!(user::ioctl(fd, SYNC_IOC_FILE_INFO + 1, 8), Err(ENOTTY));
        let bad = |change: fn(&mut sync_file_info)| {
            let mut info = sync_file_info::default();
            change(&mut info);
            call(fd, SYNC_IOC_FILE_INFO, &mut info)
        };
        assert_eq!(bad(|info| info.flags = 1), Err(EINVAL));
        assert_eq!(bad(|info| info.pad = 1), Err(EINVAL));
        // Room for one, but nowhere.
        assert_eq!(bad(|info| info.num_fences = 1), Err(EFAULT));
        let mut late = sync_set_deadline {
            deadline_ns: 1,
            pad: 1,
        };
        assert_eq!(call(fd, SYNC_IOC_SET_DEADLINE, &mut late), Err(EINVAL));
        // What cannot be written back.
        let memory = UserMemory::constant(sync_file_info::default().as_bytes())?;
        assert_eq!(
            user::ioctl(fd, SYNC_IOC_FILE_INFO, memory.addr()),
            Err(EFAULT)
        );
        issued.signal(Ok(()));
        user::close(fd)?;
        assert_eq!(user::close(fd), Err(EBADF));
        assert_eq!(user::ioctl(fd, SYNC_IOC_FILE_INFO, 0), Err(EBADF));
        Ok(())
    });
}

/// Notes the deadline.
struct Noting {
    deadline: Atomic<i64>,
}

impl FenceContextOps for Noting {
    type FenceDataType = ();
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|fence, deadline| {
        let noting = fence.context().data();
        noting.deadline.store(deadline.as_nanos(), Relaxed);
    });
}

#[test]
fn a_deadline_reaches_the_driver() {
    alone(|| {
        let context = context(Noting {
            deadline: Atomic::new(0),
        })?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        set_deadline(fd, 77)?;
        assert_eq!(context.data().deadline.load(Relaxed), 77);
        issued.signal(Ok(()));
        user::close(fd)
    });
}

#[test]
fn polling_waits_for_the_signal() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue_arc(&context)?;
        let fd = file_of(&fence)?;
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(0));
        assert_eq!(user::poll(fd, EPOLLIN, 2), Ok(0));
        let task = spawn(move || {
            fsleep(Delta::from_millis(50));
            issued.signal(Ok(()));
        });
        let began = Ktime::now();
        assert_eq!(user::poll(fd, EPOLLIN, 1_000_000), Ok(EPOLLIN));
        // It was woken, and did not look after the time was over.
        assert!(Ktime::now() - began < Delta::from_millis(1000));
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(EPOLLIN));
        drop(task);
        user::close(fd)
    });
}

/// A driver whose fences signal by themselves only once that is wanted is told so.
#[test]
fn polling_enables_signalling() {
    const ENABLED: usize = 1 << c::dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT;
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        // SAFETY: The fence is valid.
        let flags = || unsafe { c::dma_fence_flags((&raw const *fence).cast_mut().cast()) };
        file_info(fd, 1)?;
        assert_eq!(flags() & ENABLED, 0);
        user::poll(fd, EPOLLIN, 0)?;
        assert_eq!(flags() & ENABLED, ENABLED);
        issued.signal(Ok(()));
        user::close(fd)
    });
}

/// A file that was polled and is closed leaves no callback behind; one that was not has none.
#[test]
fn a_file_may_be_closed_before_the_signal() {
    alone(|| {
        let context = context(Plain)?;
        for polled in [false, true] {
            let (issued, fence) = issue(&context)?;
            let fd = file_of(&fence)?;
            if polled {
                assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(0));
            }
            user::close(fd)?;
            issued.signal(Ok(()));
            drop(fence);
        }
        Ok(())
    });
}

#[test]
fn a_descriptor_leads_to_its_fence() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        assert!(core::ptr::eq(&*SyncFile::get_fence(fd)?, &*fence));
        assert!(core::ptr::eq(SyncFile::from_fd(fd)?.fence(), &*fence));
        for none in [fd + 1, 0, u32::MAX] {
            assert_eq!(SyncFile::get_fence(none).err(), Some(EINVAL));
            assert_eq!(SyncFile::from_fd(none).err(), Some(ENOENT));
        }
        issued.signal(Ok(()));
        user::close(fd)
    });
}

#[test]
fn the_deadline_of_a_signalled_fence_is_nothing() {
    alone(|| {
        let fd = file_of(&Fence::stub())?;
        set_deadline(fd, 0)?;
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(EPOLLIN));
        let (file, fences) = file_info(fd, 1)?;
        assert_eq!((file.status, fences[0].status), (1, 1));
        user::close(fd)
    });
}

#[test]
fn a_merged_file_has_the_fences_of_both() {
    alone(|| {
        let (one, other) = (context(Plain)?, context(Plain)?);
        let (a, b) = (issue(&one)?, issue(&other)?);
        let files = [file_of(&a.1)?, file_of(&b.1)?];
        let fd = merge(c"both", files[0], files[1])?;
        let file = SyncFile::from_fd(fd)?;
        assert_eq!(file.name(&mut [0; 32]), c"both");
        assert_eq!((file.info(), file.poll()), ((2, None), false));
        // What has signalled is still told of.
        a.0.signal(Err(EIO));
        let (all, each) = file_info(fd, 2)?;
        let mut statuses: Vec<i32> = each.iter().map(|fence| fence.status).collect();
        statuses.sort();
        assert_eq!((all.num_fences, statuses), (2, vec![EIO.to_errno(), 0]));
        assert_eq!(file_info(fd, 1).err(), Some(EINVAL));
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(0));
        b.0.signal(Ok(()));
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(EPOLLIN));
        assert_eq!(file.info(), (2, Some(Err(EIO))));
        assert_eq!(file_info(fd, 2)?.0.status, EIO.to_errno());
        // Of files that have all signalled one fence is left, at the time of the later.
        let stub = merge(c"stub", files[0], files[1])?;
        let (all, each) = file_info(stub, 1)?;
        assert_eq!((all.status, all.num_fences, each[0].status), (1, 1, 1));
        let last = a.1.timestamp().max(b.1.timestamp()).unwrap();
        assert_eq!(each[0].timestamp_ns, last.as_nanos() as u64);
        drop(file);
        [files[0], files[1], fd, stub]
            .into_iter()
            .try_for_each(user::close)
    });
}

#[test]
fn each_mistake_of_a_merge_has_its_errno() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        let fails = |change: fn(&mut sync_merge_data)| {
            let mut data = sync_merge_data {
                fd2: fd.cast_signed(),
                ..Default::default()
            };
            change(&mut data);
            call(fd, SYNC_IOC_MERGE, &mut data)
        };
        assert_eq!(fails(|data| data.flags = 1), Err(EINVAL));
        assert_eq!(fails(|data| data.pad = 1), Err(EINVAL));
        assert_eq!(fails(|data| data.fd2 = -1), Err(ENOENT));
        assert_eq!(fails(|data| data.fd2 = 0), Err(ENOENT));
        assert_eq!(user::ioctl(fd, SYNC_IOC_MERGE, 8), Err(EFAULT));
        // What cannot be written back: the descriptor is free again, and the file gone.
        let data = sync_merge_data {
            fd2: fd.cast_signed(),
            ..Default::default()
        };
        let memory = UserMemory::constant(data.as_bytes())?;
        assert_eq!(user::ioctl(fd, SYNC_IOC_MERGE, memory.addr()), Err(EFAULT));
        let limit = user::set_descriptor_limit(fd as usize + 1);
        assert_eq!(merge(c"", fd, fd), Err(EMFILE));
        user::set_descriptor_limit(limit);
        // The name of a program's is all that there is room for.
        let mut data = sync_merge_data {
            name: [b'x'; 32],
            fd2: fd.cast_signed(),
            ..Default::default()
        };
        call(fd, SYNC_IOC_MERGE, &mut data)?;
        assert_eq!(data.fence.cast_unsigned(), fd + 1);
        let (file, _) = file_info(fd + 1, 0)?;
        assert_eq!(&file.name, b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0");
        // The same fence as that of the other file, since it is but one.
        assert!(core::ptr::eq(&*SyncFile::get_fence(fd + 1)?, &*fence));
        issued.signal(Ok(()));
        user::close(fd)?;
        user::close(fd + 1)
    });
}

/// Each allocation fails in turn: the error comes back, and nothing is left behind.
#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let (one, other) = (context(Plain)?, context(Plain)?);
            let (a, b) = (issue(&one)?, issue(&other)?);
            let (result, reached) = fail_nth(nth, || -> Result {
                let fd = file_of(&a.1)?;
                let result = file_of(&b.1).and_then(|fd2| {
                    let result = merge(c"both", fd, fd2).and_then(|both| {
                        let result = file_info(both, 2).map(|_| ());
                        user::close(both).and(result)
                    });
                    user::close(fd2).and(result)
                });
                user::close(fd).and(result)
            });
            a.0.signal(Ok(()));
            b.0.signal(Ok(()));
            Ok::<_, Error>((result, reached))
        }
    };
    each_allocation_fails(15, fails);
}

#[test]
fn there_are_only_so_many_descriptors() {
    alone(|| {
        let limit = user::set_descriptor_limit(200);
        let mut all = Vec::new();
        let last = loop {
            match file_of(&Fence::stub()) {
                Ok(fd) => all.push(fd),
                Err(error) => break error,
            }
        };
        assert_eq!((all.len(), last), (197, EMFILE));
        // The lowest that is free.
        user::close(50)?;
        user::close(20)?;
        assert_eq!(file_of(&Fence::stub()), Ok(20));
        all.retain(|&fd| fd != 50);
        user::set_descriptor_limit(limit);
        all.into_iter().try_for_each(user::close)
    });
}
