// SPDX-License-Identifier: GPL-2.0-only
//! Commands that get fences which are signalled already.

use super::{top, Command};
use crate::{
    call::Call,
    fence::{FenceKind, FencePtr},
    name::Kind,
    outcome::{Answer, Outcome, Refused},
};
use ::dma_fence::bindings as c;
use core::ptr::NonNull;

pub(super) const COMMANDS: &[Command] = &[
    top("get_stub", (1, 1), "NEW", get_stub),
    top(
        "allocate_private_stub",
        (2, 2),
        "NEW NANOSECONDS",
        allocate_private_stub,
    ),
];

/// A fence that a call has returned with a reference, which becomes the
/// scenario's: known already, or new and then called `name`.
fn adopt(call: &Call<'_>, name: &str, fence: *mut c::dma_fence, kind: FenceKind) -> Outcome {
    let Some(ptr) = NonNull::new(fence).map(FencePtr) else {
        return Answer::text("NULL");
    };
    let known = call.session.state().fence_at(fence);
    let Some(index) = known else {
        call.add_fence(name, ptr, kind);
        return Answer::text("stub");
    };
    let mut state = call.session.state();
    state.names.add(Kind::Fence, name, index as u64);
    if let Some(object) = state.fences.get_mut(index) {
        object.held += 1;
    }
    let first = state.fence_name(fence);
    Answer::text(format!("same {first}"))
}

fn get_stub(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    // SAFETY: May be called by anyone.
    let stub = unsafe { c::dma_fence_get_stub() };
    adopt(call, name, stub, FenceKind::SharedStub)
}

fn allocate_private_stub(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    // CAST: A time is signed; the kernel converts it in the same way.
    let time = call.unsigned(2)? as i64;
    // SAFETY: May be called where sleeping is allowed, which it is at top.
    let stub = unsafe { c::dma_fence_allocate_private_stub(time) };
    if stub.is_null() {
        return Err(Refused::new(0, "no memory for a fence"));
    }
    adopt(call, name, stub, FenceKind::PrivateStub)
}
