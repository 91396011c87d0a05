// SPDX-License-Identifier: GPL-2.0-only
//! The memory that the driver and an engine share.
#![forbid(unsafe_code)]

use super::Command;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

/// The dwords of a ring.
pub const DWORDS: u32 = 128;

/// The commands of a ring, and how far its engine has got.
///
/// What is written back is the number and, in a second dword, its complement: only if these match
/// has all of it arrived.
pub struct RingMemory {
    commands: KVec<Atomic<u32>>,
    seqno: Atomic<u32>,
    complement: Atomic<u32>,
}

impl RingMemory {
    pub(super) fn new() -> Result<Self> {
        let mut commands = KVec::with_capacity(DWORDS as usize, GFP_KERNEL)?;
        for _ in 0..DWORDS {
            commands.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            commands,
            seqno: Atomic::new(0),
            complement: Atomic::new(!0),
        })
    }

    /// Writes a command at `at`, an index that runs freely, in dwords.
    pub fn put(&self, at: u32, command: Command) {
        for (n, dword) in (0..).zip(command.encode()) {
            // The engine reads it after it has read TAIL, written with Release: it
            // pairs with the Acquire of `tail` in engine.rs.
            self.dword(at, n).store(dword, Relaxed);
        }
    }

    pub(super) fn get(&self, at: u32) -> Command {
        Command::decode([0, 1].map(|n| self.dword(at, n).load(Relaxed)))
    }

    fn dword(&self, at: u32, n: u32) -> &Atomic<u32> {
        &self.commands[(at.wrapping_add(n) % DWORDS) as usize]
    }

    /// The last number that was written back; `None` if half of one is missing. From any context.
    pub fn seqno(&self) -> Option<u32> {
        // Pairs with the Release of `write_first` and `write_second`: a task that sees the number
        // sees all that the engine did before. With a real device: dma_rmb() after the loads.
        let complement = self.complement.load(Acquire);
        let seqno = self.seqno.load(Acquire);
        (seqno == !complement).then_some(seqno)
    }

    /// True if `seqno` was written back, or a later one. From any context.
    pub fn reached(&self, seqno: u32) -> bool {
        self.seqno()
            .is_some_and(|done| done.wrapping_sub(seqno) as i32 >= 0)
    }

    pub(super) fn write_first(&self, seqno: u32) {
        self.seqno.store(seqno, Release);
    }

    pub(super) fn write_second(&self, seqno: u32) {
        self.complement.store(!seqno, Release);
    }
}
