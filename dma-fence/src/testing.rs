// SPDX-License-Identifier: GPL-2.0-only
//! What exists only in userspace: the rules, drivers that break them, and listening to all fences.
//!
//! [`RULES`] are the rules of the contract; [their pages](../../../book/rules/index.html) say why
//! each is there and how it is kept.

mod example;
mod listen;
mod plain;

pub use super::contract::rules::{Check, ContractRule, Kept, RULES};

/// The number of fences of this machine that the checks of the contract still track: those that
/// live, and a few that are gone.
pub fn known_fences() -> usize {
    super::contract::known()
}

pub use self::{
    example::{expect_no_report, judge, Driver, Example},
    listen::{listen, Event, Kind, Listener, Listening, EVENTS},
    plain::{context, Plain},
};
