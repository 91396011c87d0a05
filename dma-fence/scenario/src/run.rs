// SPDX-License-Identifier: GPL-2.0-only
//! From a statement to the command that it names.

use crate::{
    call::Call,
    command::{
        array, chain, names, resv, setup, signalling, state, stubs, unwrap, waiting, Command, ANY,
    },
    outcome::{quote, refuse, refused, Outcome, Refused},
    session::{current, Place, Session},
    statement::{Statement, MAX_BYTES, MAX_WORDS},
    world::Refusal,
};
use std::sync::Arc;

fn commands() -> impl Iterator<Item = &'static Command> {
    let tables = [
        setup::COMMANDS,
        state::COMMANDS,
        signalling::COMMANDS,
        waiting::COMMANDS,
        names::COMMANDS,
        stubs::COMMANDS,
        array::COMMANDS,
        chain::COMMANDS,
        unwrap::COMMANDS,
        resv::COMMANDS,
    ];
    tables.into_iter().flatten()
}

/// The command called like word number `index` of the statement, which must be able to run at this
/// place.
fn find(
    session: &Session,
    statement: &Statement,
    index: usize,
    place: Place,
) -> Result<&'static Command, Refused> {
    let name = statement.word(index);
    let here = |command: &&Command| place == Place::Top || command.also == Some(place);
    let Some(command) = commands().find(|command| command.name.as_bytes() == name) else {
        let names = commands().filter(here).map(|command| command.name);
        let expected = match place {
            Place::Top => "such as context, fence or signal",
            Place::Callback => "that can run in a callback, such as get, put or signal",
            Place::Thread => "that waits, such as wait or wait_timeout",
        };
        refuse!(
            index,
            "no such command: {}; expected one {expected}{}",
            quote(name),
            session.world().suggestion(name, names)
        );
    };
    if here(&command) {
        return Ok(command);
    }
    let (here, expected) = match place {
        Place::Callback => ("a callback", "one that neither waits nor sets up objects"),
        Place::Thread => ("a thread", "one that waits"),
        Place::Top => ("this place", "another"),
    };
    Err(refused!(
        index,
        "{} cannot run in {here}; expected {expected}",
        command.name
    ))
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
    let bytes = statement.text().len();
    if bytes > MAX_BYTES {
        refuse!(
            0,
            "the line has {bytes} bytes; expected at most {MAX_BYTES}"
        );
    }
    if statement.len() > MAX_WORDS {
        refuse!(MAX_WORDS, "too many words; expected at most {MAX_WORDS}");
    }
    if place == Place::Callback && current(|_, stack| stack.has_room()) == Some(false) {
        refuse!(
            0,
            "callbacks are nested too deep; expected fewer that signal each other's fences"
        );
    }
    let command = find(session, statement, 0, place)?;
    let words = statement.len() - 1;
    let (least, most) = command.words;
    if !(least..=most).contains(&words) {
        refuse!(
            if words > most { most + 1 } else { 0 },
            "wrong number of words: expected {} behind {}: {}",
            count(command.words),
            command.name,
            command.usage
        );
    }
    if let Some(place) = command.inner.filter(|_| words > 1) {
        find(session, statement, 2, place)?;
    }
    (command.run)(&Call::new(session, statement, place))
}

/// Runs one command.
pub(crate) fn run(session: &Arc<Session>, statement: &Statement, place: Place) -> Outcome {
    let outcome = dispatch(session, statement, place);
    if let Err(refused) = &outcome {
        session.world().refuse(Refusal {
            line: statement.line,
            column: statement.column(refused.word),
            message: refused.message.clone(),
        });
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What asks Linux has a table of its own: name, words and place.
    #[test]
    fn linux_is_asked_in_the_same_language() {
        let theirs = include_str!("../../../scripts/record.d/commands.h")
            .lines()
            .filter_map(|line| line.strip_prefix("COMMAND("));
        let mut theirs: Vec<String> = theirs.map(|row| format!("COMMAND({row}")).collect();
        let word = |n| match n {
            ANY => "ANY".to_owned(),
            n => n.to_string(),
        };
        let mut ours: Vec<String> = commands()
            .map(|c| {
                let place = match c.also {
                    None | Some(Place::Top) => "AT_TOP",
                    Some(Place::Callback) => "IN_CALLBACK",
                    Some(Place::Thread) => "IN_THREAD",
                };
                let (least, most) = (word(c.words.0), word(c.words.1));
                format!("COMMAND({}, {least}, {most}, {place})", c.name)
            })
            .collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs);
    }

    /// The book marks by its letters where a command can run.
    #[test]
    fn the_book_has_all_commands() {
        let page = include_str!("../../../Documentation/scenarios.rst");
        for command in commands() {
            let name = command.name;
            let wanted = match command.also {
                None | Some(Place::Top) => vec![format!("*{name}* ")],
                Some(Place::Thread) => vec![format!("\n**{name}** ``")],
                Some(Place::Callback) => vec![format!("\n{name} ``"), format!(", {name} ``")],
            };
            assert!(
                wanted.iter().any(|text| page.contains(text)),
                "{name} is not in Documentation/scenarios.rst"
            );
        }
    }
}
