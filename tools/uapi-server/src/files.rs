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
    buffer::Buffer,
    drm::Drm,
    protocol::{set_field, word, Answer, Op, Refusal, Request},
};
use dma_fence::{CallbackError, FenceCallback, FenceCallbackRegistration, SyncFile};
use kernel::{
    alloc::{flags::GFP_KERNEL, KBox},
    error::{
        code::{EAGAIN, EINVAL},
        Error,
    },
    init::InPlaceInit,
    testing::user::{self, UserMemory},
};
use rustix::{
    event::epoll::{self, EventData, EventFlags},
    fs::{fstat, memfd_create, seek, FileType, MemfdFlags, SeekFrom},
    io::write,
    net::{socketpair, AddressFamily, SocketFlags, SocketType},
    pipe::{pipe_with, PipeFlags},
};
use std::{
    collections::BTreeMap,
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    thread,
};

/// More bytes than that go to no pointer of an argument.
const MORE_MAX: usize = 1 << 20;

/// Where Linux has the file of [`SW_SYNC`], which is a device here.
const SW_SYNC_IN_DEBUGFS: &[u8] = b"/sys/kernel/debug/sync/sw_sync";
const SW_SYNC: &[u8] = b"/dev/sw_sync";

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Writes a byte into the pipe of a sync_file.
struct Ready(Arc<OwnedFd>);

impl FenceCallback for Ready {
    fn on_signal(&mut self) {
        // Cannot fail, and cannot block: it is the first byte.
        let _ = write(&*self.0, b"s");
    }
}

/// What a descriptor stands for.
enum File {
    /// A file of the kernel's, by its descriptor there.
    Kernel(u32),
    Drm(Drm),
    Buffer(Buffer),
}

/// What an ioctl has made, for which the program gets a descriptor.
pub(crate) enum New {
    /// By its descriptor in the kernel.
    SyncFile(u32),
    Buffer(Buffer),
}

struct Open {
    file: File,
    /// The server's end, while there is a program's.
    _end: Arc<OwnedFd>,
    _ready: Option<Pin<KBox<FenceCallbackRegistration<Ready>>>>,
}

/// All that is open, by the inodes of the programs' ends.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<u64, Open>);

/// Opens a file of the kernel's, as the task of that name.
fn open_as(name: &[u8], path: &[u8]) -> Result<u32> {
    let path = if path == SW_SYNC_IN_DEBUGFS {
        SW_SYNC
    } else {
        path
    };
    let path = CString::new(path).map_err(|_| EINVAL)?;
    let task = thread::Builder::new().name(String::from_utf8_lossy(name).into_owned());
    let opened = thread::scope(|scope| {
        let task = task.spawn_scoped(scope, || user::open(&path));
        task.map_err(|_| EAGAIN)?.join().map_err(|_| EINVAL)?
    });
    Ok(opened?)
}

impl Files {
    /// Does what a program asks for.
    pub(crate) fn request(&mut self, epoll: &OwnedFd, request: &Request<'_>) -> Result {
        match request.op {
            Op::Open => self.open(epoll, request.argument),
            Op::Stat => stat(request.argument),
            Op::Ioctl => self.ioctl(epoll, request),
            // What hangs up comes before what is asked later.
            Op::Closed => Ok(Answer::default()),
            Op::Poll => match self.0.get(&request.file).map(|open| &open.file) {
                Some(File::Buffer(buffer)) => Ok(Answer {
                    bytes: buffer.poll().bits().to_ne_bytes().into(),
                    ..Answer::default()
                }),
                _ => Err(Refusal::NotOurs),
            },
        }
    }

    /// The last program has closed it.
    pub(crate) fn closed(&mut self, inode: u64) -> std::result::Result<(), Error> {
        match self.0.remove(&inode).map(|open| open.file) {
            Some(File::Kernel(fd)) => user::close(fd),
            _ => Ok(()),
        }
    }

    fn open(&mut self, epoll: &OwnedFd, argument: &[u8]) -> Result {
        let (name, path) = argument.split_at_checked(16).ok_or(EINVAL)?;
        if let Some(device) = Drm::device(path) {
            return self.pair(epoll, File::Drm(Drm::open(device)));
        }
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let fd = open_as(name, path)?;
        let mut part = [0; 512];
        let Ok(mut length) = user::read(fd, &mut part) else {
            return self.pair(epoll, File::Kernel(fd));
        };
        let text = memfd_create("text", MemfdFlags::CLOEXEC)?;
        while length > 0 {
            write(&text, &part[..length])?;
            length = user::read(fd, &mut part)?;
        }
        user::close(fd)?;
        seek(&text, SeekFrom::Start(0))?;
        Ok(Answer {
            descriptor: Some(text),
            ..Answer::default()
        })
    }

