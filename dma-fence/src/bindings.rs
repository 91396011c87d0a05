// SPDX-License-Identifier: GPL-2.0-only
//! The C API of dma-fence, under its C names.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)
//!
//! In Linux this is `drivers/dma-buf`, and the safe half of this crate sits on bindgen's view of
//! it. Here it is the thing itself: the same names, the same layout, the same order of events.
//! A function's body is found under its C name and works on the raw pointer that it was passed,
//! since a driver that embeds a fence finds its own structure from that very pointer.
//!
//! # Safety
//!
//! Unless a function says otherwise, a fence that is passed in was initialised by
//! [`dma_fence_init`] and the caller holds a reference to it, and a callback that is passed in is
//! valid until it has run or was removed. A function that only reads or writes a field of the fence
//! needs no reference, but only a valid fence. That is all; a function of C that is passed neither
//! is unsafe as bindgen has it, and has no preconditions. "From any context" includes hard
//! interrupts and callers that hold other locks; "takes the lock" means that of the fence.

// What is needed of all functions is said above, once.
#![allow(
    clippy::missing_safety_doc,
    non_camel_case_types,
    non_upper_case_globals
)]

mod annotate;
mod callback;
mod container;
mod context;
mod deadline;
mod describe;
// Its name in C is that of its structure.
#[path = "bindings/dma_buf.rs"]
mod buffer;
mod fence;
// Its name in C is that of its structure.
#[path = "bindings/sync_file.rs"]
mod file;
mod init;
mod names;
mod order;
mod refs;
mod resv;
mod signal;
mod signalling;
mod state;
mod stub;
mod trace;
mod wait;
mod wait_any;

pub use self::{
    annotate::*, buffer::*, callback::*, container::*, context::*, deadline::*, describe::*,
    fence::*, file::*, init::*, names::*, order::*, refs::*, resv::*, signal::*, signalling::*,
    state::*, stub::*, trace::*, wait::*, wait_any::*,
};
pub use kernel::bindings::{
    __get_task_comm, call_rcu, callback_head, get_current, kfree, ktime_get, ktime_t, list_head,
    seq_file, spinlock_t, ww_acquire_ctx, ww_acquire_fini, MAX_SCHEDULE_TIMEOUT,
};
