// SPDX-License-Identifier: GPL-2.0-only
//! The fences of a scenario, as the replay keeps them.

use ::dma_fence::bindings::dma_fence;
use core::{
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// The most fences that a scenario may create.
pub(crate) const MAX_FENCES: usize = 192;

/// A fence of the scenario.
pub(crate) struct FenceObject {
    pub(crate) ptr: FencePtr,
    /// The name it got first.
    pub(crate) name: String,
    /// References that belong to the scenario.
    pub(crate) held: usize,
    /// Commands under way that name it.
    pub(crate) busy: usize,
    /// The kernel has destroyed it.
    pub(crate) gone: bool,
    pub(crate) kind: FenceKind,
}

/// The command that created the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FenceKind {
    /// The command `fence`: its ops do what the script says.
    Scripted(Script),
    /// `get_stub`: the stub of the whole machine.
    SharedStub,
    /// `allocate_private_stub`.
    PrivateStub,
    /// One that is made of others: of so many, those in its members counted as often as they are
    /// there.
    Container(usize),
}

/// A script for the ops of a fence that the command `fence` created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// There is an enable_signaling op and it returns false.
    pub(crate) refuses: bool,
    /// The error that the enable_signaling op sets.
    pub(crate) enable_error: Option<i32>,
    /// The error that the signaled op sets when it returns true.
    pub(crate) signaled_error: Option<i32>,
    /// The signaled op returns true, after `polls_left` more polls.
    pub(crate) complete: bool,
    pub(crate) polls_left: u64,
    /// The number that the wait op returns in place of waiting.
    pub(crate) wait: Option<i64>,
}

/// A fence by its address, to be compared and kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FencePtr(pub(crate) NonNull<dma_fence>);

// SAFETY: An address; the fence itself may be used from any thread too.
unsafe impl Send for FencePtr {}

/// The table of fences.
#[derive(Default)]
pub(crate) struct Fences(Vec<FenceObject>);

impl Fences {
    /// Adds a fence, with the scenario's reference to it; returns its index.
    pub(crate) fn add(&mut self, name: &str, ptr: FencePtr, kind: FenceKind) -> usize {
        self.0.push(FenceObject {
            ptr,
            name: name.to_owned(),
            held: 1,
            busy: 0,
            gone: false,
            kind,
        });
        self.0.len() - 1
    }

    /// The place of the fence at this address, unless it is not one of the scenario's.
    pub(crate) fn at(&self, fence: *mut dma_fence) -> Option<usize> {
        self.0
            .iter()
            .rposition(|object| object.ptr.0.as_ptr() == fence && !object.gone)
    }

    /// The first name of the fence at this address.
    pub(crate) fn name_at(&self, fence: *mut dma_fence) -> &str {
        match self.at(fence) {
            _ if fence.is_null() => "NULL",
            Some(place) => &self.0[place].name,
            None => "(unnamed)",
        }
    }
}

impl Deref for Fences {
    type Target = [FenceObject];

    fn deref(&self) -> &[FenceObject] {
        &self.0
    }
}

impl DerefMut for Fences {
    fn deref_mut(&mut self) -> &mut [FenceObject] {
        &mut self.0
    }
}
