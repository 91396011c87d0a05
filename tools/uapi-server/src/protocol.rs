// SPDX-License-Identifier: GPL-2.0-only
//! What the library in a program and the server say to each other, as
//! `scripts/suites.d/protocol.h` has it.

use kernel::error::Error;
use std::os::fd::OwnedFd;

/// The length of what a request begins with.
const HEAD: usize = 40;

/// The longest request: an ioctl's argument has less than 16 KiB.
pub(crate) const REQUEST_MAX: usize = HEAD + 0x4000;

const NOT_OURS: u32 = 0x10000;

/// What a program does.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    Open,
    Stat,
    Ioctl,
    Closed,
    Poll,
}

/// Where an ioctl's argument has what only one side knows; 0 if it has no such field.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// The descriptor of a file that it names; of the one that it is to name.
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// A pointer, and the number of elements that it points to, and their size.
    pub(crate) pointer: usize,
    pub(crate) count: usize,
    pub(crate) size: usize,
}

/// A program's request.
pub(crate) struct Request<'a> {
    pub(crate) op: Op,
    /// The number of an ioctl.
    pub(crate) word: u32,
    /// The inode of the descriptor, and of the one that the argument names.
    pub(crate) file: u64,
    pub(crate) other: u64,
    pub(crate) shape: Shape,
    pub(crate) argument: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, argument) = bytes.split_at_checked(HEAD)?;
        let op = match word(head, 0) {
            0 => Op::Open,
            1 => Op::Stat,
            2 => Op::Ioctl,
            3 => Op::Closed,
            4 => Op::Poll,
            _ => return None,
        };
        let offset = |n: usize| usize::from(u16::from_ne_bytes(field(head, 24 + 2 * n)));
        Some(Self {
            op,
            word: word(head, 4),
            file: u64::from_ne_bytes(field(head, 8)),
            other: u64::from_ne_bytes(field(head, 16)),
            shape: Shape {
                input: offset(0),
                output: offset(1),
                pointer: offset(2),
                count: offset(3),
                size: offset(4),
            },
            argument,
        })
    }
}

/// What a program gets.
#[derive(Default)]
pub(crate) struct Answer {
    /// An ioctl's argument, and what goes to where it points.
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// Why a program gets nothing.
pub(crate) enum Refusal {
    NotOurs,
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Error(Error::from_errno(-error.raw_os_error()))
    }
}

impl Refusal {
    /// What the reply begins with.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::NotOurs => NOT_OURS,
            Self::Error(error) => error.to_errno().unsigned_abs(),
        }
    }
}

/// Returns the bytes of a structure's field; zeroes where it has none.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let bytes = bytes.get(at..at + N);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or([0; N])
}

/// Returns a field of 32 bits.
pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(field(bytes, at))
}

/// Writes a structure's field, if it has it.
pub(crate) fn set_field(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}
