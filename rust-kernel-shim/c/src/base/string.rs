// SPDX-License-Identifier: GPL-2.0-only
//! C's strings, whose characters have no sign, as Rust's.
//!
//! C header: [`include/linux/string.h`](srctree/include/linux/string.h)

use crate::ffi::c_char;
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
