// SPDX-License-Identifier: GPL-2.0-only
//! The rules of the contract: what is tracked of each fence, and what each report says.
//!
//! The C mirror tells this module what happens, one function of [`events`] for each event, and each
//! call is a statement of its own there. None of them calls into a driver or changes what the core
//! does, but for a call with what is no fence, which does nothing. What is known of a fence is kept
//! beside it, by its address (`record`); a fence that was made while nothing was checked is
//! unknown, and nothing is reported of it.
//!
//! | file | rules |
//! |---|---|
//! | `names` | names-in-one-rcu-section |
//! | `reach`, `freed` | grace-period-before-free, extern-lock-outlives |
//! | `ops` | no-driver-data-after-signal, unload-after-detach, callback-atomic |
//! | `state` | error-before-signal, compare-same-context, no-nested-containers, resv-reserve-first, signaled-monotonic |
//! | `progress` | not-before-done, context-order |
//! | `pending` | signal-eventually, release-signalled |
//! | `callback` | callback-once |
//! | `refs` | refcount, reference-left |
//!
//! Imports go one way: `events`, `watch`, `life`, then `pending` and `reach`, `refs`, `freed`,
//! `ops`, then `callback`, `progress`, `names` and `state`, `memory`, `record`,
//! `points`, `declared`, `known`, `rules`, `named`.

mod call;
mod callback;
mod declared;
mod events;
mod freed;
mod known;
mod life;
mod memory;
mod named;
mod names;
mod ops;
mod pending;
mod points;
mod progress;
mod reach;
mod record;
mod refs;
pub(crate) mod rules;
mod state;
mod watch;

pub(crate) use self::{call::Call, events::*, pending::set_limit as set_pending_limit};
