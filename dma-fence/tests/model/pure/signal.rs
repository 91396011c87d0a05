// SPDX-License-Identifier: GPL-2.0-only
//! How the model's fences signal and end.

use super::{Entry, Fault, Model, Owner, Time, EDEADLK};
use crate::model::{call::Slot, user::Core as _};

impl Model {
    /// Signals, with the lock held.
    pub(super) fn signal_locked(&self, user: &Owner, slot: Slot, timestamp: Option<i64>) {
        if self.with(slot, |f| f.signaled) {
            if self.has(Fault::SecondSignalMovesTimestamp) {
                let time = timestamp.map_or(Time::Clock(self.state().now), Time::Given);
                self.with(slot, |f| f.timestamp = Some(time));
            }
            return;
        }
        self.with(slot, |f| f.signaled = true);
        self.trace_ops(user, "signaled", slot);
        let keeps = self.with(slot, |f| {
            let ops = f.spec.as_ref();
            ops.is_some_and(|ops| ops.release || ops.wait.is_some())
        });
        if !keeps && !self.has(Fault::OpsStayAttached) {
            self.with(slot, |f| f.attached = false);
        }
        let time = timestamp.map_or(Time::Clock(self.state().now), Time::Given);
        let mut queue = self.with(slot, |f| {
            f.timestamp = Some(time);
            std::mem::take(&mut f.queue)
        });
        if self.has(Fault::CallbacksLastInFirstOut) {
            queue.make_contiguous().reverse();
        }
        if self.has(Fault::CallbacksRunTwice) {
            queue.extend(queue.clone());
        }
        for entry in queue {
            match entry {
                Entry::Callback(cb) => {
                    let (error, locked) = (self.with(slot, |f| f.error), self.lock_held(slot));
                    user.callback(cb, slot, error, locked);
                }
                Entry::Sleeper(task) => self.wake(task),
            }
        }
    }

    pub(super) fn signal(&self, user: &Owner, slot: Slot, timestamp: Option<i64>) {
        self.locked(slot, || self.signal_locked(user, slot, timestamp));
    }

    /// Enables signalling, with the lock held; false if the fence has signalled.
    pub(super) fn enable_locked(&self, user: &Owner, slot: Slot) -> bool {
        let first = self.with(slot, |f| !std::mem::replace(&mut f.enabled, true))
            || self.has(Fault::EnablesEachTime);
        if self.with(slot, |f| f.signaled) {
            return false;
        }
        let op = self.with(slot, |f| {
            f.spec
                .as_ref()
                .is_some_and(|ops| ops.enable_signaling.is_some())
        });
        if first && op {
            self.trace_ops(user, "enable_signal", slot);
            if !user.op_enable_signaling(slot, self.lock_held(slot))
                && !self.has(Fault::RefusalIgnored)
            {
                self.signal_locked(user, slot, None);
                return false;
            }
        }
        true
    }

    /// Adds an entry to the end of the queue; false if the fence has signalled.
    pub(super) fn add(&self, user: &Owner, slot: Slot, entry: Entry) -> bool {
        if self.with(slot, |f| f.signaled) {
            return false;
        }
        if self.has(Fault::AddPolls) && self.is_signaled(user, slot) {
            return false;
        }
        self.locked(slot, || {
            let pending = self.enable_locked(user, slot);
            if pending {
                self.with(slot, |f| f.queue.push_back(entry));
            }
            pending
        })
    }

    /// Takes an entry out of the queue; false if it was not there.
    pub(super) fn remove(&self, slot: Slot, entry: Entry) -> bool {
        self.with(slot, |f| {
            let before = f.queue.len();
            f.queue.retain(|&e| e != entry);
            f.queue.len() < before
        })
    }

    /// Drops a reference; true if it was the last.
    pub(super) fn put(&self, user: &Owner, slot: Slot) -> bool {
        let refs = self.with(slot, |f| {
            f.refs = f.refs.saturating_sub(1);
            f.refs
        });
        if refs > u32::from(self.has(Fault::PutDestroysEarly)) {
            return false;
        }
        user.destroyed(slot);
        self.trace(user, "destroy", slot);
        if self.with(slot, |f| !f.signaled && !f.queue.is_empty()) {
            self.warn(user);
            let error = if self.has(Fault::NoErrorOnRelease) {
                0
            } else {
                EDEADLK
            };
            self.with(slot, |f| f.error = error);
            self.signal(user, slot, None);
        }
        let op = self.with(slot, |f| {
            f.attached && f.spec.as_ref().is_some_and(|ops| ops.release)
        });
        if op {
            user.op_release(slot, self.lock_held(slot));
        }
        true
    }
}
