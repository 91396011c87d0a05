// SPDX-License-Identifier: GPL-2.0-only
//! A callback that completes a completion.

use super::FenceCallback;
use kernel::sync::{
    Arc,
    Completion, //
};

/// Completes a completion for all its waiters when the fence signals.
pub struct Complete(Arc<Completion>);

impl Complete {
    /// A callback that completes `completion`.
    pub fn new(completion: Arc<Completion>) -> Self {
        Self(completion)
    }
}

impl FenceCallback for Complete {
    fn on_signal(&mut self) {
        self.0.complete_all();
    }
}
