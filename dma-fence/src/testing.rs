// SPDX-License-Identifier: GPL-2.0-only
//! Userspace only: the rules, drivers that break them, and listening to all fences.
//!
//! [`RULES`] are the rules of the contract; [their pages](../../../book/rules/index.html) say why
//! each is there and how it is kept.

mod example;
mod listen;
mod mistake;
mod plain;
pub mod sync;

pub use super::contract::rules::{Check, ContractRule, Kept, RULES};

/// Returns how many fences of this machine the checks of the contract track: those that live, and a
/// few that were freed.
pub fn known_fences() -> usize {
    super::contract::known()
}

pub use self::{
    example::{expect_no_report, judge, Example},
    listen::{listen, Event, Kind, Listener, Listening, EVENTS},
    mistake::Mistake,
    plain::{context, issue, issue_arc, register, Plain, Registered},
};
