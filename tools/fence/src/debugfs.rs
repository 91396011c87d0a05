// SPDX-License-Identifier: GPL-2.0-only
//! `fence debugfs`: a file of debugfs, as it is while programs use fences.

use crate::{
    failure::Failure,
    output::{complain, print},
};
use dma_fence::{
    bindings::{DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE},
    testing::{
        buffer::{buffer, import, set_name, Bufinfo},
        sync::merge,
    },
};
use kernel::{
    error::{code::ENOENT, Result},
    testing::{console, insmod, user},
};
use std::{
    ffi::CString,
    thread::{Builder, JoinHandle},
};
use sw_timeline::{CreateFenceData, SwTimeline, SW_SYNC_IOC_CREATE_FENCE, SW_SYNC_IOC_INC};

/// The files that there are.
pub(crate) const FILES: &[&str] = &["dma_buf/bufinfo", "sync/info"];

const ROOT: &str = "/sys/kernel/debug/";

/// Prints the file; returns the exit code.
pub(crate) fn run(path: &str) -> u8 {
    let level = console::set_loglevel(0);
    let text = while_programs_run(path);
    console::set_loglevel(level);
    match text {
        Ok(text) => print(&text),
        Err(Failure::Kernel(ENOENT)) => {
            let files = FILES.join(", ");
            complain(format_args!(
                "{path}: no such file, expected one of {files}"
            ));
            2
        }
        Err(failure) => {
            complain(format_args!("{path}: cannot be read: {failure}"));
            2
        }
    }
}

fn create(timeline: u32, value: u32) -> Result<u32> {
    let mut data: CreateFenceData = [0; 40];
    data[..4].copy_from_slice(&value.to_ne_bytes());
    user::ioctl_with(timeline, SW_SYNC_IOC_CREATE_FENCE, &mut data)?;
    Ok(data[36..]
        .first_chunk()
        .map_or(0, |fd| u32::from_ne_bytes(*fd)))
}

/// A program of that name, which has a timeline open with fences of these values.
fn program(name: &str, values: &'static [u32]) -> Result<Vec<u32>, Failure> {
    let task: JoinHandle<Result<Vec<u32>>> = Builder::new().name(name.into()).spawn(move || {
        let timeline = user::open(c"/dev/sw_sync")?;
        let fences = values.iter().map(|&value| create(timeline, value));
        let mut all = vec![timeline];
        for fence in fences {
            all.push(fence?);
        }
        Ok(all)
    })?;
    // A panic of the kernel's has been printed.
    task.join().map_or(Ok(Vec::new()), |fds| Ok(fds?))
}

/// Reads the file while a compositor waits for two clients, one of which has gone.
fn while_programs_run(path: &str) -> Result<Vec<u8>, Failure> {
    let path = CString::new(format!("{ROOT}{path}")).map_err(|_| ENOENT)?;
    let driver = insmod::<SwTimeline>()?;
    let _bufinfo = Bufinfo::new()?;
    let mut fds = Vec::new();
    let result = (|| {
        for (name, values) in [
            ("compositor", &[1, 2, 3][..]),
            ("game", &[60]),
            ("video-player", &[24, 25]),
        ] {
            fds.push(program(name, values)?);
        }
        let by =
            |fds: &[u32], n: u32| user::ioctl_with(fds[0], SW_SYNC_IOC_INC, &mut n.to_ne_bytes());
        by(&fds[0], 1)?;
        by(&fds[2], 24)?;
        // The next frame is when both are done; but the game ends.
        let frame = merge(c"frame", fds[1][1], fds[2][2])?;
        fds[0].push(frame);
        // They draw into a buffer each, and the screen is read until the compositor's next value.
        for (client, name, size) in [(1, c"game", 8 << 20), (2, c"video", 3 << 20)] {
            let shared = buffer(c"fake_gpu", size)?;
            fds[0].push(shared);
            set_name(shared, name)?;
            import(shared, DMA_BUF_SYNC_WRITE, fds[client][client])?;
            import(shared, DMA_BUF_SYNC_READ, fds[0][2])?;
        }
        user::close(fds[1].remove(0))?;
        Ok(user::read_file(&path)?.to_vec())
    })();
    for fd in fds.into_iter().flatten() {
        user::close(fd)?;
    }
    drop(driver);
    result
}
