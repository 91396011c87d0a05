// SPDX-License-Identifier: GPL-2.0-only
//! Lines and words of a scenario.
//!
//! A scenario is any bytes at all: a word that is no name, no number and no command is refused
//! where it is looked at, not here. What is kept of a line is its tidy text, words separated by one
//! space, since that is what the transcript repeats, and for each word the column at which it
//! stood.

use std::ops::Range;

/// The most words that a line may have, the command included.
pub(crate) const MAX_WORDS: usize = 24;

/// The most bytes that the tidy text of a line may have.
pub(crate) const MAX_BYTES: usize = 199;

/// One command, with the place at which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    text: Vec<u8>,
    words: Vec<Word>,
}

/// A word: its place in the tidy text, and its column in the line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    range: Range<usize>,
    column: usize,
}

/// Is this byte a space between words?
///
/// The language names space and tab; the carriage return of a file from another system, and the
/// other white space of C, cannot be part of any valid word either and are not worth a refusal.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

impl Statement {
    /// The command in this line, if there is one.
    ///
    /// A line that begins with a space is an observation of a transcript and holds no command.
    pub(crate) fn parse(line: usize, raw: &[u8]) -> Option<Self> {
        if raw.first().copied().is_some_and(is_space) {
            return None;
        }
        let code = raw.split(|&byte| byte == b'#').next().unwrap_or_default();
        let mut text = Vec::new();
        let mut words = Vec::new();
        let mut column = 1;
        for piece in code.split(|&byte| is_space(byte)) {
            if !piece.is_empty() {
                if !text.is_empty() {
                    text.push(b' ');
                }
                // One word more than allowed is enough to tell that there are too many.
                if words.len() <= MAX_WORDS {
                    let start = text.len();
                    words.push(Word {
                        range: start..start + piece.len(),
                        column,
                    });
                }
                text.extend_from_slice(piece);
            }
            column += piece.len() + 1;
        }
        (!words.is_empty()).then_some(Self { line, text, words })
    }

    /// The command that a scenario without one ends with.
    pub(crate) fn end(line: usize) -> Self {
        Self {
            line,
            text: b"end".to_vec(),
            words: vec![Word {
                range: 0..3,
                column: 1,
            }],
        }
    }

    /// The words, separated by one space.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of words; of a line that has too many, one too many.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The word number `index`, or nothing if the line is shorter.
    pub(crate) fn word(&self, index: usize) -> &[u8] {
        self.words
            .get(index)
            .and_then(|word| self.text.get(word.range.clone()))
            .unwrap_or_default()
    }

    /// The column of word number `index`, or of the first if there is none.
    pub(crate) fn column(&self, index: usize) -> usize {
        self.words
            .get(index)
            .or(self.words.first())
            .map_or(1, |word| word.column)
    }

    /// The command that begins at word number `first`.
    pub(crate) fn tail(&self, first: usize) -> Self {
        let words = self.words.get(first..).unwrap_or_default();
        let start = words
            .first()
            .map_or(self.text.len(), |word| word.range.start);
        Self {
            line: self.line,
            text: self.text.get(start..).unwrap_or_default().to_vec(),
            words: words
                .iter()
                .map(|word| Word {
                    range: word.range.start - start..word.range.end - start,
                    column: word.column,
                })
                .collect(),
        }
    }
}

/// The commands of a scenario up to its `end`, which is added if it is missing.
pub(crate) fn statements(source: &[u8]) -> impl Iterator<Item = Statement> + '_ {
    let mut lines = source.split(|&byte| byte == b'\n').enumerate();
    let mut last = 1;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        for (index, raw) in lines.by_ref() {
            // A missing `end` belongs behind the last line that says anything.
            last = index + 1 + usize::from(!raw.is_empty());
            if let Some(statement) = Statement::parse(index + 1, raw) {
                ended = statement.text() == b"end";
                return Some(statement);
            }
        }
        ended = true;
        Some(Statement::end(last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &[u8]) -> Statement {
        Statement::parse(1, raw).expect("a command")
    }

    #[test]
    fn words_are_tidied_and_keep_their_columns() {
        let s = parse(b"fence\ta   A 1# one");
        assert_eq!(s.text(), b"fence a A 1");
        assert_eq!(s.len(), 4);
        assert_eq!(s.word(2), b"A");
        assert_eq!(s.column(2), 11);
        assert_eq!(s.column(3), 13);
        assert_eq!(s.word(4), b"");
    }

    #[test]
    fn lines_without_a_command_are_skipped() {
        for raw in [&b""[..], b"# x", b"  = ok", b"\tput a", b"\r", b" "] {
            assert_eq!(Statement::parse(1, raw), None, "{raw:?}");
        }
    }

    #[test]
    fn any_byte_may_stand_in_a_word() {
        let s = parse(b"put \0\xff\r");
        assert_eq!(s.text(), b"put \0\xff");
        assert_eq!(s.word(1), b"\0\xff");
    }

    #[test]
    fn a_tail_is_a_command_of_its_own_in_the_same_place() {
        let s = parse(b"callback c1  put   a").tail(2);
        assert_eq!(s.text(), b"put a");
        assert_eq!(s.word(0), b"put");
        assert_eq!(s.word(1), b"a");
        assert_eq!(s.column(1), 20);
        assert_eq!(s.tail(2).len(), 0);
    }

    #[test]
    fn words_beyond_the_limit_are_text_only() {
        let s = parse("x ".repeat(1000).as_bytes());
        assert_eq!(s.len(), MAX_WORDS + 1);
        assert_eq!(s.text().len(), 1999);
    }

    #[test]
    fn a_scenario_ends_at_end_or_gets_one() {
        let texts = |source: &[u8]| {
            statements(source)
                .map(|s| (s.line, s.text().to_vec()))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(b"end\nput a"), [(1, b"end".to_vec())]);
        assert_eq!(
            texts(b"lock L\n\n"),
            [(1, b"lock L".to_vec()), (3, b"end".to_vec())]
        );
        assert_eq!(
            texts(b"end now\n# end"),
            [(1, b"end now".to_vec()), (3, b"end".to_vec())]
        );
    }
}
