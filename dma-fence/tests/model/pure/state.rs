// SPDX-License-Identifier: GPL-2.0-only
//! What the model's fences say of themselves.

use super::{Fault, Model, Owner, Time};
use crate::model::{
    call::{Query, Slot},
    user::{Answer, Core as _},
};

/// Nanoseconds of a jiffy.
const TICK_NSEC: i64 = 4_000_000;

impl Model {
    pub(super) fn get_rcu(&self, slot: Slot) -> bool {
        self.with(slot, |f| {
            let alive = f.refs > 0;
            f.refs += u32::from(alive);
            alive
        })
    }

    /// The bit, or else the op, which has the fence signalled if it says so.
    pub(super) fn is_signaled(&self, user: &Owner, slot: Slot) -> bool {
        if self.with(slot, |f| f.signaled) {
            return true;
        }
        let op = self.with(slot, |f| {
            f.spec.as_ref().is_some_and(|ops| ops.signaled.is_some())
        });
        let signaled = op && user.op_signaled(slot, self.lock_held(slot));
        if signaled {
            self.signal(user, slot, None);
        }
        signaled
    }

    fn status(&self, user: &Owner, slot: Slot) -> i32 {
        let signaled = self.is_signaled(user, slot);
        let error = self.with(slot, |f| f.error);
        match (signaled, error) {
            (false, error) if self.has(Fault::PendingErrorIsStatus) => error,
            (false, _) => 0,
            (true, 0) => 1,
            (true, error) => error,
        }
    }

    fn timestamp(&self, user: &Owner, slot: Slot) -> String {
        if slot == crate::model::call::STUB {
            return "clock".into();
        }
        let time = self.with(slot, |f| f.timestamp);
        let time = time.unwrap_or_else(|| {
            self.warn(user);
            Time::Clock(self.state().now)
        });
        match time {
            Time::Given(ns) => ns.to_string(),
            Time::Clock(jiffies) => format!("+{}", jiffies * TICK_NSEC),
        }
    }

    fn describe(&self, user: &Owner, slot: Slot) -> String {
        let before = self.names(slot);
        let signaled = self.is_signaled(user, slot);
        let (driver, timeline) = if self.has(Fault::DescribeAsksNamesFirst) {
            before
        } else if signaled {
            Default::default()
        } else {
            self.names(slot)
        };
        let (context, seqno) = self.with(slot, |f| (f.context, f.seqno));
        let un = if signaled { "" } else { "un" };
        format!("{context}:{seqno} {timeline} {driver} {un}signalled")
    }

    pub(super) fn ask(&self, user: &Owner, query: Query, f: Slot) -> Answer {
        match query {
            Query::TestSignaledFlag => Answer::value(self.with(f, |f| f.signaled)),
            Query::IsSignaled => Answer::value(self.is_signaled(user, f)),
            Query::IsSignaledLocked => Answer::value(self.locked(f, || self.is_signaled(user, f))),
            Query::GetStatus | Query::GetStatusLocked => {
                Answer::value(self.locked(f, || self.status(user, f)))
            }
            Query::Timestamp => Answer::value(self.timestamp(user, f)),
            Query::DriverName => Answer::value(self.names(f).0),
            Query::TimelineName => Answer::value(self.names(f).1),
            Query::Describe => Answer::value(self.describe(user, f)),
            Query::WasInitialized => Answer::value(true),
            Query::LockHeld => Answer::value(self.lock_held(f)),
        }
    }

    pub(super) fn set_deadline(&self, user: &Owner, slot: Slot, ns: i64) {
        let op = self.with(slot, |f| {
            f.attached && f.spec.as_ref().is_some_and(|ops| ops.set_deadline)
        });
        if !op {
            return;
        }
        let signaled = self.is_signaled(user, slot);
        if !signaled || self.has(Fault::DeadlineAfterSignal) {
            user.op_set_deadline(slot, self.lock_held(slot), ns);
        }
    }
}
