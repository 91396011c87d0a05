// SPDX-License-Identifier: GPL-2.0-only
//! Counts of all fences.

use super::listen::{Event, Kind, Listener};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts of all fences of the machine, while [`listen`](super::listen) tells them of these.
#[derive(Default)]
pub struct Books {
    created: AtomicUsize,
    signalled: AtomicUsize,
    in_error: AtomicUsize,
    destroyed: AtomicUsize,
}

impl Books {
    /// Empty books.
    pub const fn new() -> Self {
        Self {
            created: AtomicUsize::new(0),
            signalled: AtomicUsize::new(0),
            in_error: AtomicUsize::new(0),
            destroyed: AtomicUsize::new(0),
        }
    }

    /// Fences that were initialised.
    pub fn created(&self) -> usize {
        self.created.load(Relaxed)
    }

    /// Fences that have signalled, with or without an error.
    pub fn signalled(&self) -> usize {
        self.signalled.load(Relaxed)
    }

    /// Fences that have signalled with an error.
    pub fn in_error(&self) -> usize {
        self.in_error.load(Relaxed)
    }

    /// Fences that were initialised and whose last reference is not gone.
    pub fn live(&self) -> usize {
        self.created().saturating_sub(self.destroyed.load(Relaxed))
    }
}

impl Listener for Books {
    fn event(&self, event: &Event<'_>) {
        match event.kind {
            Kind::Init => &self.created,
            Kind::Signaled => &self.signalled,
            Kind::Destroy => &self.destroyed,
        }
        .fetch_add(1, Relaxed);
        if event.kind == Kind::Signaled && event.error.is_some() {
            self.in_error.fetch_add(1, Relaxed);
        }
    }
}
