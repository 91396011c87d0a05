// SPDX-License-Identifier: GPL-2.0-only
//! The commands of an engine.
#![forbid(unsafe_code)]

/// A command: two dwords, of which the first has the code in its highest byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Does nothing, in no time.
    Nop,
    /// Works for so many units.
    Work(u32),
    /// Writes the number back to memory, and raises the interrupt.
    Fence(u32),
    /// Waits until `ring` has written back `seqno`.
    Wait {
        /// Whose memory is looked at.
        ring: u32,
        /// The number that it has to reach.
        seqno: u32,
    },
    /// Does nothing any more, until it is reset.
    Hang,
    /// Stops with a complaint; as does a code that is none of these.
    Fault,
}

/// The bits of the first dword that are not the code.
const ARGUMENT: u32 = 0x00ff_ffff;

impl Command {
    /// The dwords of a command.
    pub const SIZE: u32 = 2;

    /// As the driver writes it.
    pub fn encode(self) -> [u32; 2] {
        let (code, low, argument) = match self {
            Command::Nop => (0, 0, 0),
            Command::Work(units) => (1, 0, units),
            Command::Fence(seqno) => (2, 0, seqno),
            Command::Wait { ring, seqno } => (3, ring & ARGUMENT, seqno),
            Command::Hang => (4, 0, 0),
            Command::Fault => (5, 0, 0),
        };
        [code << 24 | low, argument]
    }

    /// As the engine reads it.
    pub fn decode([first, argument]: [u32; 2]) -> Self {
        match first >> 24 {
            0 => Command::Nop,
            1 => Command::Work(argument),
            2 => Command::Fence(argument),
            3 => Command::Wait {
                ring: first & ARGUMENT,
                seqno: argument,
            },
            4 => Command::Hang,
            _ => Command::Fault,
        }
    }
}
