// SPDX-License-Identifier: GPL-2.0-only
//! The machine that the userspace kernel runs on: processors, threads, clock, memory, console.
//!
//! This is the only room in which the standard library is visible. What the rest of the crate
//! knows of the world it learns from here, so that another machine (a model checker's, say) can
//! take this one's place.
//!
//! A thread of the machine plays both the task and the processor that runs it: [`cpu`] holds
//! what the kernel keeps per processor, [`task`] what it keeps per task. Threads run freely,
//! unless a [`baton`] has been chosen for them.

extern crate std;

pub(crate) mod barrier;
pub(crate) mod baton;
pub(crate) mod clock;
pub(crate) mod console;
pub(crate) mod cpu;
pub(crate) mod explore;
pub(crate) mod heap;
pub(crate) mod report;
pub(crate) mod shadow;
pub(crate) mod site;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod worker;
