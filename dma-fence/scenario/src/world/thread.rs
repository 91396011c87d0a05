// SPDX-License-Identifier: GPL-2.0-only
//! The threads of a scenario.

use kernel::{sync::aref::ARef, task::Task};

/// The most threads that a scenario may start.
pub(crate) const MAX_THREADS: usize = 8;

/// A thread of the scenario.
pub(crate) struct ThreadObject {
    pub(crate) name: String,
    pub(crate) task: ARef<Task>,
    pub(crate) finished: bool,
}
