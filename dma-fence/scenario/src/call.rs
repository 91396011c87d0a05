// SPDX-License-Identifier: GPL-2.0-only
//! One command under way: its words, and what they stand for.

use crate::{
    fence::Fence,
    name::{valid, Kind, MAX_NAMES, SHAPE},
    number,
    outcome::{limit, list, quote, refuse, refused, Answer, Outcome, Refused},
    session::{Place, Session},
    statement::Statement,
    world::{
        callback::{CallbackObject, MAX_CALLBACKS},
        fence::{FenceKind, FencePtr, MAX_FENCES},
        World,
    },
};
use ::dma_fence::bindings::dma_fence;
use core::ptr::NonNull;
use std::{
    cell::RefCell,
    sync::{Arc, MutexGuard},
};

/// A command under way.
///
/// The fences that it names are busy until it is dropped, so that no other command drops the last
/// reference to one of them.
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

    /// Locks the state of the replay. The kernel must not be called while the guard lives.
    pub(crate) fn world(&self) -> MutexGuard<'a, World> {
        self.session.world()
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
            found => Err(refused!(
                index,
                "unexpected word: {}; expected {word} or nothing",
                quote(found)
            )),
        }
    }

    /// A signed number or a named error.
    pub(crate) fn signed(&self, index: usize) -> Result<i64, Refused> {
        self.signed_word(index, self.word(index))
    }

    /// As [`Call::signed`], for a part of word number `index`.
    pub(crate) fn signed_word(&self, index: usize, word: &[u8]) -> Result<i64, Refused> {
        number::signed(word).ok_or_else(|| {
            let hint = match word.strip_prefix(b"-") {
                Some(name) => self.world().suggestion(name, number::error_names()),
                None => String::new(),
            };
            refused!(
                index,
                "not a number: {}; expected a signed 64-bit number or an error such as -EIO{hint}",
                quote(word)
            )
        })
    }

    /// An unsigned number.
    pub(crate) fn unsigned(&self, index: usize) -> Result<u64, Refused> {
        let word = self.word(index);
        number::unsigned(word).ok_or_else(|| {
            refused!(
                index,
                "not a number: {}; expected 0 to {}, decimal or with 0x",
                quote(word),
                u64::MAX
            )
        })
    }

    /// A time in nanoseconds.
    pub(crate) fn time(&self, index: usize) -> Result<i64, Refused> {
        // CAST: A time is signed; the kernel converts it in the same way.
        Ok(self.unsigned(index)? as i64)
    }

    /// A name for a new object of this kind.
    pub(crate) fn new_name(&self, kind: Kind, index: usize) -> Result<&'a str, Refused> {
        let (word, noun) = (self.word(index), kind.noun());
        let name = valid(word)
            .ok_or_else(|| refused!(index, "not a name: {}; expected {SHAPE}", quote(word)))?;
        let names = &self.world().names;
        if names.find(kind, name).is_some() {
            refuse!(
                index,
                "{noun} {name} exists: expected a name of no other {noun}"
            );
        }
        limit(index, "names", names.len(), MAX_NAMES)?;
        Ok(name)
    }

    /// A name for a new fence, which must not be one too many.
    pub(crate) fn new_fence_name(&self, index: usize) -> Result<&'a str, Refused> {
        let name = self.new_name(Kind::Fence, index)?;
        limit(index, "fences", self.world().fences.len(), MAX_FENCES)?;
        Ok(name)
    }

    /// The place of what a name of this kind stands for.
    pub(crate) fn named(&self, kind: Kind, index: usize) -> Result<usize, Refused> {
        self.named_word(kind, index, self.word(index))
    }

    /// As [`Call::named`], for a name that is a part of word number `index`.
    pub(crate) fn named_word(
        &self,
        kind: Kind,
        index: usize,
        word: &[u8],
    ) -> Result<usize, Refused> {
        let (world, noun) = (self.world(), kind.noun());
        let place = valid(word).and_then(|name| world.names.find(kind, name));
        place.ok_or_else(|| {
            refused!(
                index,
                "no {noun} {}: expected the name of a {noun} declared above{}",
                quote(word),
                world.suggestion(word, world.names.of(kind))
            )
        })
    }

    /// The fence at this place in the table, to look at, unless it is destroyed.
    fn alive(&self, place: usize) -> Option<Fence<'_>> {
        let object = &self.world().fences[place];
        // SAFETY: The fence is not destroyed, and commands that only look at it do nothing that
        // could.
        (!object.gone).then(|| unsafe { Fence::new(place, object.ptr) })
    }

    /// A fence to look at: it must exist.
    pub(crate) fn peek(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let place = self.named(Kind::Fence, index)?;
        self.alive(place).ok_or_else(|| {
            refused!(
                index,
                "fence {} is gone: expected a fence that is not destroyed",
                quote(self.word(index))
            )
        })
    }

    /// The fences that this is made of: the members of an array, or what a node of a chain contains
    /// and the one before it.
    pub(crate) fn parts(&self, fence: Fence<'_>) -> Vec<Fence<'_>> {
        let parts = match fence.is_container() {
            true => fence.parts(),
            false => Vec::new(),
        };
        let places = parts
            .into_iter()
            .filter_map(|part| self.world().fences.at(part));
        places.filter_map(|place| self.alive(place)).collect()
    }

    /// The fences that an operation on all of these comes to, at most: see [`FenceKind::Container`].
    pub(crate) fn weight(&self, fences: &[Fence<'_>], index: usize) -> Result<usize, Refused> {
        const MOST: usize = 1 << 16;
        let weight = self.weight_of(fences);
        limit(index, "fences in fences", weight, MOST)?;
        Ok(weight)
    }

    fn weight_of(&self, fences: &[Fence<'_>]) -> usize {
        let weight = |fence: &Fence<'_>| match fence.kind(self.session) {
            FenceKind::Container(weight) => weight,
            _ => 1,
        };
        fences.iter().map(weight).sum()
    }

    /// A fence that a call has returned with a reference, which becomes the scenario's: known already,
    /// or new and then called `name`; it may be null. An array is of the kind of arrays.
    pub(crate) fn adopt(&self, name: &str, fence: *mut dma_fence, kind: FenceKind) -> Outcome {
        let Some(ptr) = NonNull::new(fence).map(FencePtr) else {
            return Answer::text("NULL");
        };
        let known = self.world().fences.at(fence);
        if let Some(place) = known {
            let mut world = self.world();
            world.names.add(Kind::Fence, name, place);
            let object = &mut world.fences[place];
            object.held += 1;
            return Answer::text(format!("same {}", object.name));
        }
        let place = self.add_fence(name, ptr, kind);
        let Some(array) = self.alive(place).filter(|fence| fence.is_container()) else {
            return Answer::text("stub");
        };
        let weight = self.weight_of(&self.parts(array));
        self.world().fences[place].kind = FenceKind::Container(weight);
        let names = array.members().into_iter().map(|f| self.name_at(f));
        Answer::text(format!("array {}", list(&names.collect::<Vec<_>>())))
    }

    /// A fence to call something with: the scenario must hold a reference, and keeps it until this
    /// command is over.
    pub(crate) fn fence(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let fence = self.peek(index)?;
        let object = &mut self.world().fences[fence.place];
        if object.held == 0 {
            refuse!(
                index,
                "the scenario holds no reference to {}: expected a fence that it has not put",
                object.name
            );
        }
        object.busy += 1;
        self.busy.borrow_mut().push(fence.place);
        Ok(fence)
    }

    /// As [`Call::fence`], or nothing for the word NULL.
    pub(crate) fn fence_or_null(&self, index: usize) -> Result<Option<Fence<'_>>, Refused> {
        if self.word(index) == b"NULL" {
            return Ok(None);
        }
        self.fence(index).map(Some)
    }

    /// As [`Call::fence`], for a call that takes the lock.
    pub(crate) fn lockable(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let fence = self.fence(index)?;
        self.check_lock(fence, index)?;
        Ok(fence)
    }

    /// As [`Call::lockable`], for a call that takes no lock of a signalled fence.
    pub(crate) fn lockable_unless_signaled(&self, index: usize) -> Result<Fence<'_>, Refused> {
        let fence = self.fence(index)?;
        if !fence.is_flagged() {
            self.check_lock(fence, index)?;
        }
        Ok(fence)
    }

    /// Refuses a call that would take the lock of the fence while it is held.
    pub(crate) fn check_lock(&self, fence: Fence<'_>, index: usize) -> Result<(), Refused> {
        if fence.is_locked(self.session) {
            refuse!(
                index,
                "deadlock: the lock of {} is held here; expected a fence with another lock",
                self.world().fences[fence.place].name
            );
        }
        if fence.is_container() {
            self.check_walk(index)?;
        }
        Ok(())
    }

    /// Refuses a call that goes from fence to fence, in a callback, while it might come to one that is
    /// locked and not signalled.
    pub(crate) fn check_walk(&self, index: usize) -> Result<(), Refused> {
        if self.place != Place::Callback {
            return Ok(());
        }
        let fences = self.world().fences.len();
        for place in 0..fences {
            let Some(fence) = self.alive(place) else {
                continue;
            };
            if !fence.is_flagged() && fence.is_locked(self.session) {
                refuse!(
                    index,
                    "deadlock: the lock of {} is held here, and it has not signalled; expected a call \
                     that goes to no other fence",
                    self.world().fences[place].name
                );
            }
        }
        Ok(())
    }

    /// A callback, which is declared if it is new.
    pub(crate) fn callback(&self, index: usize) -> Result<usize, Refused> {
        let name = valid(self.word(index));
        let known = name.and_then(|name| self.world().names.find(Kind::Callback, name));
        if let Some(place) = known {
            return Ok(place);
        }
        let name = self.new_name(Kind::Callback, index)?;
        let mut world = self.world();
        let place = world.callbacks.len();
        limit(index, "callbacks", place, MAX_CALLBACKS)?;
        world.callbacks.push(CallbackObject::new(place, name));
        world.names.add(Kind::Callback, name, place);
        Ok(place)
    }

    /// Adds a fence to the table, with the scenario's reference to it.
    pub(crate) fn add_fence(&self, name: &str, ptr: FencePtr, kind: FenceKind) -> usize {
        let mut world = self.world();
        let place = world.fences.add(name, ptr, kind);
        world.names.add(Kind::Fence, name, place);
        place
    }

    /// The first name of the fence at this address.
    pub(crate) fn name_at(&self, fence: *mut dma_fence) -> String {
        self.world().fences.name_at(fence).to_owned()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut world = self.world();
        for place in self.busy.take() {
            world.fences[place].busy -= 1;
        }
    }
}