    fn ioctl(&mut self, epoll: &OwnedFd, request: &Request<'_>) -> Result {
        let (shape, mut bytes) = (request.shape, request.argument.to_vec());
        if shape.input != 0 {
            let named = self.0.get(&request.other).map(|open| &open.file);
            let fd = match named {
                Some(File::Kernel(fd)) => *fd,
                // A descriptor that has no file.
                _ => u32::MAX,
            };
            set_field(&mut bytes, shape.input, &fd.to_ne_bytes());
        }
        let elements = |bytes: &[u8]| match shape.count {
            0 => 0,
            at => (word(bytes, at) as usize)
                .saturating_mul(shape.size)
                .min(MORE_MAX),
        };
        let mut more = vec![0; elements(&bytes)];
        let open = self.0.get_mut(&request.file).ok_or(Refusal::NotOurs)?;
        let new = match &mut open.file {
            File::Kernel(fd) => {
                ioctl(*fd, request, &mut bytes, &mut more)?;
                (shape.output != 0).then(|| New::SyncFile(word(&bytes, shape.output)))
            }
            File::Drm(drm) => drm.ioctl(request.word, &mut bytes, &mut more)?,
            File::Buffer(buffer) => buffer.ioctl(request.word, &mut bytes)?.map(New::SyncFile),
        };
        let descriptor = match new {
            None => None,
            Some(New::SyncFile(fd)) => self.pipe(epoll, fd)?.descriptor,
            Some(New::Buffer(buffer)) => self.pair(epoll, File::Buffer(buffer))?.descriptor,
        };
        more.truncate(elements(&bytes));
        bytes.extend(more);
        Ok(Answer { bytes, descriptor })
    }

    /// A program gets a descriptor for a sync_file.
    fn pipe(&mut self, epoll: &OwnedFd, fd: u32) -> Result {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        let ours = Arc::new(ours);
        let file = SyncFile::from_fd(fd)?;
        let ready = FenceCallbackRegistration::new(file.fence(), Ready(ours.clone()));
        let ready = match KBox::try_pin_init(ready, GFP_KERNEL) {
            Ok(ready) => Some(ready),
            Err(CallbackError::AlreadySignaled(mut ready)) => {
                ready.on_signal();
                None
            }
            Err(CallbackError::Other(error)) => return Err(error.into()),
        };
        self.insert(epoll, theirs, ours, File::Kernel(fd), ready)
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
        ready: Option<Pin<KBox<FenceCallbackRegistration<Ready>>>>,
    ) -> Result {
        let inode = fstat(&theirs)?.st_ino;
        // That it hangs up is always told.
        let (data, flags) = (EventData::new_u64(inode), EventFlags::empty());
        epoll::add(epoll, end.as_fd(), data, flags)?;
        let open = Open {
            file,
            _end: end,
            _ready: ready,
        };
        self.0.insert(inode, open);
        Ok(Answer {
            descriptor: Some(theirs),
            ..Answer::default()
        })
    }
}

/// What can be opened exists.
fn stat(path: &[u8]) -> Result {
    let (kind, device) = match Drm::device(path) {
        Some(device) => (FileType::CharacterDevice, device),
        None => {
            user::close(open_as(b"stat", path)?)?;
            (FileType::RegularFile, (0, 0))
        }
    };
    let words = [kind.as_raw_mode() | 0o600, device.0, device.1];
    Ok(Answer {
        bytes: words.map(u32::to_ne_bytes).concat(),
        ..Answer::default()
    })
}

/// Makes a call on a file of the kernel's; the argument's pointer leads to `more` for that time.
fn ioctl(fd: u32, request: &Request<'_>, bytes: &mut [u8], more: &mut [u8]) -> Result<()> {
    let at = request.shape.pointer;
    if at == 0 {
        user::ioctl_with(fd, request.word, bytes)?;
        return Ok(());
    }
    let memory = UserMemory::new(more.len())?;
    set_field(bytes, at, &memory.addr().to_ne_bytes());
    user::ioctl_with(fd, request.word, bytes)?;
    memory.read(0, more)?;
    if let Some(pointer) = request.argument.get(at..at + 8) {
        set_field(bytes, at, pointer);
    }
    Ok(())
}
