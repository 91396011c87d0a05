// SPDX-License-Identifier: GPL-2.0-only
//! Files, sw_sync and sync_file in little, until the kernel here has them.

use crate::protocol::{field, set_field, word};
use dma_fence::{CallbackError, Fence, FenceCallback, FenceCallbackRegistration, Ktime};
use kernel::{
    alloc::{flags::GFP_KERNEL, KBox},
    error::{
        code::{EBADF, EINVAL, ENOENT, ENOTTY},
        Result,
    },
    init::InPlaceInit,
    sync::{aref::ARef, rcu, Arc},
};
use std::{
    ffi::CString,
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
};
use sw_timeline::Timeline;

enum File {
    Timeline(Arc<Timeline>),
    Fences(Vec<u8>, Vec<ARef<Fence>>),
    Text,
}

pub(crate) struct Files {
    files: Vec<Option<File>>,
    comm: Vec<u8>,
}

struct Last<F: FnOnce() + Send + 'static> {
    left: std::sync::Arc<AtomicUsize>,
    wake: std::sync::Arc<Mutex<Option<F>>>,
}

impl<F: FnOnce() + Send + 'static> FenceCallback for Last<F> {
    fn on_signal(&mut self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(wake) = self.wake.lock().ok().and_then(|mut wake| wake.take()) {
                wake();
            }
        }
    }
}

/// Keeps the wake-up.
pub(crate) struct Waiting<F: FnOnce() + Send + 'static> {
    _all: Vec<Pin<KBox<FenceCallbackRegistration<Last<F>>>>>,
}

fn status(fence: &Fence) -> i32 {
    match fence.status() {
        None => 0,
        Some(Ok(())) => 1,
        Some(Err(error)) => error.to_errno(),
    }
}

fn text(text: &[u8]) -> [u8; 32] {
    let mut field = [0; 32];
    let length = text.len().min(31);
    field[..length].copy_from_slice(&text[..length]);
    field
}

fn merge(a: &[ARef<Fence>], b: &[ARef<Fence>]) -> Result<Vec<ARef<Fence>>> {
    let mut fences: Vec<ARef<Fence>> = Vec::new();
    let mut latest = Ktime::from_nanos(0);
    for fence in a.iter().chain(b) {
        if fence.is_signaled() {
            latest = fence.timestamp().map_or(latest, |at| at.max(latest));
        } else if let Some(same) = fences.iter_mut().find(|f| f.context() == fence.context()) {
            if fence.is_later_than(same) == Some(true) {
                *same = fence.clone();
            }
        } else {
            fences.push(fence.clone());
        }
    }
    if fences.is_empty() {
        fences.push(Fence::private_stub(latest)?);
    }
    Ok(fences)
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            files: Vec::new(),
            comm: Vec::new(),
        }
    }

    pub(crate) fn set_comm(&mut self, comm: &[u8]) {
        self.comm = comm.to_vec();
    }

    fn install(&mut self, file: File) -> u32 {
        self.files.push(Some(file));
        self.files.len() as u32 + 2
    }

    fn get(&self, fd: u32) -> Result<&File> {
        let at = (fd as usize).checked_sub(3).ok_or(EBADF)?;
        self.files.get(at).and_then(|f| f.as_ref()).ok_or(EBADF)
    }

    pub(crate) fn open(&mut self, path: &[u8]) -> Result<u32> {
        match path {
            b"/dev/sw_sync" | b"/sys/kernel/debug/sync/sw_sync" => {
                let name = CString::new(self.comm.clone()).unwrap_or_default();
                let timeline = Timeline::new(&name)?;
                Ok(self.install(File::Timeline(timeline)))
            }
            b"/sys/kernel/debug/sync/info" => Ok(self.install(File::Text)),
            _ => Err(ENOENT),
        }
    }

    pub(crate) fn close(&mut self, fd: u32) -> Result {
        self.get(fd)?;
        if let Some(File::Timeline(timeline)) = self.files[fd as usize - 3].take() {
            timeline.close();
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, fd: u32) -> Result<Vec<u8>> {
        match self.get(fd)? {
            File::Text => Ok(b"objs:\n--------------\nfences:\n--------------\n".into()),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn ioctl(&mut self, fd: u32, cmd: u32, b: &mut [u8], more: &mut [u8]) -> Result {
        match (self.get(fd)?, cmd) {
            (File::Timeline(timeline), 0xc028_5700) => {
                let file = File::Fences(vec![], vec![timeline.fence(word(b, 0))?]);
                let fd = self.install(file);
                set_field(b, 36, &fd.to_ne_bytes());
            }
            (File::Timeline(timeline), 0x4004_5701) => timeline.advance(word(b, 0)),
            (File::Fences(_, fences), 0xc030_3e03) => {
                if field(b, 40) != [0; 8] {
                    return Err(EINVAL);
                }
                let File::Fences(_, others) = self.get(word(b, 32)).map_err(|_| ENOENT)? else {
                    return Err(ENOENT);
                };
                let name = field::<32>(b, 0);
                let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]).to_vec();
                let fences = merge(fences, others)?;
                let fd = self.install(File::Fences(name, fences));
                set_field(b, 36, &fd.to_ne_bytes());
            }
            (File::Fences(name, fences), 0xc038_3e04) => {
                let all = fences.iter().map(|fence| status(fence));
                let all = all.fold(1, |so_far, one| if so_far <= 0 { so_far } else { one });
                let room = word(b, 40) as usize;
                if room != 0 {
                    if room < fences.len() {
                        return Err(EINVAL);
                    }
                    for (fence, info) in fences.iter().zip(more.chunks_mut(80)) {
                        let guard = rcu::read_lock();
                        set_field(info, 0, &text(fence.timeline_name(&guard).to_bytes()));
                        set_field(info, 32, &text(fence.driver_name(&guard).to_bytes()));
                        set_field(info, 64, &status(fence).to_ne_bytes());
                        let at = fence.timestamp().map_or(0, |at| at.as_nanos());
                        set_field(info, 72, &at.to_ne_bytes());
                    }
                }
                set_field(b, 0, &text(name));
                set_field(b, 32, &all.to_ne_bytes());
                set_field(b, 40, &(fences.len() as u32).to_ne_bytes());
            }
            _ => return Err(ENOTTY),
        }
        Ok(())
    }

    pub(crate) fn when_ready<F>(&self, fd: u32, wake: F) -> Result<Waiting<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let File::Fences(_, fences) = self.get(fd)? else {
            return Err(EINVAL);
        };
        let left = std::sync::Arc::new(AtomicUsize::new(fences.len()));
        let wake = std::sync::Arc::new(Mutex::new(Some(wake)));
        let mut all = Vec::new();
        for fence in fences {
            let last = Last {
                left: left.clone(),
                wake: wake.clone(),
            };
            match KBox::try_pin_init(FenceCallbackRegistration::new(fence, last), GFP_KERNEL) {
                Ok(registration) => all.push(registration),
                Err(CallbackError::AlreadySignaled(mut last)) => last.on_signal(),
                Err(CallbackError::Other(error)) => return Err(error),
            }
        }
        Ok(Waiting { _all: all })
    }
}
