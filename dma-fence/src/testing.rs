// SPDX-License-Identifier: GPL-2.0-only
//! The door to what exists only in userspace: listening to all fences, and keeping books of them.
//!
//! [`RULES`] are the rules of the contract; [their pages](../../../book/rules/index.html) say why
//! each is there and how it is kept.

mod books;
mod example;
mod listen;

pub use super::contract::rules::{Check, ContractRule, Kept, RULES};

/// Fences of this machine of which the checks of the contract still know something: those that
/// live, and a few that are gone.
pub fn known_fences() -> usize {
    super::contract::known()
}

pub use self::{
    books::Books,
    example::{Driver, Example},
    listen::{listen, Event, Kind, Listener, Listening, EVENTS},
};
