// SPDX-License-Identifier: GPL-2.0-only
//! The transcript, written in the order in which things happen.

use crate::outcome::{Answer, Outcome};
use std::collections::HashMap;

/// Writes the transcript of one replay.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    transcript: Vec<u8>,
    /// Names of contexts: those of the scenario, and `#1`, `#2`, ... for others that have appeared.
    contexts: HashMap<u64, String>,
    /// The number of contexts that were given a number.
    numbered: usize,
    /// Nothing is written any more: the scenario is over.
    muted: bool,
}

impl Recorder {
    /// Writes nothing more.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
    }

    /// Is the scenario over?
    pub(crate) fn is_muted(&self) -> bool {
        self.muted
    }

    /// Takes the transcript, leaving none.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.transcript)
    }

    /// The scenario has allocated this context and called it `name`.
    pub(crate) fn name_context(&mut self, context: u64, name: &str) {
        self.contexts.insert(context, name.to_owned());
    }

    fn context(&mut self, context: u64) -> &str {
        if context == 0 {
            return "stub";
        }
        let numbered = &mut self.numbered;
        self.contexts.entry(context).or_insert_with(|| {
            *numbered += 1;
            format!("#{numbered}")
        })
    }

    fn line(&mut self, pieces: &[&[u8]]) {
        if !self.muted {
            for piece in pieces {
                self.transcript.extend_from_slice(piece);
            }
            self.transcript.push(b'\n');
        }
    }

    /// A command at top.
    pub(crate) fn command(&mut self, text: &[u8]) {
        self.line(&[text]);
    }

    /// An observation.
    pub(crate) fn note(&mut self, text: &str) {
        self.line(&[b"  ", text.as_bytes()]);
    }

    /// The callback runs one of its commands.
    pub(crate) fn step(&mut self, prefix: &str, command: &[u8]) {
        self.line(&[b"  ", prefix.as_bytes(), command]);
    }

    /// The outcome of a command, after a prefix.
    pub(crate) fn outcome(&mut self, prefix: &str, outcome: &Outcome) {
        if self.muted {
            return;
        }
        let text = match outcome {
            Ok(Answer { context, text }) => {
                let context = context.map(|context| self.context(context).to_owned());
                format!("= {}{text}", context.unwrap_or_default())
            }
            Err(refused) => format!("? {}", refused.message),
        };
        self.line(&[b"  ", prefix.as_bytes(), text.as_bytes()]);
    }

    /// A trace event: its name, and what the tracepoint prints behind it.
    pub(crate) fn event(&mut self, name: &str, fields: &str) {
        const FIELD: &str = " context=";
        if self.muted {
            return;
        }
        let text = format!("{name} {fields}");
        let parts = text.split_once(FIELD).and_then(|(before, value)| {
            let digits = value.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = value.split_at(digits);
            Some((before, number.parse().ok()?, after))
        });
        match parts {
            Some((before, number, after)) => {
                let context = self.context(number).to_owned();
                self.note(&format!("~ {before}{FIELD}{context}{after}"));
            }
            None => self.note(&format!("~ {text}")),
        }
    }

    /// A line of the kernel log, of which warnings and worse are worth a note.
    pub(crate) fn log(&mut self, line: &str) {
        if line.starts_with("WARNING: ") {
            self.note("* WARN");
        } else if ["kernel BUG at", "BUG: ", "Oops"]
            .iter()
            .any(|start| line.starts_with(start))
        {
            self.note(&format!("* BUG {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_numbered_as_they_appear() {
        let mut recorder = Recorder::default();
        recorder.name_context(7, "A");
        recorder.event("init", "driver=d timeline=t context=9 seqno=1");
        recorder.event("init", "driver=d timeline=t context=7 seqno=1");
        recorder.event("init", "driver=d timeline=t context=0 seqno=1");
        recorder.outcome("! c: ", &Answer::context(8, ":1"));
        recorder.outcome("", &Answer::context(9, ""));
        assert_eq!(
            String::from_utf8(recorder.take()).as_deref(),
            Ok("  ~ init driver=d timeline=t context=#1 seqno=1\n  \
                ~ init driver=d timeline=t context=A seqno=1\n  \
                ~ init driver=d timeline=t context=stub seqno=1\n  \
                ! c: = #2:1\n  = #1\n")
        );
    }

    #[test]
    fn only_warnings_and_worse_are_noted() {
        let mut recorder = Recorder::default();
        recorder.log("------------[ cut here ]------------");
        recorder.log("WARNING: somewhere");
        recorder.log("not a WARNING: at all");
        recorder.log("BUG: bad");
        recorder.mute();
        recorder.log("WARNING: too late");
        assert_eq!(recorder.take(), b"  * WARN\n  * BUG BUG: bad\n");
    }
}
