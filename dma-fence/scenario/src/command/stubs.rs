// SPDX-License-Identifier: GPL-2.0-only
//! Commands that get fences which are signalled already.

use super::{top, Command};
use crate::world::fence::FenceKind;
use ::dma_fence::bindings as c;

pub(crate) const COMMANDS: &[Command] = &[
    top("get_stub", (1, 1), "NEW", |call| {
        let name = call.new_fence_name(1)?;
        // SAFETY: Any task may ask for the stub.
        let stub = unsafe { c::dma_fence_get_stub() };
        call.adopt(name, stub, FenceKind::SharedStub)
    }),
    top("allocate_private_stub", (2, 2), "NEW NANOSECONDS", |call| {
        let name = call.new_fence_name(1)?;
        let time = call.time(2)?;
        // SAFETY: At top sleeping is allowed.
        let stub = unsafe { c::dma_fence_allocate_private_stub(time) };
        call.adopt(name, stub, FenceKind::PrivateStub)
    }),
];
