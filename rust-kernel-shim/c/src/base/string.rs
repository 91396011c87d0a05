// SPDX-License-Identifier: GPL-2.0-only
//! C's strings, whose characters have no sign, as Rust's.
//!
//! C header: [`include/linux/string.h`](srctree/include/linux/string.h)

use crate::ffi::{c_char, c_int, c_void};
use core::ffi::CStr;

/// Returns the string at `ptr`.
///
/// # Safety
///
/// `ptr` points to bytes that end with a NUL and do not change during `'a`.
#[doc(hidden)]
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is its wrapper")]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn from_char_ptr<'a>(ptr: *const c_char) -> &'a CStr {
    #[cfg(feature = "debug")]
    crate::debug_rcu_string_used(ptr.addr());
    // SAFETY: The caller says that `ptr` points to a string that does not change.
    unsafe { CStr::from_ptr(ptr.cast()) }
}

/// Returns C's pointer, to the first character.
#[doc(hidden)]
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is its wrapper")]
pub const fn as_char_ptr(c_str: &CStr) -> *const c_char {
    c_str.as_ptr().cast()
}

/// Returns a pointer to the first of `n` bytes that is `c`, or null.
///
/// # Safety
///
/// `s` has as many bytes.
pub unsafe fn memchr(s: *const c_void, c: c_int, n: usize) -> *mut c_void {
    // SAFETY: The caller says so.
    let bytes = unsafe { core::slice::from_raw_parts(s.cast::<u8>(), n) };
    // CAST: C takes it for an unsigned char.
    match bytes.iter().position(|byte| *byte == c as u8) {
        Some(at) => s.wrapping_byte_add(at).cast_mut(),
        None => core::ptr::null_mut(),
    }
}
