// SPDX-License-Identifier: GPL-2.0-only
//! The names of a scenario's objects, one name space for each kind.

use std::collections::HashMap;

/// The most names that a scenario may have.
pub(crate) const MAX_NAMES: usize = 384;

/// The longest name, in bytes.
pub(crate) const MAX_LENGTH: usize = 31;

/// The form of a name, for messages.
pub(crate) const SHAPE: &str =
    "a letter or _, then letters, digits, _ - or ., at most 31, not NULL";

/// The kind of object that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fence,
    Context,
    Lock,
    Callback,
    Thread,
    Resv,
}

impl Kind {
    /// The word for this kind of object in a message.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Context => "context",
            Self::Lock => "lock",
            Self::Callback => "callback",
            Self::Thread => "thread",
            Self::Resv => "reservation object",
        }
    }
}

/// The word as a name, if it is fit to be one.
pub(crate) fn valid(word: &[u8]) -> Option<&str> {
    let (first, rest) = word.split_first()?;
    let fits = (first.is_ascii_alphabetic() || *first == b'_')
        && rest
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        && word.len() <= MAX_LENGTH
        && word != b"NULL";
    // All of it is ASCII, so the conversion succeeds.
    fits.then(|| std::str::from_utf8(word).ok()).flatten()
}

/// All names so far. A name keeps its object until the scenario ends.
#[derive(Debug, Default)]
pub(crate) struct Names([HashMap<String, usize>; 6]);

impl Names {
    /// Returns the index of the named object in the table of its kind.
    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<usize> {
        self.0[kind as usize].get(name).copied()
    }

    /// Adds a name, which the caller knows to be free.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, place: usize) {
        self.0[kind as usize].insert(name.to_owned(), place);
    }

    /// Returns the number of names.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    /// The names of a kind, in no order.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.0[kind as usize].keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_three_signs() {
        for good in [&b"a"[..], b"_", b"A-1.b_c", &[b'x'; MAX_LENGTH]] {
            assert!(valid(good).is_some(), "{good:?}");
        }
        for bad in [
            &b""[..],
            b"NULL",
            b"1a",
            b"-a",
            b".a",
            b"a=b",
            b"a\0",
            b"\xc3\xa4",
            &[b'x'; MAX_LENGTH + 1],
        ] {
            assert!(valid(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn kinds_have_name_spaces_of_their_own() {
        let mut names = Names::default();
        names.add(Kind::Fence, "a", 1);
        names.add(Kind::Lock, "a", 2);
        assert_eq!(names.find(Kind::Fence, "a"), Some(1));
        assert_eq!(names.find(Kind::Lock, "a"), Some(2));
        assert_eq!(names.find(Kind::Thread, "a"), None);
        assert_eq!(names.len(), 2);
    }
}
