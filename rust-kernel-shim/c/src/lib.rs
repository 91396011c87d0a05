// SPDX-License-Identifier: GPL-2.0-only
//! What C supplies in the kernel, under its C names.
//!
//! In Linux this module is made by bindgen from the kernel's headers; here it is written by hand
//! over [`machine`]. The names, the argument types and the order of events are
//! C's, so that whoever calls these functions compiles against either.
//!
//! # Safety
//!
//! Functions that take a pointer need it to be valid, and initialised by its `..._init()`, for
//! as long as C would. What a function needs beyond that it says itself.

#![no_std]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod bug;
mod container_of;
pub mod debugobjects;
mod errno;
pub mod ffi;
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
mod string;
mod time;
mod timer;
mod trace;
mod wait;
mod workqueue;

// Where C has a type of the file's name, the module is called after the header.
#[path = "completion.rs"]
mod completion_h;
#[path = "hrtimer.rs"]
mod hrtimer_h;
#[path = "irq_work.rs"]
mod irq_work_h;
#[path = "kref.rs"]
mod kref_h;
#[path = "module.rs"]
mod module_h;
#[path = "mutex.rs"]
mod mutex_h;
#[path = "seq_file.rs"]
mod seq_file_h;
#[path = "spinlock.rs"]
mod spinlock_h;
#[path = "tracepoint.rs"]
mod tracepoint_h;

#[doc(hidden)]
pub use self::globals::{with as with_globals, Globals};
#[cfg(feature = "debug")]
pub use self::loan::*;
pub use self::{
    bug::*, completion_h::*, container_of::assert_same_type, errno::*, frame::*, hrtimer_h::*,
    irq_work_h::*, irqflags::*, kref_h::*, list::*, lockdep::*, module_h::*, mutex_h::*, printk::*,
    rcu::*, refcount::*, sched::*, seq_file_h::*, slab::*, spinlock_h::*, string::*, time::*,
    timer::*, trace::*, tracepoint_h::*, wait::*, workqueue::*,
};
