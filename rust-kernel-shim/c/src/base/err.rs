// SPDX-License-Identifier: GPL-2.0-only
//! Errors where a pointer is expected.
//!
//! C header: [`include/linux/err.h`](srctree/include/linux/err.h)

use core::ptr::without_provenance_mut;

/// The largest error number that a pointer can be.
const MAX_ERRNO: usize = 4095;

/// The error pointer of a number, which is positive. C: `ERR_PTR(-errno)`.
pub(crate) fn err_ptr<T>(errno: u32) -> *mut T {
    without_provenance_mut((errno as usize).wrapping_neg())
}

/// True for an error pointer. C: `IS_ERR()`.
pub(crate) fn is_err<T>(ptr: *const T) -> bool {
    ptr.addr() >= MAX_ERRNO.wrapping_neg()
}
