// SPDX-License-Identifier: GPL-2.0-only
//! One command under way: its words, and what they stand for.

use crate::{
    fence::{Fence, FenceKind, FencePtr, MAX_FENCES},
    name::{valid, Kind, MAX_NAMES, SHAPE},
    number,
    outcome::{quote, suggestion, Refused},
    session::{Session, State},
    statement::Statement,
};
use std::{cell::RefCell, sync::Arc};

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Callback,
    Thread,
}

/// A command under way.
///
/// The fences that it names are busy until it is dropped, so that no other
/// command drops the last reference to one of them.
pub(crate) struct Call<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) statement: &'a Statement,
    pub(crate) place: Place,
    busy: RefCell<Vec<usize>>,
}

impl<'a> Call<'a> {
    /// Begins a command.
    pub(crate) fn new(session: &'a Arc<Session>, statement: &'a Statement, place: Place) -> Self {
        Self {
            session,
            statement,
            place,
            busy: RefCell::default(),
        }
    }

    /// The number of words, the command included.
    pub(crate) fn len(&self) -> usize {
        self.statement.len()
    }

    /// Word number `index`; the command itself is 0.
    pub(crate) fn word(&self, index: usize) -> &'a [u8] {
        self.statement.word(index)
    }

    /// Is this optional word there? Any other word in its place is refused.
    pub(crate) fn flag(&self, index: usize, word: &str) -> Result<bool, Refused> {
        match self.word(index) {
            b"" => Ok(false),
            found if found == word.as_bytes() => Ok(true),
            found => Err(Refused::new(
                index,
                format!(
                    "unexpected word: {}; expected {word} or nothing",
                    quote(found)
                ),
            )),
        }
    }

    /// A signed number or a named error.
    pub(crate) fn signed(&self, index: usize) -> Result<i64, Refused> {
        signed(self.word(index), index)
    }

    /// An unsigned number.
    pub(crate) fn unsigned(&self, index: usize) -> Result<u64, Refused> {
        let word = self.word(index);
        number::unsigned(word).ok_or_else(|| {
            Refused::new(
                index,
                format!(
                    "not a number: {}; expected 0 to {}, decimal or with 0x",
                    quote(word),
                    u64::MAX
                ),
            )
        })
    }

    /// A name for a new object of this kind.
    pub(crate) fn new_name(&self, kind: Kind, index: usize) -> Result<&'a str, Refused> {
        let word = self.word(index);
        let name = valid(word).ok_or_else(|| {
            Refused::new(
                index,
                format!("not a name: {}; expected {SHAPE}", quote(word)),
            )
        })?;
        let state = self.session.state();
        if state.names.find(kind, name).is_some() {
            let noun = kind.noun();
            return Err(Refused::new(
                index,
                format!("{noun} {name} exists: expected a name of no other {noun}"),
            ));
        }
        if state.names.room() == 0 {
            return Err(Refused::new(
                index,
                format!("too many names: expected at most {MAX_NAMES}"),
            ));
        }
        Ok(name)
    }

    /// A name for a new fence, for which there must be room.
    pub(crate) fn new_fence_name(&self, index: usize) -> Result<&'a str, Refused> {
        let name = self.new_name(Kind::Fence, index)?;
        if self.session.state().fences.len() >= MAX_FENCES {
            return Err(Refused::new(
                index,
                format!("too many fences: expected at most {MAX_FENCES}"),
            ));
        }
        Ok(name)
    }

    /// What the name of an object of this kind stands for.
    pub(crate) fn named(&self, kind: Kind, index: usize) -> Result<u64, Refused> {
        self.named_word(kind, index, self.word(index))
    }

    /// As [`Call::named`], for a name that is a part of word number `index`.
    pub(crate) fn named_word(&self, kind: Kind, index: usize, word: &[u8]) -> Result<u64, Refused> {
        let state = self.session.state();
        valid(word)
            .and_then(|name| state.names.find(kind, name))
            .ok_or_else(|| {
                let noun = kind.noun();
                Refused::new(
                    index,
                    format!(
                        "no {noun} {}: expected the name of a {noun} declared above{}",
                        quote(word),
                        suggestion(word, state.names.of(kind))
                    ),
                )
            })
    }

    /// A fence to look at: it must exist.
    pub(crate) fn peek(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let place = self.named(Kind::Fence, index)?;
        let state = self.session.state();
        let (place, object) = fence_object(&state, place, index)?;
        if object.gone {
            return Err(Refused::new(
                index,
                format!(
                    "fence {} is gone: expected a fence that is not destroyed",
                    quote(self.word(index))
                ),
            ));
        }
        // SAFETY: The fence is not destroyed, and commands that only look at it
        // do nothing that could.
        Ok(unsafe { Fence::new(place, object.ptr) })
    }

    /// A fence to call something with: the scenario must hold a reference, and
    /// keeps it until this command is over.
    pub(crate) fn fence(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let fence = self.peek(index)?;
        let mut state = self.session.state();
        if let Some(object) = state.fences.get_mut(fence.index) {
            if object.held == 0 {
                return Err(Refused::new(
                    index,
                    format!(
                        "the scenario holds no reference to {}: expected a fence that it \
                         has not put",
                        object.name
                    ),
                ));
            }
            object.busy += 1;
            self.busy.borrow_mut().push(fence.index);
        }
        Ok(fence)
    }

    /// As [`Call::fence`], or nothing for the word NULL.
    pub(crate) fn fence_or_null(&self, index: usize) -> Result<Option<Fence<'_>>, Refused> {
        if self.word(index) == b"NULL" {
            return Ok(None);
        }
        self.fence(index).map(Some)
    }

    /// The first name of the fence.
    pub(crate) fn name_of(&self, fence: Fence<'_>) -> String {
        self.session.state().fence_name(fence.as_ptr()).to_owned()
    }

    /// Adds a fence to the table, with the scenario's reference to it.
    pub(crate) fn add_fence(&self, name: &str, ptr: FencePtr, kind: FenceKind) -> usize {
        let mut state = self.session.state();
        let index = state.fences.len();
        state.names.add(Kind::Fence, name, index as u64);
        state.fences.push(crate::fence::FenceObject {
            ptr,
            name: name.to_owned(),
            held: 1,
            busy: 0,
            gone: false,
            kind,
        });
        index
    }

    /// Refuses a call that would take the lock of the fence while it is held.
    pub(crate) fn lockable(&self, fence: Fence<'_>, index: usize) -> Result<(), Refused> {
        if fence.is_locked(self.session) {
            return Err(Refused::new(
                index,
                format!(
                    "deadlock: the lock of {} is held here; expected a fence with another \
                     lock",
                    self.name_of(fence)
                ),
            ));
        }
        Ok(())
    }

    /// As [`Call::lockable`], for a call that takes no lock of a signalled fence.
    pub(crate) fn lockable_unless_signaled(
        &self,
        fence: Fence<'_>,
        index: usize,
    ) -> Result<(), Refused> {
        if fence.is_flagged() {
            return Ok(());
        }
        self.lockable(fence, index)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut state = self.session.state();
        for index in self.busy.take() {
            if let Some(object) = state.fences.get_mut(index) {
                object.busy -= 1;
            }
        }
    }
}

/// A signed number or a named error in word number `index`, or a part of it.
pub(crate) fn signed(word: &[u8], index: usize) -> Result<i64, Refused> {
    number::signed(word).ok_or_else(|| {
        let hint = match word.strip_prefix(b"-") {
            Some(name) => suggestion(name, number::error_names()),
            None => String::new(),
        };
        Refused::new(
            index,
            format!(
                "not a number: {}; expected a signed 64-bit number or an error such as -EIO{hint}",
                quote(word)
            ),
        )
    })
}

/// The entry of the table of fences that a name stands for.
fn fence_object(
    state: &State,
    place: u64,
    index: usize,
) -> Result<(usize, &crate::fence::FenceObject), Refused> {
    usize::try_from(place)
        .ok()
        .and_then(|place| Some((place, state.fences.get(place)?)))
        .ok_or_else(|| Refused::new(index, "no such fence: expected a fence declared above"))
}
