// SPDX-License-Identifier: GPL-2.0-only
//! Commands that get fences which are signalled already.

use super::{top, Command};
use crate::{
    call::Call,
    name::Kind,
    outcome::{refuse, Answer, Outcome},
    world::fence::{FenceKind, FencePtr},
};
use ::dma_fence::bindings as c;
use core::ptr::NonNull;

pub(crate) const COMMANDS: &[Command] = &[
    top("get_stub", (1, 1), "NEW", |call| {
        let name = call.new_fence_name(1)?;
        // SAFETY: Any task may ask for the stub.
        let stub = unsafe { c::dma_fence_get_stub() };
        adopt(call, name, stub, FenceKind::SharedStub)
    }),
    top("allocate_private_stub", (2, 2), "NEW NANOSECONDS", |call| {
        let name = call.new_fence_name(1)?;
        let time = call.time(2)?;
        // SAFETY: At top sleeping is allowed.
        let stub = unsafe { c::dma_fence_allocate_private_stub(time) };
        adopt(call, name, stub, FenceKind::PrivateStub)
    }),
];

/// A fence that a call has returned with a reference, which becomes the scenario's: known already,
/// or new and then called `name`.
fn adopt(call: &Call<'_>, name: &str, fence: *mut c::dma_fence, kind: FenceKind) -> Outcome {
    let Some(ptr) = NonNull::new(fence).map(FencePtr) else {
        refuse!(0, "no memory for a fence: expected the host to have some");
    };
    let known = call.world().fences.at(fence);
    let Some(place) = known else {
        call.add_fence(name, ptr, kind);
        return Answer::text("stub");
    };
    let mut world = call.world();
    world.names.add(Kind::Fence, name, place);
    let object = &mut world.fences[place];
    object.held += 1;
    Answer::text(format!("same {}", object.name))
}
