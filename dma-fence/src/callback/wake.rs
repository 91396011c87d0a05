// SPDX-License-Identifier: GPL-2.0-only
//! A callback that wakes a task.

use super::FenceCallback;
use kernel::{
    sync::aref::ARef,
    task::Task, //
};

/// Wakes a task when the fence signals; the task looks for itself whether that is what it waits
/// for.
pub struct Wake(ARef<Task>);

impl Wake {
    /// A callback that wakes `task`.
    pub fn new(task: ARef<Task>) -> Self {
        Self(task)
    }
}

impl FenceCallback for Wake {
    fn on_signal(&mut self) {
        self.0.wake_up();
    }
}
