// SPDX-License-Identifier: GPL-2.0-only
//! Errors where a pointer is expected.
//!
//! C header: [`include/linux/err.h`](srctree/include/linux/err.h)

use crate::ffi::{c_int, c_long, c_void};
use core::ptr::without_provenance_mut;

/// The largest error number that a pointer can be.
pub const MAX_ERRNO: c_int = 4095;

/// The error pointer of a number, which is negative.
#[inline]
pub unsafe fn ERR_PTR(error: c_long) -> *mut c_void {
    without_provenance_mut(error.cast_unsigned())
}

/// The number of an error pointer.
#[inline]
pub unsafe fn PTR_ERR(ptr: *const c_void) -> c_long {
    ptr.addr().cast_signed()
}

/// True for an error pointer.
#[inline]
pub unsafe fn IS_ERR(ptr: *const c_void) -> bool {
    is_err(ptr)
}

/// The error pointer of a number, which is positive. C: `ERR_PTR(-errno)`.
pub(crate) fn err_ptr<T>(errno: u32) -> *mut T {
    without_provenance_mut((errno as usize).wrapping_neg())
}

/// True for an error pointer. C: `IS_ERR()`.
pub(crate) fn is_err<T>(ptr: *const T) -> bool {
    // CAST: It is positive.
    ptr.addr() >= (MAX_ERRNO as usize).wrapping_neg()
}
