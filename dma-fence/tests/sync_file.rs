// SPDX-License-Identifier: GPL-2.0-only
//! Files with fences, as a program sees them: every call, with every mistake that it can make.

use dma_fence::{
    bindings::{
        self as c, sync_fence_info, sync_file_info, sync_set_deadline, SYNC_IOC_FILE_INFO,
        SYNC_IOC_SET_DEADLINE,
    },
    testing::{context, issue, issue_arc, Plain},
    DeadlineOp, Fence, FenceContextOps,
};
use kernel::{
    fs::{
        file::{flags::O_CLOEXEC, FileDescriptorReservation},
        File,
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
    testing::{
        memory::fail_nth,
        spawn,
        user::{self, UserMemory, EPOLLIN},
        vcpu,
    },
    time::{delay::fsleep, Delta},
    transmute::{AsBytes, FromBytes},
};
use std::{ptr::NonNull, vec::Vec};

/// A descriptor of a new file with the fence.
fn file_of(fence: &Fence) -> Result<u32> {
    let reservation = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
    let fd = reservation.reserved_fd();
    // SAFETY: The fence is valid; the reference to the file is ours.
    let file = unsafe {
        let file = c::sync_file_create(core::ptr::from_ref(fence).cast_mut().cast());
        let file = file.as_ref().ok_or(ENOMEM)?.file;
        ARef::from_raw(NonNull::new_unchecked(file.cast::<File>()))
    };
    reservation.fd_install(file);
    Ok(fd)
}

/// A machine of its own, with a table of descriptors of its own.
#[track_caller]
fn alone(body: impl FnOnce() -> Result + Send + 'static) {
    assert_eq!(vcpu::fifo(body), Ok(Ok(())));
}

/// The numbers of C, which are any bytes.
#[repr(transparent)]
#[derive(Clone, Copy, Default)]
struct Arg<T>(T);

// SAFETY: Numbers without padding.
unsafe impl<T> FromBytes for Arg<T> {}
// SAFETY: As above.
unsafe impl<T> AsBytes for Arg<T> {}

/// A call with an argument that is read, and written back.
fn call<T: Copy>(fd: u32, cmd: u32, arg: &mut T) -> Result<isize> {
    let mut wrapped = Arg(*arg);
    // SAFETY: Any bytes are a value.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut((&raw mut wrapped).cast::<u8>(), size_of::<T>()) };
    let result = user::ioctl_with(fd, cmd, bytes);
    *arg = wrapped.0;
    result
}

fn text(name: &[u8; 32]) -> &str {
    let end = name.iter().position(|&b| b == 0).unwrap();
    core::str::from_utf8(&name[..end]).unwrap()
}

/// The state of the file, and of each of at most `room` fences.
fn info(fd: u32, room: u32) -> Result<(sync_file_info, Vec<sync_fence_info>)> {
    let each = size_of::<sync_fence_info>();
    let memory = UserMemory::new(each * room as usize)?;
    let mut info = sync_file_info {
        num_fences: room,
        sync_fence_info: memory.addr() as u64,
        ..Default::default()
    };
    call(fd, SYNC_IOC_FILE_INFO, &mut info)?;
    let mut fences = Vec::new();
    for at in 0..info.num_fences.min(room) as usize {
        let mut one = Arg(sync_fence_info::default());
        // SAFETY: Any bytes are a value.
        memory.read(at * each, unsafe {
            core::slice::from_raw_parts_mut((&raw mut one).cast::<u8>(), each)
        })?;
        fences.push(one.0);
    }
    Ok((info, fences))
}

#[test]
fn a_file_tells_the_state_of_its_fence() {
    alone(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        let fd = file_of(&fence)?;
        let (file, fences) = info(fd, 0)?;
        assert_eq!((file.status, file.num_fences), (0, 1));
        let name = format!("driver-timeline{}-7", fence.context());
        assert_eq!(text(&file.name), name);
        assert!(fences.is_empty());
        let (file, fences) = info(fd, 3)?;
        assert_eq!((file.status, file.num_fences), (0, 1));
        assert_eq!(text(&fences[0].driver_name), "driver");
        assert_eq!(text(&fences[0].obj_name), "timeline");
        assert_eq!((fences[0].status, fences[0].timestamp_ns), (0, 0));
        issued.signal(Err(EIO));
        let (file, fences) = info(fd, 1)?;
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
        let memory = UserMemory::read_only(size_of::<sync_file_info>())?;
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

/// Notes the deadline, and whether a signal was wanted.
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
        let mut deadline = sync_set_deadline {
            deadline_ns: 77,
            pad: 0,
        };
        call(fd, SYNC_IOC_SET_DEADLINE, &mut deadline)?;
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
        assert_eq!(user::poll(fd, EPOLLIN, 1_000_000), Ok(EPOLLIN));
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(EPOLLIN));
        drop(task);
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
        // SAFETY: It takes any number; the reference is given back.
        unsafe {
            let found = c::sync_file_get_fence(fd.cast_signed());
            assert_eq!(found.cast_const(), (&raw const *fence).cast());
            c::dma_fence_put(found);
            assert!(c::sync_file_get_fence(fd.cast_signed() + 1).is_null());
            assert!(c::sync_file_get_fence(-1).is_null());
        }
        issued.signal(Ok(()));
        user::close(fd)
    });
}

#[test]
fn the_deadline_of_a_signalled_fence_is_nothing() {
    alone(|| {
        let fd = file_of(&Fence::stub())?;
        let mut deadline = sync_set_deadline::default();
        assert_eq!(call(fd, SYNC_IOC_SET_DEADLINE, &mut deadline), Ok(0));
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(EPOLLIN));
        let (file, fences) = info(fd, 1)?;
        assert_eq!((file.status, fences[0].status), (1, 1));
        user::close(fd)
    });
}

/// Each allocation fails in turn: the error comes back, and nothing is left behind.
#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let context = context(Plain)?;
            let (issued, fence) = issue(&context)?;
            let (result, reached) = fail_nth(nth, || -> Result {
                let fd = file_of(&fence)?;
                let result = info(fd, 1).map(|_| ());
                user::close(fd)?;
                result
            });
            issued.signal(Ok(()));
            Ok::<_, Error>((result, reached))
        }
    };
    // What is left when a machine ends is reported.
    for nth in 1..9 {
        let end = vcpu::fifo(fails(nth));
        assert_eq!(end, Ok(Ok((Err(ENOMEM), true))), "allocation {nth}");
    }
    assert_eq!(vcpu::fifo(fails(9)), Ok(Ok((Ok(()), false))));
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
