// SPDX-License-Identifier: GPL-2.0-only
//! The descriptors of programs, each with the file here that it stands for.
//!
//! Programs poll their descriptors, and hand them to each other, without asking anyone; so they are
//! what behaves like the file in Linux:
//!
//! - a sync_file is the read end of a pipe, into which a byte is written when its fence signals;
//! - a file with a text is a memfd with it;
//! - any other is one end of a pair of sockets.
//!
//! The other end is here, and says when the last program has closed its own.

use crate::{
    drm::Drm,
    protocol::{field, set_field, word, Answer, Op, Refusal, Request},
    stand_in::{self, Waiting},
};
use kernel::error::code::{EINVAL, ENOENT};
use rustix::{
    event::{
        epoll::{self, EventData, EventFlags},
        poll, PollFd, PollFlags, Timespec,
    },
    fs::{fstat, memfd_create, seek, FileType, MemfdFlags, SeekFrom},
    io::write,
    net::{socketpair, AddressFamily, SocketFlags, SocketType},
    pipe::{pipe_with, PipeFlags},
};
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

/// More bytes than that go to no pointer of an argument.
const MORE_MAX: usize = 1 << 20;

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// What a descriptor stands for.
enum File {
    /// A file of the kernel's, by its descriptor there.
    Kernel(u32),
    Drm(Drm),
}

struct Open {
    file: File,
    /// The server's end.
    end: Arc<OwnedFd>,
    _waiting: Option<Waiting<Box<dyn FnOnce() + Send>>>,
}

/// All that is open, by the inodes of the programs' ends.
pub(crate) struct Files {
    kernel: stand_in::Files,
    open: BTreeMap<u64, Open>,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            kernel: stand_in::Files::new(),
            open: BTreeMap::new(),
        }
    }

    /// Does what a program asks for.
    pub(crate) fn request(&mut self, epoll: &OwnedFd, request: &Request<'_>) -> Result {
        match request.op {
            Op::Open => self.open(epoll, request.argument),
            Op::Stat => self.stat(request.argument),
            Op::Ioctl => self.ioctl(epoll, request),
            Op::Closed => {
                if let Some(open) = self.open.get(&request.file) {
                    let mut end = [PollFd::new(&open.end, PollFlags::empty())];
                    poll(&mut end, Some(&Timespec::default()))?;
                    if end[0].revents().contains(PollFlags::HUP) {
                        self.closed(request.file)?;
                    }
                }
                Ok(Answer::default())
            }
        }
    }

    /// The last program has closed it.
    pub(crate) fn closed(&mut self, inode: u64) -> kernel::error::Result {
        match self.open.remove(&inode).map(|open| open.file) {
            Some(File::Kernel(fd)) => self.kernel.close(fd),
            _ => Ok(()),
        }
    }

    fn open(&mut self, epoll: &OwnedFd, argument: &[u8]) -> Result {
        let (name, path) = argument.split_at_checked(16).ok_or(EINVAL)?;
        if Drm::is_at(path) {
            return self.pair(epoll, File::Drm(Drm));
        }
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        self.kernel.set_comm(name);
        let fd = self.kernel.open(path)?;
        let Ok(text) = self.kernel.read(fd) else {
            return self.pair(epoll, File::Kernel(fd));
        };
        self.kernel.close(fd)?;
        let file = memfd_create("text", MemfdFlags::CLOEXEC)?;
        write(&file, &text)?;
        seek(&file, SeekFrom::Start(0))?;
        Ok(Answer {
            descriptor: Some(file),
            ..Answer::default()
        })
    }

    /// What can be opened exists.
    fn stat(&mut self, path: &[u8]) -> Result {
        let (kind, device) = if Drm::is_at(path) {
            (FileType::CharacterDevice, Drm::DEVICE)
        } else {
            let fd = self.kernel.open(path)?;
            self.kernel.close(fd)?;
            (FileType::RegularFile, (0, 0))
        };
        let mode = kind.as_raw_mode() | 0o600;
        let words = [mode, device.0, device.1];
        Ok(Answer {
            bytes: words.map(u32::to_ne_bytes).concat(),
            ..Answer::default()
        })
    }

    fn ioctl(&mut self, epoll: &OwnedFd, request: &Request<'_>) -> Result {
        let open = self.open.get(&request.file).ok_or(Refusal::NotOurs)?;
        let (shape, mut bytes) = (request.shape, request.argument.to_vec());
        let elements = |bytes: &[u8]| match shape.count {
            0 => 0,
            at => (word(bytes, at) as usize)
                .saturating_mul(shape.size)
                .min(MORE_MAX),
        };
        let mut more = vec![0; elements(&bytes)];
        if shape.input != 0 {
            let named = self.open.get(&request.other).map(|open| &open.file);
            let Some(&File::Kernel(fd)) = named else {
                return Err(ENOENT.into());
            };
            set_field(&mut bytes, shape.input, &fd.to_ne_bytes());
        }
        match &open.file {
            File::Kernel(fd) => self
                .kernel
                .ioctl(*fd, request.word, &mut bytes, &mut more)?,
            File::Drm(drm) => drm.ioctl(request.word, &mut bytes, &mut more)?,
        }
        let mut descriptor = None;
        if shape.output != 0 {
            let fd = u32::from_ne_bytes(field(&bytes, shape.output));
            descriptor = self.pipe(epoll, fd)?.descriptor;
        }
        more.truncate(elements(&bytes));
        bytes.extend(more);
        Ok(Answer { bytes, descriptor })
    }

    /// A program gets a descriptor for a sync_file.
    fn pipe(&mut self, epoll: &OwnedFd, fd: u32) -> Result {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        let ours = Arc::new(ours);
        let end = ours.clone();
        let wake: Box<dyn FnOnce() + Send> = Box::new(move || {
            // Cannot fail, and cannot block: it is the first byte.
            let _ = write(&*end, b"s");
        });
        let waiting = self.kernel.when_ready(fd, wake)?;
        self.insert(epoll, theirs, ours, File::Kernel(fd), Some(waiting))
    }

    /// A program gets a descriptor that is never ready.
    fn pair(&mut self, epoll: &OwnedFd, file: File) -> Result {
        let (unix, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (theirs, ours) = socketpair(unix, kind, SocketFlags::CLOEXEC, None)?;
        self.insert(epoll, theirs, Arc::new(ours), file, None)
    }

    fn insert(
        &mut self,
        epoll: &OwnedFd,
        theirs: OwnedFd,
        end: Arc<OwnedFd>,
        file: File,
        waiting: Option<Waiting<Box<dyn FnOnce() + Send>>>,
    ) -> Result {
        let inode = fstat(&theirs)?.st_ino;
        // A hang-up is always told.
        epoll::add(
            epoll,
            end.as_fd(),
            EventData::new_u64(inode),
            EventFlags::empty(),
        )?;
        let open = Open {
            file,
            end,
            _waiting: waiting,
        };
        self.open.insert(inode, open);
        Ok(Answer {
            descriptor: Some(theirs),
            ..Answer::default()
        })
    }
}
