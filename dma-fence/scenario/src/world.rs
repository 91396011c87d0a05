// SPDX-License-Identifier: GPL-2.0-only
//! The state of a replay: its names, its objects, its transcript.

pub(crate) mod callback;
pub(crate) mod fence;
pub(crate) mod recorder;
pub(crate) mod resv;
pub(crate) mod thread;

use crate::{name::Names, outcome::suggestion};
use callback::CallbackObject;
use fence::{FencePtr, Fences};
use kernel::bindings::spinlock_t;
use recorder::Recorder;
use resv::ResvObject;
use std::{cell::Cell, sync::Arc};
use thread::ThreadObject;

/// The state of one replay. Tables only grow, so that a place in one stays what it is.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) recorder: Recorder,
    pub(crate) names: Names,
    /// The numbers of the contexts.
    pub(crate) contexts: Vec<u64>,
    pub(crate) fences: Fences,
    pub(crate) callbacks: Vec<CallbackObject>,
    /// Spinlocks that fences share; they live as long as the replay.
    pub(crate) locks: Vec<Arc<spinlock_t>>,
    pub(crate) resvs: Vec<ResvObject>,
    pub(crate) threads: Vec<ThreadObject>,
    pub(crate) refusals: Vec<Refusal>,
    /// Fences initialised and not destroyed, by the trace events.
    pub(crate) live: isize,
    /// Fences to which a walk has left a reference behind.
    pub(crate) walked_into: Vec<FencePtr>,
    /// Jiffies that the scenario has slept at top.
    pub(crate) slept: u64,
    /// The host had no thread where one was needed.
    pub(crate) no_thread: bool,
    /// Words that made no sense.
    mistakes: Cell<usize>,
}

/// A command that was refused, and where it was written.
///
/// A command in a callback or a thread was written in the `callback` or `thread` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: usize,
    /// The column of the offending word, in bytes, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl World {
    /// Keeps a refusal, unless there are too many to be read; the transcript has them all.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        const MAX_REFUSALS: usize = 10_000;
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(refusal);
        }
    }

    /// As [`suggestion`] for the first mistakes of a replay. Looking for one takes longer than all
    /// the rest, and a file with more mistakes is no scenario.
    pub(crate) fn suggestion<'a>(
        &self,
        word: &[u8],
        candidates: impl Iterator<Item = &'a str>,
    ) -> String {
        const MISTAKES: usize = 1000;
        if self.mistakes.replace(self.mistakes.get() + 1) < MISTAKES {
            suggestion(word, candidates)
        } else {
            String::new()
        }
    }
}
