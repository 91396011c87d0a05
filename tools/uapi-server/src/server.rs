// SPDX-License-Identifier: GPL-2.0-only
//! The server: connections, and what programs close or leave behind, in the order of time.

use crate::{
    files::Files,
    protocol::{Answer, Refusal, Request, REQUEST_MAX},
};
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    event::Timespec,
    fs::fstat,
    net::{
        self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        SocketAddrUnix, SocketFlags, SocketType,
    },
    process::{self, PidfdFlags, Resource},
};
use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    process::Child,
};

/// Inodes of sockets and pipes, which stand for all else that is waited for, have 32 bits.
const LISTENER: u64 = u64::MAX;
const CHILD: u64 = u64::MAX - 1;

/// The number of programs that may wait for a connection.
const BACKLOG: i32 = 512;

/// The server of one program, and of those that it starts.
pub(crate) struct Server {
    epoll: OwnedFd,
    listener: OwnedFd,
    connections: BTreeMap<u64, OwnedFd>,
    files: Files,
}

impl Server {
    /// Listens at the abstract socket of that name.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let mut limit = process::getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        process::setrlimit(Resource::Nofile, limit)?;
        let flags = SocketFlags::CLOEXEC;
        let (unix, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let listener = net::socket_with(unix, kind, flags, None)?;
        net::bind(
            &listener,
            &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        )?;
        net::listen(&listener, BACKLOG)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Self {
            epoll,
            listener,
            connections: BTreeMap::new(),
            files: Files::default(),
        })
    }

    /// Serves until the child has ended, and all that it had open is closed.
    pub(crate) fn serve(&mut self, child: &Child) -> io::Result<()> {
        let child = process::pidfd_open(process::Pid::from_child(child), PidfdFlags::empty())?;
        epoll::add(
            &self.epoll,
            &child,
            EventData::new_u64(CHILD),
            EventFlags::IN,
        )?;
        let mut timeout = None;
        loop {
            // One at a time: what a program closed before its request comes before it.
            let mut events = Vec::with_capacity(1);
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(0) => return Ok(()),
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            for event in events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    CHILD => {
                        epoll::delete(&self.epoll, &child)?;
                        timeout = Some(Timespec::default());
                    }
                    inode => match self.connections.remove(&inode) {
                        Some(connection) => self.answer(&connection)?,
                        None => self.files.closed(inode).map_err(|error| {
                            io::Error::other(format!("a file cannot be closed: {error:?}"))
                        })?,
                    },
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let connection = net::accept_with(&self.listener, SocketFlags::CLOEXEC)?;
        let inode = fstat(&connection)?.st_ino;
        let data = EventData::new_u64(inode);
        epoll::add(&self.epoll, &connection, data, EventFlags::IN)?;
        self.connections.insert(inode, connection);
        Ok(())
    }

    fn answer(&mut self, connection: &OwnedFd) -> io::Result<()> {
        let mut buffer = vec![0; REQUEST_MAX];
        // It may have been killed before it asked, or before it is answered.
        let length = net::recv(connection, &mut buffer[..], RecvFlags::empty()).map_or(0, |n| n.0);
        let Some(request) = Request::parse(&buffer[..length]) else {
            return Ok(());
        };
        let (number, answer) = match self.files.request(&self.epoll, &request) {
            Ok(answer) => (0, answer),
            Err(refusal) => (Refusal::number(&refusal), Answer::default()),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = answer.descriptor.as_ref().map(|fd| [fd.as_fd()]);
        if let Some(descriptors) = &descriptors {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let number = number.to_ne_bytes();
        let parts = [IoSlice::new(&number), IoSlice::new(&answer.bytes)];
        let _ = net::sendmsg(connection, &parts, &mut control, SendFlags::NOSIGNAL);
        Ok(())
    }
}
