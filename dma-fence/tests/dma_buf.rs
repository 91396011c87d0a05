// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that are shared by files: their fences, and what `dma_buf/bufinfo` shows. The texts and
//! results are those that Linux 7.3 gave for a buffer of udmabuf.

use dma_fence::{
    bindings::{
        dma_buf_get, dma_buf_put, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
        DMA_BUF_SET_NAME_B, DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE,
    },
    testing::{
        buffer::{self, export, set_name, Bufinfo},
        context, issue,
        sync::file_info,
        Plain,
    },
    Fence, SyncFile,
};
use kernel::{
    error::from_err_ptr,
    ffi::c_int,
    prelude::*,
    testing::{
        memory::{each_allocation_fails, fail_nth},
        user::{self, EPOLLIN},
        vcpu,
    },
    time::{delay::fsleep, Delta},
};
use std::string::String;

const EPOLLOUT: u32 = kernel::bindings::EPOLLOUT;

/// A descriptor of a new buffer.
fn buffer() -> Result<u32> {
    buffer::buffer(c"udmabuf", 16384)
}

/// Runs `body` in a machine of its own that has `bufinfo`.
#[track_caller]
fn alone(body: impl FnOnce() -> Result + Send + 'static) {
    let end = vcpu::fifo(|| {
        let _bufinfo = Bufinfo::new()?;
        body()
    });
    assert_eq!(end, Ok(Ok(())));
}

fn import(buffer: u32, flags: u32, fence: &Fence) -> Result {
    let fd = SyncFile::new(fence)?.install()?;
    let result = buffer::import(buffer, flags, fd);
    user::close(fd).and(result)
}

/// The file, with the numbers of buffers as a letter.
fn bufinfo() -> Result<String> {
    let text = user::read_file(c"/sys/kernel/debug/dma_buf/bufinfo")?;
    let text = String::from_utf8(text.to_vec()).unwrap();
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once("\tudmabuf\t") {
            Some((head, rest)) => {
                let (ino, name) = rest.split_once('\t').unwrap();
                assert!(ino.len() == 8 && ino.parse::<u64>().is_ok(), "{line}");
                out += &format!("{head}\tudmabuf\tINO\t{name}");
            }
            None => out += line,
        }
    }
    Ok(out)
}

const HEAD: &str = "\nDma-buf Objects:\n\
    size    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n";
const NONE: &str = "\nTotal 0 objects, 0 bytes\n";
const ONE: &str =
    "\tAttached Devices:\nTotal 0 devices attached\n\n\nTotal 1 objects, 16384 bytes\n";

#[test]
fn bufinfo_is_as_the_kernel_prints_it() {
    alone(|| {
        assert_eq!(bufinfo()?, format!("{HEAD}{NONE}"));
        let fd = buffer()?;
        let line = "00016384\t00000002\t02080007\t0000000";
        assert_eq!(
            bufinfo()?,
            format!("{HEAD}{line}1\tudmabuf\tINO\t<none>\n{ONE}")
        );
        let (one, other) = (context(Plain)?, context(Plain)?);
        let (w, r) = (issue(&one)?, issue(&other)?);
        import(fd, DMA_BUF_SYNC_WRITE, &w.1)?;
        import(fd, DMA_BUF_SYNC_READ, &r.1)?;
        set_name(fd, c"buffer")?;
        let [w_is, r_is] = [&w.1, &r.1].map(|fence| format!("{}:7", fence.context()));
        assert_eq!(
            bufinfo()?,
            format!(
                "{HEAD}{line}1\tudmabuf\tINO\tbuffer\n\
                 \twrite fence:{w_is} timeline driver unsignalled\n\
                 \tread fence:{r_is} timeline driver unsignalled\n{ONE}"
            )
        );
        w.0.signal(Ok(()));
        r.0.signal(Ok(()));
        // SAFETY: It takes any number; the reference is given back.
        let held = from_err_ptr(unsafe { dma_buf_get(fd as c_int) })?;
        assert_eq!(
            bufinfo()?,
            format!(
                "{HEAD}{line}2\tudmabuf\tINO\tbuffer\n\
                 \twrite fence:{w_is}   signalled\n\tread fence:{r_is}   signalled\n{ONE}"
            )
        );
        user::close(fd)?;
        // SAFETY: The reference is ours.
        unsafe { dma_buf_put(held) };
        assert_eq!(bufinfo()?, format!("{HEAD}{NONE}"));
        Ok(())
    });
}

