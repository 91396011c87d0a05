// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's Rust crate, and the C below it, in userspace.
//!
//! A driver that is written against this crate compiles against the `kernel`
//! crate of Linux 7.3 as well, from the same source. Four principles:
//!
//! 1. **The kernel is the judge.** What a function does here is what the
//!    running kernel was seen to do. Where the two differ on purpose, the
//!    documentation of the item says so.
//! 2. **One driver source.** Names, signatures and bounds are the kernel's.
//!    Nothing compiles here that the kernel would refuse, except through the
//!    doors of the module `testing`.
//! 3. **Rules are code.** What a type can forbid, a type forbids; what only
//!    shows at run time, a debug kernel reports.
//! 4. **No magic.** Each module has the name of the kernel's, and does its work
//!    by calling [`bindings`], as the kernel's calls C.
//!
//! Start with [`prelude`].

#![no_std]

extern crate self as kernel;

pub mod acpi;
pub mod alloc;
pub mod auxiliary;
pub mod bits;
pub mod bug;
pub mod build_assert;
pub mod debugfs;
pub mod device;
pub mod device_id;
pub mod devres;
pub mod driver;
pub mod drm;
pub mod error;
pub mod faux;
pub mod fmt;
pub mod fs;
mod implement;
pub mod init;
pub mod interrupt;
pub mod io;
pub mod ioctl;
pub mod irq;
pub mod jump_label;
pub mod list;
pub mod miscdevice;
pub mod module;
pub mod module_param;
pub mod num;
pub mod of;
pub mod page;
pub mod pci;
pub mod platform;
pub mod prelude;
pub mod print;
pub mod ptr;
pub mod rbtree;
pub mod revocable;
pub mod seq_file;
pub mod sizes;
pub mod std_vendor;
pub mod str;
pub mod sync;
pub mod task;
pub mod testing;
pub mod time;
pub mod tracepoint;
pub mod transmute;
pub mod types;
pub mod uaccess;
pub mod workqueue;
pub mod xarray;

/// The kernel's C functions and types, under their C names.
pub use ::bindings;

/// What user space knows of the kernel, under its C names.
pub use ::uapi;

/// The procedural macros; use them through [`prelude`].
pub use ::macros;

pub use ::macros::bitfield;

pub use ::ffi;
pub use bindings::{container_of, kfree_rcu, BUG_ON, WARN, WARN_ON};
pub use module::{InPlaceModule, Module, ModuleMetadata, ThisModule};

/// The prefix of the lines that this crate prints.
const __LOG_PREFIX: &[u8] = b"rust_kernel\0";

/// The file of a location as a C string.
#[inline]
pub fn file_from_location<'a>(loc: &'a core::panic::Location<'a>) -> &'a core::ffi::CStr {
    loc.file_as_c_str()
}
