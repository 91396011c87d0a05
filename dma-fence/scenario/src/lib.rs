// SPDX-License-Identifier: GPL-2.0-only
//! The interpreter of the fence scenario language, on the C mirror.
//!
//! A scenario is a short text that makes dma_fence calls one after the other.
//! [`replay()`] runs it and writes a transcript: every command, and below it
//! everything that the command caused. Transcripts were recorded from the real
//! kernel, so an implementation of dma_fence conforms if it writes the same;
//! [`compare()`] tells.
//!
//! A replay is a machine with one processor and virtual time, in which the
//! commands at top are the first task and each `thread` is another. All it sees
//! of the kernel's doings it sees as a driver and as a tracing tool would: as
//! ops and callbacks that are called, and as trace events.

mod call;
mod callback;
mod command;
mod compare;
mod fence;
mod generate;
mod lock;
mod name;
mod number;
mod ops;
mod outcome;
mod probe;
mod recorder;
mod replay;
mod session;
mod stack;
mod statement;
mod thread;

pub use compare::{compare, compare_named};
pub use generate::{generate, scenario};
pub use replay::replay;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The transcript.
    pub transcript: Vec<u8>,
    /// The commands that were refused, in the order in which they ran; of more
    /// than ten thousand the first ten thousand.
    pub refusals: Vec<Refusal>,
    /// How many fences of the scenario there were after everything was put; a
    /// number other than 0 is a leak.
    pub live: usize,
    /// True if the host had no thread where the scenario needs one: the
    /// transcript is not what the fences would have made of it.
    pub no_thread: bool,
}

/// A command that was refused, and where it was written.
///
/// A command in a callback or a thread was written in the `callback` or
/// `thread` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: usize,
    /// The column of the offending word, in bytes, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}
