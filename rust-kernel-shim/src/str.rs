// SPDX-License-Identifier: GPL-2.0-only

//! Strings: bytes, C strings, and buffers to format into.
//!
//! C header: [`include/linux/string.h`](srctree/include/linux/string.h).

pub use crate::ffi::CStr;

use crate::{
    alloc::AllocError,
    bindings,
    error::{code::EINVAL, to_result, Result},
    ffi::c_char,
    fmt::{self, Write},
};

mod bstr;
mod cstring;
mod formatter;
pub mod parse_int;

pub use bstr::BStr;
pub use cstring::CString;
pub use formatter::{Formatter, NullTerminatedFormatter, RawFormatter};

mod private {
    pub trait Sealed {}

    impl Sealed for super::CStr {}
}

/// Reads a text as yes or no, by its first characters; EINVAL if it is neither.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, str::kstrtobool};
///
/// assert_eq!(kstrtobool(c"off"), Ok(false));
/// assert_eq!(kstrtobool(c"Yes"), Ok(true));
/// assert_eq!(kstrtobool(c"2"), Err(EINVAL));
/// ```
pub fn kstrtobool(string: &CStr) -> Result<bool> {
    let mut result = false;
    // SAFETY: The text is NUL-terminated.
    to_result(unsafe { bindings::kstrtobool(string.as_char_ptr(), &mut result) })?;
    Ok(result)
}

/// As [`kstrtobool`], of bytes that need not end with a NUL.
pub fn kstrtobool_bytes(bytes: &[u8]) -> Result<bool> {
    let byte = |at| bytes.get(at).copied().unwrap_or(0);
    let text = [byte(0), byte(1), 0];
    kstrtobool(CStr::from_bytes_until_nul(&text).map_err(|_| EINVAL)?)
}

/// Methods of a [`CStr`] that `core` does not have.
pub trait CStrExt: private::Sealed {
    /// Returns the C string at `ptr`.
    ///
    /// # Safety
    ///
    /// `ptr` points to bytes that end with a NUL and do not change during `'a`.
    unsafe fn from_char_ptr<'a>(ptr: *const c_char) -> &'a Self;

    /// Returns `bytes` as a C string.
    ///
    /// # Safety
    ///
    /// They end with a NUL and contain no other.
    unsafe fn from_bytes_with_nul_unchecked_mut(bytes: &mut [u8]) -> &mut Self;

    /// Returns C's pointer, to the first character.
    fn as_char_ptr(&self) -> *const c_char;

    /// Allocates a copy. May sleep.
    fn to_cstring(&self) -> Result<CString, AllocError>;

    /// Converts ASCII letters to lower case, in place.
    fn make_ascii_lowercase(&mut self);

    /// Converts ASCII letters to upper case, in place.
    fn make_ascii_uppercase(&mut self);

    /// Allocates a copy with ASCII letters in lower case. May sleep.
    fn to_ascii_lowercase(&self) -> Result<CString, AllocError>;

    /// Allocates a copy with ASCII letters in upper case. May sleep.
    fn to_ascii_uppercase(&self) -> Result<CString, AllocError>;
}

/// The bytes of `s`, with the NUL.
///
/// # Safety
///
/// The caller writes no NUL, and does not overwrite the one at the end.
unsafe fn to_bytes_mut(s: &mut CStr) -> &mut [u8] {
    let bytes = core::ptr::from_mut(s) as *mut [u8];
    // SAFETY: A `CStr` is its bytes, borrowed for as long as `s`.
    unsafe { &mut *bytes }
}

impl CStrExt for CStr {
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    unsafe fn from_char_ptr<'a>(ptr: *const c_char) -> &'a Self {
        // SAFETY: The caller says that `ptr` points to a string that does not change.
        unsafe { bindings::from_char_ptr(ptr) }
    }

    #[inline]
    unsafe fn from_bytes_with_nul_unchecked_mut(bytes: &mut [u8]) -> &mut Self {
        let this = core::ptr::from_mut(bytes) as *mut CStr;
        // SAFETY: A `CStr` is such bytes; the caller says that these are.
        unsafe { &mut *this }
    }

    #[inline]
    fn as_char_ptr(&self) -> *const c_char {
        bindings::as_char_ptr(self)
    }

    fn to_cstring(&self) -> Result<CString, AllocError> {
        CString::try_from(self)
    }

    fn make_ascii_lowercase(&mut self) {
        // SAFETY: No letter becomes a NUL, and a NUL is no letter.
        unsafe { to_bytes_mut(self) }.make_ascii_lowercase();
    }

    fn make_ascii_uppercase(&mut self) {
        // SAFETY: No letter becomes a NUL, and a NUL is no letter.
        unsafe { to_bytes_mut(self) }.make_ascii_uppercase();
    }

    fn to_ascii_lowercase(&self) -> Result<CString, AllocError> {
        let mut copy = self.to_cstring()?;
        copy.make_ascii_lowercase();
        Ok(copy)
    }

    fn to_ascii_uppercase(&self) -> Result<CString, AllocError> {
        let mut copy = self.to_cstring()?;
        copy.make_ascii_uppercase();
        Ok(copy)
    }
}

impl fmt::Display for CStr {
    #[cfg_attr(feature = "debug", track_caller)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "debug")]
        crate::bindings::debug_rcu_string_used(self.as_char_ptr().addr());
        for &byte in self.to_bytes() {
            match byte {
                b' '..=b'~' => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl AsRef<BStr> for CStr {
    #[inline]
    fn as_ref(&self) -> &BStr {
        BStr::from_bytes(self.to_bytes())
    }
}

/// Returns C's pointer to a string; for constants.
#[inline]
pub const fn as_char_ptr_in_const_context(c_str: &CStr) -> *const c_char {
    bindings::as_char_ptr(c_str)
}

/// A [`CStr`] of what `concat!` takes; a literal is better written `c"..."`.
///
/// # Examples
///
/// ```
/// assert_eq!(kernel::c_str!(concat!("line ", 7)), c"line 7");
/// ```
#[macro_export]
macro_rules! c_str {
    ($str:expr) => {{
        const WITH_NUL: &str = ::core::concat!($str, "\0");
        const C_STR: &$crate::str::CStr =
            match $crate::str::CStr::from_bytes_with_nul(WITH_NUL.as_bytes()) {
                Ok(c_str) => c_str,
                Err(_) => panic!("a C string contains no NUL"),
            };
        C_STR
    }};
}

/// A [`BStr`](crate::str::BStr) of a literal.
#[macro_export]
macro_rules! b_str {
    ($str:literal) => {{
        const B_STR: &$crate::str::BStr = {
            const STR: &str = $str;
            $crate::str::BStr::from_bytes(STR.as_bytes())
        };
        B_STR
    }};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn c_strings_print_escaped() -> Result {
        let text = CString::try_from_fmt(fmt!("{}", c"caf\xc3\xa9\n~"))?;
        assert_eq!(text.to_str()?, "caf\\xc3\\xa9\\x0a~");
        Ok(())
    }

    #[test]
    fn letters_change_case() -> Result {
        assert_eq!(&*c"aZ-1".to_ascii_uppercase()?, c"AZ-1");
        assert_eq!(&*c"aZ-1".to_ascii_lowercase()?, c"az-1");
        Ok(())
    }

    #[test]
    fn pointers_come_back() {
        // SAFETY: The pointer is that of a literal.
        assert_eq!(unsafe { CStr::from_char_ptr(c"abc".as_char_ptr()) }, c"abc");
    }
}
