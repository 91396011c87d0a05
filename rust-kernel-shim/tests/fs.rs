// SPDX-License-Identifier: GPL-2.0-only
//! Files: devices, debugfs, and the memory of the programs that use them.

#![forbid(unsafe_code)]

use core::panic::AssertUnwindSafe;
use kernel::{
    debugfs::{Dir, Scope, ScopedDir},
    fmt,
    fs::{file::FileDescriptorReservation, File, LocalFile},
    miscdevice::{MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Completion,
    },
    testing::{
        memory::fail_nth,
        spawn,
        user::{self, UserMemory},
        vcpu,
    },
    uaccess::{UserPtr, UserSlice},
};
use std::panic::catch_unwind;

struct TestModule;

impl kernel::Module for TestModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: TestModule,
    name: "fs_test",
    authors: ["The dma-fence authors"],
    description: "Owns the devices of these tests",
    license: "GPL",
}

/// A machine of its own, with names and descriptors of its own.
#[track_caller]
fn alone(body: impl FnOnce() -> Result + Send + 'static) {
    assert_eq!(vcpu::fifo(body), Ok(Ok(())));
}

/// Adds up what is written to it, a number for each file.
struct Sum {
    sum: Atomic<u64>,
}

const ADD: u32 = 1;

#[vtable]
impl MiscDevice for Sum {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        let sum = Atomic::new(0);
        Ok(KBox::new(Self { sum }, GFP_KERNEL)?)
    }

    fn ioctl(device: &Self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        if cmd != ADD {
            return Err(ENOTTY);
        }
        let (mut reader, mut writer) = UserSlice::new(UserPtr::from_addr(arg), 8).reader_writer();
        let number = reader.read::<u64>()?;
        if number == 0 {
            panic!("nothing to add");
        }
        writer.write(&(device.sum.fetch_add(number, Relaxed) + number))?;
        Ok(0)
    }
}

