// SPDX-License-Identifier: GPL-2.0-only
//! What the ops of a fence do.

use super::{Core, Task, User};
use crate::model::call::{name, Call, EnableOp, Slot, Spec, WaitOp};

impl<C: Core> User<C> {
    fn spec(&self, slot: Slot) -> Option<Box<Spec>> {
        self.state().fences[slot].spec.clone()
    }

    fn op(&self, op: &str, slot: Slot, locked: bool, more: impl std::fmt::Display) {
        let locked = if locked { " locked" } else { "" };
        self.note(format_args!("! op {op} {}{locked}{more}", name(slot)));
    }

    /// The `enable_signaling` op.
    pub(crate) fn op_enable_signaling(&self, slot: Slot, locked: bool) -> bool {
        let does = self.spec(slot).and_then(|spec| spec.enable_signaling);
        let agrees = does == Some(EnableOp::Agrees);
        self.op(
            "enable_signaling",
            slot,
            locked,
            format_args!(" = {agrees}"),
        );
        if let Some(EnableOp::Fails(error)) = does {
            self.core
                .call(self, Task::Main, &Call::SetError(slot, error));
        }
        agrees
    }

    /// The `signaled` op.
    pub(crate) fn op_signaled(&self, slot: Slot, locked: bool) -> bool {
        let error = self.spec(slot).and_then(|spec| spec.signaled).flatten();
        let done = {
            let completes = &mut self.state().fences[slot].completes;
            let done = *completes == Some(0);
            *completes = completes.map(|left| left.saturating_sub(1));
            done
        };
        self.op("signaled", slot, locked, format_args!(" = {done}"));
        if let Some(error) = error.filter(|_| done) {
            self.core
                .call(self, Task::Main, &Call::SetError(slot, error));
        }
        done
    }

    /// The `wait` op: a value, or nothing if it waits in the default way.
    pub(crate) fn op_wait(
        &self,
        slot: Slot,
        locked: bool,
        timeout: i64,
        intr: bool,
    ) -> Option<i64> {
        let intr = if intr { " intr" } else { "" };
        self.op("wait", slot, locked, format_args!(" {timeout}{intr}"));
        match self.spec(slot).and_then(|spec| spec.wait) {
            Some(WaitOp::Fixed(value)) => Some(value),
            _ => None,
        }
    }

    /// The `release` op, which frees the fence.
    pub(crate) fn op_release(&self, slot: Slot, locked: bool) {
        self.op("release", slot, locked, "");
    }

    /// The `set_deadline` op.
    pub(crate) fn op_set_deadline(&self, slot: Slot, locked: bool, ns: i64) {
        self.op("set_deadline", slot, locked, format_args!(" {ns}"));
    }
}
