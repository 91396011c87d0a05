// SPDX-License-Identifier: GPL-2.0-only
//! The error numbers, positive, as macros of C are.
//!
//! C header: [`include/linux/errno.h`](srctree/include/linux/errno.h)

pub use crate::error::code::numbers::*;
