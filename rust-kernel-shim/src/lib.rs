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

pub mod alloc;
pub mod bindings;
pub mod bug;
pub mod build_assert;
pub mod error;
pub mod ffi;
pub mod fmt;
pub mod init;
mod machine;
pub mod module;
pub mod prelude;
pub mod print;
pub mod seq_file;
pub mod str;
pub mod sync;
pub mod task;
pub mod testing;
pub mod time;
pub mod types;
pub mod workqueue;

/// The procedural macros; use them through [`prelude`].
pub mod macros {
    pub use kernel_macros::{fmt, kunit_tests, module, vtable};
}

pub use module::{InPlaceModule, Module, ModuleMetadata, ThisModule};

/// What the lines that this crate prints start with.
const __LOG_PREFIX: &[u8] = b"rust_kernel\0";

/// From a pointer to a field to a pointer to the structure around it.
///
/// The field's pointer is mutable; whether the result may be written through
/// is up to where the pointer came from.
///
/// # Examples
///
/// ```
/// use kernel::container_of;
///
/// struct Job {
///     id: u32,
///     link: u64,
/// }
///
/// let mut job = Job { id: 7, link: 0 };
/// let link = &raw mut job.link;
/// // SAFETY: `link` points to the `link` of a `Job`.
/// let found = unsafe { container_of!(link, Job, link) };
/// # assert_eq!(job.link, 0);
/// assert_eq!(found, &raw mut job);
/// # assert_eq!(job.id, 7);
/// ```
#[macro_export]
macro_rules! container_of {
    ($field_ptr:expr, $Container:ty, $($fields:tt)*) => {{
        let offset: usize = ::core::mem::offset_of!($Container, $($fields)*);
        let field = $field_ptr;
        let container = field.byte_sub(offset).cast::<$Container>();
        $crate::assert_same_type(field, (&raw const (*container).$($fields)*).cast_mut());
        container
    }};
}

/// Makes the compiler compare two types.
#[doc(hidden)]
pub fn assert_same_type<T>(_: T, _: T) {}

/// The file of a location as a C string.
#[inline]
pub fn file_from_location<'a>(loc: &'a core::panic::Location<'a>) -> &'a core::ffi::CStr {
    loc.file_as_c_str()
}
