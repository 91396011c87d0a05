// SPDX-License-Identifier: GPL-2.0-only
//! The interpreter of the fence scenario language, on the C mirror.
//!
//! A scenario is a short text that makes dma_fence calls one after the other. [`replay()`] runs it
//! and writes a transcript: every command, and below it everything that the command caused.
//! Transcripts were recorded from the real kernel, so an implementation of dma_fence conforms if it
//! writes the same; [`compare()`] tells.
//!
//! A replay is a machine with one processor and virtual time, in which the commands at top are the
//! first task and each `thread` is another. All it sees of the kernel's doings it sees as a driver
//! and as a tracing tool would: as ops and callbacks that are called, and as trace events.

mod call;
mod callback;
mod command;
mod compare;
mod fence;
mod generate;
mod name;
mod number;
mod ops;
mod outcome;
mod probe;
mod replay;
mod run;
mod session;
mod stack;
mod statement;
mod thread;
mod world;

pub use compare::{compare, compare_named};
pub use generate::{generate, scenario};
pub use replay::{graph, replay, Replay};
pub use world::Refusal;
