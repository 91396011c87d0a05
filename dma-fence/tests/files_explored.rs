// SPDX-License-Identifier: GPL-2.0-only
//! Files of fences and buffers, and those of debugfs, under many schedules.
#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use dma_fence::{
    bindings::{DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE},
    testing::{
        buffer::{buffer, export, import, Bufinfo},
        context, issue_arc,
        sync::{file_info, merge},
        Plain,
    },
    SyncFile,
};
use kernel::{
    debugfs::Dir,
    fmt,
    prelude::*,
    sync::{Arc, Completion},
    testing::{
        explore, spawn,
        user::{self, EPOLLIN},
    },
};

/// Starts a task; it can be waited for.
fn start(body: impl FnOnce() + Send + 'static) -> Arc<Completion> {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
    let its = done.clone();
    spawn(move || {
        body();
        its.complete_all();
    });
    done
}

/// A poller that is not woken would wait forever, and the machine be stuck.
#[test]
fn no_poller_misses_the_signal() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let fd = SyncFile::new(&fence).unwrap().install().unwrap();
        let pollers = [(); 2].map(|()| {
            start(move || {
                assert_eq!(user::poll(fd, EPOLLIN, u64::MAX as usize), Ok(EPOLLIN));
            })
        });
        let signaller = start(move || issued.signal(Ok(())));
        for done in pollers {
            done.wait_for_completion();
        }
        signaller.wait_for_completion();
        user::close(fd).unwrap();
    });
}

#[test]
fn a_file_may_be_closed_in_the_middle() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let fd = SyncFile::new(&fence).unwrap().install().unwrap();
        drop(fence);
        let tasks = [
            start(move || {
                // It may have been closed.
                let _ = user::poll(fd, EPOLLIN, 0);
                let _ = file_info(fd, 1);
            }),
            start(move || {
                if let Ok(merged) = merge(c"merged", fd, fd) {
                    user::close(merged).unwrap();
                }
            }),
            start(move || user::close(fd).unwrap()),
            start(move || issued.signal(Ok(()))),
        ];
        for task in tasks {
            task.wait_for_completion();
        }
    });
}

#[test]
fn a_buffer_may_be_closed_in_the_middle() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let bufinfo = Bufinfo::new().unwrap();
        let fd = buffer(c"exporter", 4096).unwrap();
        let file = SyncFile::new(&fence).unwrap().install().unwrap();
        import(fd, DMA_BUF_SYNC_WRITE, file).unwrap();
        user::close(file).unwrap();
        let tasks = [
            start(move || {
                let _ = user::poll(fd, EPOLLIN, 0);
                if let Ok(file) = export(fd, DMA_BUF_SYNC_READ) {
                    user::close(file).unwrap();
                }
            }),
            start(move || {
                user::read_file(c"/sys/kernel/debug/dma_buf/bufinfo").unwrap();
            }),
            start(move || user::close(fd).unwrap()),
            start(move || issued.signal(Ok(()))),
        ];
        for task in tasks {
            task.wait_for_completion();
        }
        drop(bufinfo);
    });
}

#[test]
fn no_poller_of_a_buffer_misses_the_signal() {
    explore(|| {
        let context = context(Plain).unwrap();
        let (issued, fence) = issue_arc(&context).unwrap();
        let fd = buffer(c"exporter", 4096).unwrap();
        let file = SyncFile::new(&fence).unwrap().install().unwrap();
        import(fd, DMA_BUF_SYNC_WRITE, file).unwrap();
        user::close(file).unwrap();
        let pollers = [(); 2].map(|()| {
            start(move || {
                assert_eq!(user::poll(fd, EPOLLIN, u64::MAX as usize), Ok(EPOLLIN));
            })
        });
        issued.signal(Ok(()));
        for done in &pollers {
            done.wait_for_completion();
        }
        user::close(fd).unwrap();
    });
}

/// What a file shows is there as long as it is being read.
struct Shown(Option<KBox<u32>>);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0 = None;
    }
}

fn show(shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = shown.0.as_ref().ok_or(fmt::Error)?;
    writeln!(f, "{}", **number)
}

#[test]
fn a_file_of_debugfs_may_be_removed_in_the_middle() {
    explore(|| {
        let dir = Dir::new(c"dir");
        let shown = Shown(Some(KBox::new(7, GFP_KERNEL).unwrap()));
        let file = dir.read_callback_file(c"file", shown, &show);
        let file = KBox::pin_init(file, GFP_KERNEL).unwrap();
        let readers = [(); 2].map(|()| {
            start(|| match user::read_file(c"/sys/kernel/debug/dir/file") {
                Ok(text) => assert_eq!(&text[..], b"7\n"),
                Err(error) => assert!(matches!(error, ENOENT | EIO)),
            })
        });
        drop(file);
        for done in readers {
            done.wait_for_completion();
        }
    });
}
