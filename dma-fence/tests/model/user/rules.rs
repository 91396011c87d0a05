// SPDX-License-Identifier: GPL-2.0-only
//! The rules of the API.

use super::{Core, User};
use crate::model::call::{Call, Order, Query, Signal, Slot, Wait, STUB};

impl<C: Core> User<C> {
    /// Does the command keep the rules of the API?
    pub(super) fn allowed(&self, call: &Call, nested: bool) -> bool {
        {
            let state = self.state();
            for slot in call.fences() {
                if !state.fences[slot].alive || state.fences[slot].held == 0 {
                    return false;
                }
            }
        }
        let free = |slot: Slot| !self.core.lock_held(slot);
        let free_or_signaled = |slot: Slot| free(slot) || self.signaled(slot);
        match call {
            Call::Init(spec) => !nested && !self.state().fences[spec.slot].alive,
            Call::PrivateStub(slot, _) => !nested && !self.state().fences[*slot].alive,
            Call::GetStub => true,
            Call::Get(_)
            | Call::GetRcu(_)
            | Call::Emit(_)
            | Call::CompareNumbers(..)
            | Call::Compare(Order::IsLater | Order::IsLaterOrSame, ..) => true,
            Call::Compare(Order::Later, f, g) => free_or_signaled(*f) && free_or_signaled(*g),
            Call::Put(f) | Call::PutGetRcu(f) => {
                let (held, busy) = {
                    let fence = &self.state().fences[*f];
                    (fence.held, fence.busy)
                };
                held > 1 || *f == STUB || (busy == 0 && free(*f))
            }
            Call::Signal(how, f) => match how {
                Signal::Plain | Signal::Timestamp(_) | Signal::Check => free(*f),
                Signal::Locked | Signal::TimestampLocked(_) | Signal::CheckLocked => true,
            },
            Call::EnableSignaling(f) => free(*f),
            Call::AddCallback(f, cb, _) => {
                !self.state().callbacks[*cb].pending && free_or_signaled(*f)
            }
            Call::RemoveCallback(f, cb) => {
                let added = {
                    let state = self.state();
                    state.callbacks[*cb].on == Some((*f, state.fences[*f].incarnation))
                };
                added && free(*f)
            }
            Call::SetError(f, _) => *f != STUB,
            Call::Ask(query, f) => match query {
                Query::IsSignaled | Query::Describe => free_or_signaled(*f),
                Query::GetStatus => free(*f),
                _ => true,
            },
            Call::SetDeadline(f, _) => free_or_signaled(*f),
            Call::Complete(f, _) => {
                let state = self.state();
                let spec = state.fences[*f].spec.as_ref();
                spec.is_some_and(|spec| spec.signaled.is_some())
            }
            Call::Wait(Wait::Forever(f, _)) => !nested && self.signaled(*f),
            Call::Wait(_) => !nested,
            Call::Thread(thread, _) => !nested && !self.state().threads[*thread].running,
            Call::Interrupt(thread) => !nested && self.state().threads[*thread].running,
            Call::ContextAlloc(_) | Call::Nothing(_) => true,
        }
    }
}
