// SPDX-License-Identifier: GPL-2.0-only
//! The commands of the language, a table for each part of it.
//!
//! A command is a function from its words to an answer or a refusal. It looks at all its words and
//! at everything that could be wrong before it calls the kernel, since a refused command must have
//! no effect.

pub(crate) mod array;
pub(crate) mod chain;
pub(crate) mod names;
pub(crate) mod resv;
pub(crate) mod setup;
pub(crate) mod signalling;
pub(crate) mod state;
pub(crate) mod stubs;
pub(crate) mod unwrap;
pub(crate) mod waiting;

use crate::{call::Call, outcome::Outcome, session::Place, statement::MAX_WORDS};

/// A command of the language.
pub(crate) struct Command {
    pub(crate) name: Text,
    /// The least and the greatest number of words behind the name.
    pub(crate) words: Words,
    /// A description of these words, for messages.
    pub(crate) usage: Text,
    /// The place at which it can run, besides at top.
    pub(crate) also: Option<Place>,
    /// The place at which the command after its second word runs, if there is one.
    pub(crate) inner: Option<Place>,
    pub(crate) run: Run,
}

type Run = fn(&Call<'_>) -> Outcome;
type Text = &'static str;
type Words = (usize, usize);

/// Any number of words.
pub(crate) const ANY: usize = MAX_WORDS - 1;

/// A command that runs at top only.
const fn top(name: Text, words: (usize, usize), usage: Text, run: Run) -> Command {
    Command {
        name,
        words,
        usage,
        also: None,
        inner: None,
        run,
    }
}

/// A command that runs in callbacks too.
const fn nested(name: Text, words: Words, usage: Text, run: Run) -> Command {
    Command {
        also: Some(Place::Callback),
        ..top(name, words, usage, run)
    }
}

/// A command that runs in threads too.
const fn threaded(name: Text, words: Words, usage: Text, run: Run) -> Command {
    Command {
        also: Some(Place::Thread),
        ..top(name, words, usage, run)
    }
}

/// A command that keeps another, which runs at this place.
const fn keeps(place: Place, command: Command) -> Command {
    Command {
        inner: Some(place),
        ..command
    }
}
