// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's C functions and types, under their C names.
//!
//! In Linux bindgen generates this module from the kernel's headers; here it is written by hand over
//! [`machine`]. The names, the argument types and the order of events are C's, so that a caller
//! compiles against either.
//!
//! # Safety
//!
//! Unless a function says otherwise, what a pointer that is passed in leads to is valid during the
//! call and was initialised by its `..._init()`, which in turn needs memory that is valid for
//! writes; strings end with a NUL. A name that an `..._init()` takes is a literal or lives forever,
//! since a debug kernel keeps it; the key of a lock class is valid or null. That is all: a function of C that is
//! passed no pointer is unsafe as bindgen has it, and has no preconditions. What C does not have is
//! safe then.

#![no_std]
// What is needed of all functions is said above, once.
#![allow(
    clippy::missing_safety_doc,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]

/// Modules that depend on no other.
mod base {
    #[cfg(not(loom))]
    pub(crate) mod atomic;
    pub(crate) mod barrier;
    pub(crate) mod bug;
    pub(crate) mod container_of;
    pub(crate) mod err;
    pub(crate) mod errno;
    pub(crate) mod kref;
    pub(crate) mod list;
    pub(crate) mod module;
    pub(crate) mod moduleparam;
    pub(crate) mod printk;
    pub(crate) mod rbtree;
    pub(crate) mod refcount;
    pub(crate) mod seq_file;
    pub(crate) mod sizes;
    pub(crate) mod sort;
    pub(crate) mod string;
    pub(crate) mod vsprintf;
}

/// A debug kernel's objects and rules, without any subsystem's words.
mod debug {
    pub(crate) mod active;
    pub(crate) mod after;
    pub(crate) mod call;
    pub mod debugobjects;
    pub(crate) mod leaks;
    #[cfg(feature = "debug")]
    pub(crate) mod rcu_escape;
    pub mod rule;
    pub(crate) mod section;
    pub(crate) mod splat;
}

/// Files, their names and descriptors, and the memory of programs.
mod fs {
    mod count;
    pub(crate) mod debugfs;
    pub(crate) mod fdtable;
    pub(crate) mod file;
    pub(crate) mod misc;
    pub(crate) mod namei;
    pub(crate) mod poll;
    pub(crate) mod seq_file;
    pub(crate) mod uaccess;
}

/// Interrupts.
mod irq {
    mod handle;
    pub(crate) mod irq_work;
    pub(crate) mod irqdesc;
    pub(crate) mod irqflags;
    pub(crate) mod manage;
}

/// Events, and the buffer that records them.
mod trace {
    pub(crate) mod buffer;
    pub(crate) mod rust_sample;
    pub(crate) mod tracepoint;
}

/// Tasks, and what they wait with.
mod sched {
    pub(crate) mod completion;
    pub(crate) mod core;
    #[cfg(loom)]
    pub(crate) mod model_lock;
    pub(crate) mod mutex;
    pub(crate) mod spinlock;
    pub(crate) mod wait;
    pub(crate) mod ww_mutex;
}

/// Clocks and timers.
mod time {
    pub(crate) mod hrtimer;
    pub(crate) mod queue;
    pub(crate) mod timekeeping;
    pub(crate) mod timer;
}

mod devices;
mod drm;
mod globals;
mod io;
mod lockdep;
mod pages;
mod rcu;
mod slab;
mod workqueue;
mod xa;

#[cfg(not(loom))]
pub use self::base::atomic::*;
use self::base::err::{err_ptr, is_err};
pub use self::base::err::{ERR_PTR, IS_ERR, MAX_ERRNO, PTR_ERR};
#[cfg(feature = "debug")]
pub use self::debug::rcu_escape::*;
#[doc(hidden)]
pub use self::globals::{with as with_globals, Globals};
pub use self::{
    base::{
        barrier::*, bug::*, container_of::assert_same_type, errno::*, kref::*, list::*, module::*,
        moduleparam::*, printk::*, rbtree::*, refcount::*, seq_file::*, sizes::*, sort::*,
        string::*, vsprintf::*,
    },
    debug::{
        active::ACTIVE_OBJECT_FREED, after::*, call::*, debugobjects, leaks::*, rule, section::*,
        splat::debug_fail_point,
    },
    devices::{auxiliary::*, bus::*, pci::*, platform::*, *},
    drm::*,
    fs::{
        debugfs::*,
        fdtable::{
            close_fd, debug_set_nofile, fd_install, fget, get_unused_fd_flags, put_unused_fd,
        },
        file::*,
        misc::*,
        namei::{dentry, filp_open},
        poll::*,
        seq_file::*,
        uaccess::*,
    },
    io::*,
    irq::{irq_work::*, irqdesc::*, irqflags::*, manage::*},
    lockdep::*,
    pages::*,
    rcu::*,
    sched::{completion::*, core::*, mutex::*, spinlock::*, wait::*, ww_mutex::*},
    slab::*,
    time::{hrtimer::*, timekeeping::*, timer::*},
    trace::{buffer::*, rust_sample::*, tracepoint::*},
    workqueue::*,
    xa::*,
};
pub use ::ffi;

pub use machine::blocked::{begin_wait as debug_wait_begins, end_wait as debug_wait_ends, Thing};
#[doc(hidden)]
pub use machine::{global, oops::note as debug_note_call, per_thread};