fn add(fd: u32, number: u64) -> Result<u64> {
    let mut bytes = number.to_ne_bytes();
    user::ioctl_with(fd, ADD, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[test]
fn each_open_file_of_a_device_has_data_of_its_own() {
    alone(|| {
        let register = || {
            let options = MiscDeviceOptions { name: c"sum" };
            KBox::pin_init(MiscDeviceRegistration::<Sum>::register(options), GFP_KERNEL)
        };
        assert_eq!(user::open(c"/dev/sum"), Err(ENOENT));
        let device = register()?;
        assert_eq!(register().err(), Some(EEXIST));
        let (one, other) = (user::open(c"/dev/sum")?, user::open(c"/dev/sum")?);
        assert_eq!(
            (add(one, 3), add(one, 4), add(other, 1)),
            (Ok(3), Ok(7), Ok(1))
        );
        assert_eq!(user::ioctl(one, ADD + 1, 0), Err(ENOTTY));
        assert_eq!(user::ioctl(one, ADD, 4096), Err(EFAULT));
        assert_eq!(user::read(one, &mut [0]), Err(EINVAL));
        // An open file outlives its device.
        drop(device);
        assert_eq!(user::open(c"/dev/sum"), Err(ENOENT));
        assert_eq!(add(one, 1), Ok(8));
        user::close(other)?;
        user::close(one)?;
        // The name is free again.
        register().map(drop)
    });
}

#[test]
fn a_file_that_is_closed_may_be_in_use() {
    alone(|| {
        let options = MiscDeviceOptions { name: c"sum" };
        let _device = KBox::pin_init(MiscDeviceRegistration::<Sum>::register(options), GFP_KERNEL)?;
        let fd = user::open(c"/dev/sum")?;
        let file = LocalFile::fget(fd)?;
        user::close(fd)?;
        assert!(LocalFile::fget(fd).is_err());
        // The descriptor is used again.
        let reservation = FileDescriptorReservation::get_unused_fd_flags(0)?;
        assert_eq!(reservation.reserved_fd(), fd);
        assert_eq!(user::close(fd), Err(EBADF));
        drop((reservation, file));
        Ok(())
    });
}

#[test]
fn what_is_in_debugfs_can_be_read_by_its_path() {
    alone(|| {
        let top = Dir::new(c"top");
        let sub = top.subdir(c"sub");
        let number = KBox::pin_init(sub.read_only_file(c"number", 7), GFP_KERNEL)?;
        // More than a page.
        let lines = KBox::pin_init(
            top.read_callback_file(c"lines", 2000, &lines_of),
            GFP_KERNEL,
        )?;
        let path = c"/sys/kernel/debug/top/sub/number";
        assert_eq!(&user::read_file(path)?[..], b"7\n");
        let all = user::read_file(c"/sys/kernel/debug/top/lines")?;
        let expected: String = (0..2000).map(|line| format!("line {line}\n")).collect();
        assert!(all[..] == *expected.as_bytes());
        assert_eq!(user::open(c"/sys/kernel/debug/top"), Err(EISDIR));
        assert_eq!(user::open(c"/sys/kernel/debug/top/none"), Err(ENOENT));
        assert_eq!(user::open(c"/sys/kernel/debug/sub/number"), Err(ENOENT));
        assert_eq!(user::open(c"/elsewhere"), Err(ENOENT));
        // A file goes with what it belongs to, and the directories with the last of their files.
        drop((top, sub));
        assert_eq!(&user::read_file(path)?[..], b"7\n");
        drop(number);
        assert_eq!(user::open(path), Err(ENOENT));
        drop(lines);
        assert_eq!(user::open(c"/sys/kernel/debug/top"), Err(ENOENT));
        Ok(())
    });
}

fn lines_of(count: &u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    (0..*count).try_for_each(|line| writeln!(f, "line {line}"))
}

#[test]
fn what_is_written_to_debugfs_is_read() {
    alone(|| {
        let dir = Dir::new(c"dir");
        let file = dir.read_write_file(c"number", Atomic::<u32>::new(1));
        let file = KBox::pin_init(file, GFP_KERNEL)?;
        let fd = user::open(c"/sys/kernel/debug/dir/number")?;
        assert_eq!(user::write(fd, b"23\n"), Ok(3));
        assert_eq!(file.load(Relaxed), 23);
        assert_eq!(user::write(fd, b"x"), Err(EINVAL));
        assert_eq!(user::write(fd, &[b'1'; 30]), Err(EINVAL));
        let mut text = [0; 8];
        let n = user::read(fd, &mut text)?;
        assert!(text[..n].ends_with(b"\n") && n > 1);
        // Removed: the open file fails from now on.
        drop(file);
        assert_eq!(user::write(fd, b"1"), Err(EIO));
        assert_eq!(user::read(fd, &mut text), Err(EIO));
        user::close(fd)
    });
}

#[test]
fn a_scope_shows_parts_of_its_data() {
    alone(|| {
        let scope = Scope::dir((1u8, 2u8), c"scope", |data, dir| {
            dir.read_only_file(c"first", &data.0);
            let sub = dir.dir(c"sub");
            sub.read_only_file(c"second", &data.1);
        });
        let scope = KBox::pin_init(scope, GFP_KERNEL)?;
        assert_eq!(
            &user::read_file(c"/sys/kernel/debug/scope/first")?[..],
            b"1\n"
        );
        assert_eq!(
            &user::read_file(c"/sys/kernel/debug/scope/sub/second")?[..],
            b"2\n"
        );
        drop(scope);
        assert_eq!(
            user::open(c"/sys/kernel/debug/scope/sub/second"),
            Err(ENOENT)
        );
        Ok(())
    });
}

fn fill_and_panic<'a>(data: &'a u32, dir: &ScopedDir<'a, '_>) {
    dir.dir(c"sub").read_only_file(c"number", data);
    panic!("the maker panics");
}

#[test]
fn a_scope_whose_maker_panics_leaves_nothing() {
    alone(|| {
        let top = Dir::new(c"top");
        let made = catch_unwind(AssertUnwindSafe(|| {
            KBox::pin_init(top.scope(1, c"scope", fill_and_panic), GFP_KERNEL).map(|_| ())
        }));
        assert!(made.is_err());
        let path = c"/sys/kernel/debug/top/scope/sub/number";
        assert_eq!(user::open(path), Err(ENOENT));
        let made = catch_unwind(|| {
            KBox::pin_init(Scope::dir(1, c"scope", fill_and_panic), GFP_KERNEL).map(|_| ())
        });
        assert!(made.is_err());
        let path = c"/sys/kernel/debug/scope/sub/number";
        assert_eq!(user::open(path), Err(ENOENT));
        Ok(())
    });
}

#[test]
fn a_name_that_is_in_no_path_is_refused() {
    // A directory, and the memory that owns it.
    let two = |name| fail_nth(2, || drop(Dir::new(name))).1;
    alone(move || {
        assert!(two(c"..."));
        for name in [c"", c".", c"..", c"/", c"a/b"] {
            assert!(!two(name), "{name:?}");
        }
        Ok(())
    });
}

/// Shows that it is being read, and does not return before it may.
#[pin_data]
struct Slow {
    #[pin]
    begun: Completion,
    #[pin]
    may_end: Completion,
    done: Arc<Atomic<u32>>,
}

fn slowly(slow: &Slow, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    slow.begun.complete_all();
    slow.may_end.wait_for_completion();
    slow.done.store(1, Relaxed);
    f.write_str("slow\n")
}

#[test]
fn removing_a_file_waits_for_those_who_read_it() {
    alone(|| {
        let done = Arc::new(Atomic::<u32>::new(0), GFP_KERNEL)?;
        let dir = Dir::new(c"dir");
        let its = done.clone();
        let slow = pin_init!(Slow {
            begun <- Completion::new(),
            may_end <- Completion::new(),
            done: its,
        });
        let file = dir.read_callback_file(c"slow", slow, &slowly);
        let file = KBox::pin_init(file, GFP_KERNEL)?;
        let reader = spawn(|| {
            let fd = user::open(c"/sys/kernel/debug/dir/slow").unwrap();
            let mut text = [0; 8];
            assert_eq!(user::read(fd, &mut text), Ok(5));
            assert_eq!(user::close(fd), Ok(()));
        });
        file.begun.wait_for_completion();
        file.may_end.complete_all();
        drop(file);
        assert_eq!(done.load(Relaxed), 1);
        drop(reader);
        Ok(())
    });
}

#[test]
fn each_allocation_of_a_file_may_fail() {
    let fails = |nth| {
        move || {
            Ok::<_, Error>(fail_nth(nth, || -> Result<usize> {
                let dir = Dir::new(c"dir");
                let file = KBox::pin_init(dir.read_only_file(c"number", 7), GFP_KERNEL)?;
                let text = user::read_file(c"/sys/kernel/debug/dir/number")?;
                drop(file);
                Ok(text.len())
            }))
        }
    };
    // What is left when a machine ends is reported. Where a directory or a file cannot be made there
    // is none.
    for nth in 1.. {
        let (result, reached) = vcpu::fifo(fails(nth)).unwrap().unwrap();
        if !reached {
            assert_eq!(result, Ok(2));
            assert!(nth > 10, "{nth}");
            break;
        }
        assert!(matches!(result, Err(ENOENT | ENOMEM)), "{nth}: {result:?}");
    }
}

#[test]
fn the_memory_of_a_program_has_an_end() {
    alone(|| {
        let memory = UserMemory::new(8)?;
        let mut bytes = [0; 8];
        assert_eq!(memory.write(0, &[1; 8]), Ok(()));
        assert_eq!(memory.read(4, &mut bytes[..4]), Ok(()));
        assert_eq!(bytes, [1, 1, 1, 1, 0, 0, 0, 0]);
        assert_eq!(memory.read(1, &mut bytes), Err(EFAULT));
        assert_eq!(memory.read(usize::MAX, &mut bytes[..1]), Err(EFAULT));
        let addr = memory.addr();
        let slice = |len| UserSlice::new(UserPtr::from_addr(addr), len);
        let mut all = KVec::new();
        slice(8).read_all(&mut all, GFP_KERNEL)?;
        assert_eq!(&all[..], [1; 8]);
        assert_eq!(slice(9).read_all(&mut all, GFP_KERNEL), Err(EFAULT));
        memory.write(3, &[0])?;
        assert_eq!(
            slice(8).reader().strcpy_into_buf(&mut bytes)?,
            c"\x01\x01\x01"
        );
        assert_eq!(slice(2).reader().strcpy_into_buf(&mut bytes)?, c"\x01\x01");
        assert_eq!(
            slice(8).reader().strcpy_into_buf(&mut bytes[..2]),
            Err(ENAMETOOLONG)
        );
        let constant = UserMemory::constant(&[1])?;
        assert_eq!(constant.write(0, &[1]), Err(EFAULT));
        drop(memory);
        assert_eq!(slice(1).reader().read_slice(&mut bytes[..1]), Err(EFAULT));
        Ok(())
    });
}
