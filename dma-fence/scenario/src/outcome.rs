// SPDX-License-Identifier: GPL-2.0-only
//! The outcome of a command: an answer, or a refusal.

use crate::{name, number};

/// The outcome of a command.
pub(crate) type Outcome = Result<Answer, Refused>;

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// A context that stands before the text. It gets its name only when the answer is written,
    /// because contexts that the scenario did not allocate are numbered in the order in which they
    /// appear in the transcript.
    pub(crate) context: Option<u64>,
    /// The text, in ASCII.
    pub(crate) text: String,
}

/// A command that had no effect, since the scenario is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The offending word; the command itself is 0.
    pub(crate) word: usize,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

impl Answer {
    /// The answer of a call that returns nothing.
    pub(crate) fn ok() -> Outcome {
        Self::text("ok")
    }

    /// An answer in words.
    pub(crate) fn text(text: impl Into<String>) -> Outcome {
        Ok(Self {
            context: None,
            text: text.into(),
        })
    }

    /// `true` or `false`.
    pub(crate) fn bool(value: bool) -> Outcome {
        Self::text(if value { "true" } else { "false" })
    }

    /// A number, a named error by its name.
    pub(crate) fn number(value: impl Into<i64>) -> Outcome {
        Self::text(number::show(value.into()))
    }

    /// A context, and what follows it.
    pub(crate) fn context(context: u64, rest: impl Into<String>) -> Outcome {
        Ok(Self {
            context: Some(context),
            text: rest.into(),
        })
    }
}

/// A list as a transcript has it: `[a b c]`.
pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(" "))
}

/// A [`Refused`] of word number `$word`, with a message.
macro_rules! refused {
    ($word:expr, $($message:tt)+) => {
        $crate::outcome::Refused {
            word: $word,
            message: format!($($message)+),
        }
    };
}
/// Ends a command with a [`refused!`].
macro_rules! refuse {
    ($($refused:tt)+) => {
        return Err($crate::outcome::refused!($($refused)+))
    };
}
pub(crate) use {refuse, refused};

/// Refuses one thing more than `most`.
pub(crate) fn limit(word: usize, what: &str, made: usize, most: usize) -> Result<(), Refused> {
    if made >= most {
        refuse!(word, "too many {what}: expected at most {most}");
    }
    Ok(())
}

/// A word of the scenario in a message: any bytes, made printable and short.
pub(crate) fn quote(word: &[u8]) -> String {
    const SHOWN: usize = 40;
    let shown = word.get(..SHOWN).unwrap_or(word).escape_ascii();
    let more = if word.len() > SHOWN { "..." } else { "" };
    format!("{shown}{more}")
}

/// `; did you mean x?` if one of the candidates is close to the word.
pub(crate) fn suggestion<'a>(word: &[u8], candidates: impl Iterator<Item = &'a str>) -> String {
    const FARTHEST: usize = 2;
    let known = std::str::from_utf8(word).ok();
    let Some(word) = known.filter(|word| word.len() <= name::MAX_LENGTH) else {
        return String::new();
    };
    let farthest = FARTHEST.min(word.len() / 2);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= farthest)
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= farthest)
        .min()
        .map(|(_, candidate)| format!("; did you mean {candidate}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_gets_a_suggestion() {
        let commands = ["signal", "set_error", "get"];
        let suggest = |word: &[u8]| suggestion(word, commands.into_iter());
        assert_eq!(suggest(b"sginal"), "; did you mean signal?");
        assert_eq!(suggest(b"wibble"), "");
        assert_eq!(suggest(b"x"), "");
        assert_eq!(suggest(b"\xff"), "");
    }

    #[test]
    fn words_are_quoted_short_and_printable() {
        assert_eq!(quote(b"a\0\xff"), "a\\x00\\xff");
        assert_eq!(quote(&[b'x'; 100]).len(), 43);
    }
}