#[test]
fn fences_go_in_and_come_out() {
    alone(|| {
        let fd = buffer()?;
        // Without a fence there is nothing to wait for.
        let none = export(fd, DMA_BUF_SYNC_WRITE)?;
        assert_eq!(file_info(none, 0)?.0.status, 1);
        let (one, other) = (context(Plain)?, context(Plain)?);
        let (w, r) = (issue(&one)?, issue(&other)?);
        import(fd, DMA_BUF_SYNC_WRITE, &w.1)?;
        import(fd, DMA_BUF_SYNC_READ, &r.1)?;
        let (read, write) = (
            export(fd, DMA_BUF_SYNC_READ)?,
            export(fd, DMA_BUF_SYNC_WRITE)?,
        );
        assert_eq!(file_info(read, 0)?.0.num_fences, 1);
        assert_eq!(file_info(write, 0)?.0.num_fences, 2);
        assert!(core::ptr::eq(&*SyncFile::get_fence(read)?, &*w.1));
        // Reading waits for those who write, writing for all.
        let ready = || user::poll(fd, EPOLLIN | EPOLLOUT, 0);
        assert_eq!(ready(), Ok(0));
        w.0.signal(Ok(()));
        assert_eq!(ready(), Ok(EPOLLIN));
        r.0.signal(Ok(()));
        assert_eq!(ready(), Ok(EPOLLIN | EPOLLOUT));
        [none, read, write, fd]
            .into_iter()
            .try_for_each(user::close)
    });
}

#[test]
fn each_mistake_has_its_errno() {
    alone(|| {
        let fd = buffer()?;
        for flags in [0, 4, 8] {
            assert_eq!(export(fd, flags), Err(EINVAL));
            assert_eq!(buffer::import(fd, flags, fd), Err(EINVAL));
        }
        assert_eq!(buffer::import(fd, DMA_BUF_SYNC_READ, fd), Err(EINVAL));
        assert_eq!(buffer::import(fd, DMA_BUF_SYNC_READ, 1000), Err(EINVAL));
        for cmd in [
            DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
            DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
            DMA_BUF_SET_NAME_B,
        ] {
            assert_eq!(user::ioctl(fd, cmd, 8), Err(EFAULT));
        }
        assert_eq!(user::ioctl(fd, 0x6263, 8), Err(ENOTTY));
        assert_eq!(
            set_name(fd, c"this name is much longer than thirty-two"),
            Err(EINVAL)
        );
        // SAFETY: It takes any number.
        unsafe {
            assert_eq!(from_err_ptr(dma_buf_get(1000)).err(), Some(EBADF));
            let file = SyncFile::new(&Fence::stub())?.install()?;
            assert_eq!(from_err_ptr(dma_buf_get(file as c_int)).err(), Some(EINVAL));
            user::close(file)?;
        }
        user::close(fd)
    });
}

/// The last reference is the callback's, which is called under the fence's lock: a worker ends the file.
#[test]
fn a_buffer_that_is_polled_may_be_closed() {
    alone(|| {
        let fd = buffer()?;
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        import(fd, DMA_BUF_SYNC_WRITE, &fence)?;
        assert_eq!(user::poll(fd, EPOLLIN, 0), Ok(0));
        user::close(fd)?;
        assert!(bufinfo()?.ends_with("Total 1 objects, 16384 bytes\n"));
        issued.signal(Ok(()));
        fsleep(Delta::from_millis(10));
        assert!(bufinfo()?.ends_with(NONE));
        Ok(())
    });
}

#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let (one, other) = (context(Plain)?, context(Plain)?);
            let (w, r) = (issue(&one)?, issue(&other)?);
            let (result, reached) = fail_nth(nth, || -> Result {
                let fd = buffer()?;
                let all = (|| {
                    import(fd, DMA_BUF_SYNC_WRITE, &w.1)?;
                    import(fd, DMA_BUF_SYNC_READ, &r.1)?;
                    user::close(export(fd, DMA_BUF_SYNC_WRITE)?)
                })();
                user::close(fd).and(all)
            });
            w.0.signal(Ok(()));
            r.0.signal(Ok(()));
            Ok::<_, Error>((result, reached))
        }
    };
    each_allocation_fails(15, fails);
}
