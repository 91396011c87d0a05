// SPDX-License-Identifier: GPL-2.0-only
//! What the implementation says of a fence.

use super::Mirror;
use crate::model::{
    call::{name, Order, Query, Slot, STUB},
    user::{Answer, Core as _},
};
use ::dma_fence::bindings::{self as c, dma_fence, seq_file};
use core::ffi::CStr;
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock},
    ffi::c_char,
    str::CStrExt as _,
};

impl Mirror {
    fn name(&self, slot: Slot, ask: unsafe fn(fence: *mut dma_fence) -> *const c_char) -> Answer {
        // SAFETY: The fence is alive, and the name is used in the section that it was asked for
        // in.
        unsafe {
            rcu_read_lock();
            let name = CStr::from_char_ptr(ask(self.fence(slot))).to_string_lossy();
            let answer = Answer::value(name);
            rcu_read_unlock();
            answer
        }
    }

    fn describe(&self, slot: Slot) -> Answer {
        let mut buffer = [0; 256];
        let mut seq = seq_file {
            buf: buffer.as_mut_ptr(),
            size: buffer.len(),
            count: 0,
        };
        // SAFETY: The fence is alive, and its lock free unless it has signalled; the buffer
        // outlives the call.
        unsafe { c::dma_fence_describe(self.fence(slot), &mut seq) };
        let text = String::from_utf8_lossy(&buffer[..seq.count]);
        match text.strip_suffix('\n') {
            Some(line) => Answer::value(line),
            None => Answer::value("no line"),
        }
    }

    fn timestamp(&self, slot: Slot) -> Answer {
        // SAFETY: The fence is alive.
        let ns = unsafe { c::dma_fence_timestamp(self.fence(slot)) };
        if slot == STUB {
            // Of the machine that asked for it first.
            return Answer::value("clock");
        }
        match ns - self.state().start {
            since if since >= 0 => Answer::value(format_args!("+{since}")),
            _ => Answer::value(ns),
        }
    }

    pub(super) fn ask(&self, query: Query, slot: Slot) -> Answer {
        let fence = self.fence(slot);
        // SAFETY: The fence is alive, and its lock free where these take it.
        unsafe {
            match query {
                Query::TestSignaledFlag => Answer::value(c::dma_fence_test_signaled_flag(fence)),
                Query::IsSignaled => Answer::value(c::dma_fence_is_signaled(fence)),
                Query::IsSignaledLocked => {
                    Answer::value(self.locked(slot, |f| c::dma_fence_is_signaled_locked(f)))
                }
                Query::GetStatus => Answer::value(c::dma_fence_get_status(fence)),
                Query::GetStatusLocked => {
                    Answer::value(self.locked(slot, |f| c::dma_fence_get_status_locked(f)))
                }
                Query::Timestamp => self.timestamp(slot),
                Query::DriverName => self.name(slot, c::dma_fence_driver_name),
                Query::TimelineName => self.name(slot, c::dma_fence_timeline_name),
                Query::Describe => self.describe(slot),
                Query::WasInitialized => Answer::value(c::dma_fence_was_initialized(fence)),
                Query::LockHeld => Answer::value(self.lock_held(slot)),
            }
        }
    }

    pub(super) fn compare(&self, order: Order, f: Slot, g: Slot) -> Answer {
        let (f, g) = (self.fence(f), self.fence(g));
        // SAFETY: The fences are alive, their locks free unless they have signalled.
        unsafe {
            match order {
                Order::IsLater => Answer::value(c::dma_fence_is_later(f, g)),
                Order::IsLaterOrSame => Answer::value(c::dma_fence_is_later_or_same(f, g)),
                Order::Later => {
                    let later = c::dma_fence_later(f, g);
                    Answer::value(match self.slot(later) {
                        _ if later.is_null() => "NULL",
                        Some(slot) => name(slot),
                        None => "unknown",
                    })
                }
            }
        }
    }
}
