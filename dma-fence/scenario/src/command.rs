// SPDX-License-Identifier: GPL-2.0-only
//! The commands of the language, a table for each part of it.
//!
//! A command is a function from its words to an answer or a refusal. It looks
//! at all its words and at everything that could be wrong before it calls the
//! kernel, since a refused command must have no effect.

mod later;
mod names;
mod setup;
mod signalling;
mod state;
mod stubs;
mod waiting;

use crate::{
    call::{Call, Place},
    outcome::{quote, suggestion, Outcome, Refused},
    session::{current, Session},
    statement::{Statement, MAX_BYTES, MAX_WORDS},
    Refusal,
};
use std::sync::Arc;

/// A command of the language.
struct Command {
    name: &'static str,
    /// The least and the greatest number of words behind the name.
    words: (usize, usize),
    /// What these words are, for messages.
    usage: &'static str,
    /// Where it can run, besides at top.
    also: Option<Place>,
    run: fn(&Call<'_>) -> Outcome,
}

/// Any number of words.
const ANY: usize = MAX_WORDS - 1;

/// All commands, by the parts of the language.
const TABLES: [&[Command]; 7] = [
    setup::COMMANDS,
    state::COMMANDS,
    signalling::COMMANDS,
    waiting::COMMANDS,
    names::COMMANDS,
    stubs::COMMANDS,
    later::COMMANDS,
];

/// A command that runs at top only.
const fn top(
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    run: fn(&Call<'_>) -> Outcome,
) -> Command {
    Command {
        name,
        words,
        usage,
        also: None,
        run,
    }
}

/// A command that runs in callbacks too.
const fn nested(
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    run: fn(&Call<'_>) -> Outcome,
) -> Command {
    Command {
        name,
        words,
        usage,
        also: Some(Place::Callback),
        run,
    }
}

/// A command that runs in threads too.
const fn threaded(
    name: &'static str,
    words: (usize, usize),
    usage: &'static str,
    run: fn(&Call<'_>) -> Outcome,
) -> Command {
    Command {
        name,
        words,
        usage,
        also: Some(Place::Thread),
        run,
    }
}

fn commands() -> impl Iterator<Item = &'static Command> {
    TABLES.into_iter().flatten()
}

/// The command called like word number `index` of the statement, which must be
/// able to run at this place.
fn find(statement: &Statement, index: usize, place: Place) -> Result<&'static Command, Refused> {
    let name = statement.word(index);
    let here = |command: &&Command| place == Place::Top || command.also == Some(place);
    let command = commands()
        .find(|command| command.name.as_bytes() == name)
        .ok_or_else(|| {
            let names = commands().filter(here).map(|command| command.name);
            let expected = match place {
                Place::Top => "such as context, fence or signal",
                Place::Callback => "that can run in a callback, such as get, put or signal",
                Place::Thread => "that waits, such as wait or wait_timeout",
            };
            Refused::new(
                index,
                format!(
                    "no such command: {}; expected one {expected}{}",
                    quote(name),
                    suggestion(name, names)
                ),
            )
        })?;
    if !here(&command) {
        let (here, expected) = match place {
            Place::Callback => ("a callback", "one that neither waits nor sets up objects"),
            Place::Thread => ("a thread", "one that waits"),
            Place::Top => ("this place", "another"),
        };
        return Err(Refused::new(
            index,
            format!("{} cannot run in {here}; expected {expected}", command.name),
        ));
    }
    Ok(command)
}

/// The number of words as a message has it.
fn count((least, most): (usize, usize)) -> String {
    let plural = |number| if number == 1 { "word" } else { "words" };
    match (least, most) {
        (least, most) if least == most => format!("{most} {}", plural(most)),
        (0, ANY) => "words".to_owned(),
        (least, ANY) => format!("at least {least} {}", plural(least)),
        (least, most) => format!("{least} to {most} words"),
    }
}

fn dispatch(session: &Arc<Session>, statement: &Statement, place: Place) -> Outcome {
    if statement.text().len() > MAX_BYTES {
        return Err(Refused::new(
            0,
            format!(
                "the line has {} bytes; expected at most {MAX_BYTES}",
                statement.text().len()
            ),
        ));
    }
    if statement.len() > MAX_WORDS {
        return Err(Refused::new(
            MAX_WORDS,
            format!("too many words; expected at most {MAX_WORDS}"),
        ));
    }
    if place == Place::Callback && current(|_, stack| stack.has_room()) == Some(false) {
        return Err(Refused::new(
            0,
            "callbacks are nested too deep; expected fewer that signal each other's fences",
        ));
    }
    let command = find(statement, 0, place)?;
    let words = statement.len() - 1;
    let (least, most) = command.words;
    if !(least..=most).contains(&words) {
        let extra = if words > most { most + 1 } else { 0 };
        return Err(Refused::new(
            extra,
            format!(
                "wrong number of words: expected {} behind {}: {}",
                count(command.words),
                command.name,
                command.usage
            ),
        ));
    }
    (command.run)(&Call::new(session, statement, place))
}

/// Runs one command.
pub(crate) fn run(session: &Arc<Session>, statement: &Statement, place: Place) -> Outcome {
    let outcome = dispatch(session, statement, place);
    if let Err(refused) = &outcome {
        session.state().refuse(Refusal {
            line: statement.line,
            column: statement.column(refused.word),
            message: refused.message.clone(),
        });
    }
    outcome
}
