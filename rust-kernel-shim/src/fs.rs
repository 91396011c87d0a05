// SPDX-License-Identifier: GPL-2.0-only

//! Files, as the kernel's other parts see them.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h).

pub mod file;

pub use self::file::{File, LocalFile};
