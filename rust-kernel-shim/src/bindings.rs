// SPDX-License-Identifier: GPL-2.0-only
//! What C supplies in the kernel, under its C names.
//!
//! In Linux this module is made by bindgen from the kernel's headers; here it is written by hand
//! over the room `machine`. The names, the argument types and the order of events are
//! C's, so that whoever calls these functions compiles against either.
//!
//! # Safety
//!
//! Functions that take a pointer need it to be valid, and initialised by its `..._init()`, for
//! as long as C would. What a function needs beyond that it says itself.

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod bug;
pub mod debugobjects;
mod errno;
mod frame;
mod globals;
mod irqflags;
mod list;
#[cfg(feature = "debug")]
mod loan;
mod lockdep;
mod printk;
mod rcu;
mod refcount;
pub mod report;
mod sched;
mod slab;
mod time;
mod timer;
mod trace;
mod wait;
mod workqueue;

// Where C has a type of the file's name, the module is called after the header.
#[path = "bindings/completion.rs"]
mod completion_h;
#[path = "bindings/hrtimer.rs"]
mod hrtimer_h;
#[path = "bindings/irq_work.rs"]
mod irq_work_h;
#[path = "bindings/kref.rs"]
mod kref_h;
#[path = "bindings/module.rs"]
mod module_h;
#[path = "bindings/mutex.rs"]
mod mutex_h;
#[path = "bindings/seq_file.rs"]
mod seq_file_h;
#[path = "bindings/spinlock.rs"]
mod spinlock_h;
#[path = "bindings/tracepoint.rs"]
mod tracepoint_h;

pub(crate) use self::globals::{with as with_globals, Globals};
#[cfg(feature = "debug")]
pub use self::loan::*;
pub use self::{
    bug::*, completion_h::*, errno::*, frame::*, hrtimer_h::*, irq_work_h::*, irqflags::*,
    kref_h::*, list::*, lockdep::*, module_h::*, mutex_h::*, printk::*, rcu::*, refcount::*,
    sched::*, seq_file_h::*, slab::*, spinlock_h::*, time::*, timer::*, trace::*, tracepoint_h::*,
    wait::*, workqueue::*,
};
