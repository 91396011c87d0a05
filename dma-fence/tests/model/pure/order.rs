// SPDX-License-Identifier: GPL-2.0-only
//! Which of the model's fences is later.

use super::{Fault, Model, Owner};
use crate::model::{
    call::{name, Order, Slot},
    user::Answer,
};

impl Model {
    pub(super) fn later_numbers(&self, slot: Slot, a: u64, b: u64) -> bool {
        let wide = self.with(slot, |f| f.spec.as_ref().is_some_and(|spec| spec.seqno64));
        if wide || self.has(Fault::NumbersDoNotWrap) {
            return a > b;
        }
        // Later by less than half of all 32-bit numbers.
        let ahead = (a as u32).wrapping_sub(b as u32);
        0 < ahead && ahead < 1 << 31
    }

    fn same_context(&self, user: &Owner, f: Slot, g: Slot) -> bool {
        let same = self.with(f, |f| f.context) == self.with(g, |g| g.context);
        if !same {
            self.warn(user);
        }
        same
    }

    fn is_later(&self, user: &Owner, f: Slot, g: Slot) -> bool {
        self.same_context(user, f, g) && {
            let (m, n) = (self.with(f, |f| f.seqno), self.with(g, |g| g.seqno));
            self.later_numbers(f, m, n)
        }
    }

    pub(super) fn compare(&self, user: &Owner, order: Order, f: Slot, g: Slot) -> Answer {
        match order {
            Order::IsLater => Answer::value(self.is_later(user, f, g)),
            Order::IsLaterOrSame => Answer::value(f == g || self.is_later(user, f, g)),
            Order::Later => {
                if !self.same_context(user, f, g) {
                    return Answer::value("NULL");
                }
                let later = if self.is_later(user, f, g) { f } else { g };
                Answer::value(if self.is_signaled(user, later) {
                    "NULL"
                } else {
                    name(later)
                })
            }
        }
    }
}
