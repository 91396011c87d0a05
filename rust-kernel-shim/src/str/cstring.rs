// SPDX-License-Identifier: GPL-2.0-only

//! C strings in memory of their own.

use super::{CStr, CStrExt as _, Formatter, RawFormatter};
use crate::{
    alloc::{flags::GFP_KERNEL, AllocError, KVec},
    error::{code::EINVAL, Error},
    fmt::{self, Write},
};
use core::ops::{Deref, DerefMut};

/// A C string in memory of its own.
///
/// # Invariants
///
/// The bytes end with a NUL and contain no other.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, str::CString};
///
/// let name = CString::try_from_fmt(fmt!("{}-{}", c"ring", 1))?;
/// assert_eq!(&*name, c"ring-1");
/// # Ok::<(), Error>(())
/// ```
pub struct CString {
    bytes: KVec<u8>,
}

impl CString {
    /// Formats into memory that just fits; may sleep.
    ///
    /// The arguments are formatted twice, to the same length; `EINVAL` if the second text does not
    /// fit, or contains a NUL.
    pub fn try_from_fmt(args: fmt::Arguments<'_>) -> Result<Self, Error> {
        let mut measure = RawFormatter::new();
        measure.write_fmt(args)?;
        let len = measure.bytes_written() + 1;

        let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
        bytes.resize(len, 0, GFP_KERNEL)?;
        let mut text = Formatter::new(&mut bytes);
        text.write_fmt(args)?;
        // Fails as well if what is formatted has ignored that it did not fit.
        text.write_str("\0")?;
        let written = text.bytes_written();
        bytes.truncate(written);

        if bytes[..written - 1].contains(&0) {
            return Err(EINVAL);
        }
        // INVARIANT: One NUL, at the end.
        Ok(CString { bytes })
    }
}

impl Deref for CString {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        // SAFETY: By the invariant, the only NUL is at the end.
        unsafe { CStr::from_bytes_with_nul_unchecked(&self.bytes) }
    }
}

impl DerefMut for CString {
    fn deref_mut(&mut self) -> &mut CStr {
        // SAFETY: By the invariant, the only NUL is at the end.
        unsafe { CStr::from_bytes_with_nul_unchecked_mut(&mut self.bytes) }
    }
}

impl<'a> TryFrom<&'a CStr> for CString {
    type Error = AllocError;

    #[cfg_attr(feature = "debug", track_caller)]
    fn try_from(cstr: &'a CStr) -> Result<CString, AllocError> {
        #[cfg(feature = "debug")]
        crate::bindings::debug_rcu_string_used(cstr.as_char_ptr().addr());
        let mut bytes = KVec::new();
        bytes.extend_from_slice(cstr.to_bytes_with_nul(), GFP_KERNEL)?;
        // INVARIANT: As in `cstr`.
        Ok(CString { bytes })
    }
}

impl fmt::Debug for CString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use core::cell::Cell;

    #[test]
    fn refuses_nul() {
        assert_eq!(CString::try_from_fmt(fmt!("a\0b")).err(), Some(EINVAL));
        assert_eq!(CString::try_from_fmt(fmt!("")).unwrap().to_str(), Ok(""));
    }

    /// Prints more, or fewer, digits the second time.
    struct Fickle(Cell<u32>, i32);

    impl fmt::Display for Fickle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let value = self.0.get();
            self.0.set(value.wrapping_add_signed(self.1));
            let _ = fmt::Display::fmt(&value, f);
            Ok(())
        }
    }

    #[test]
    fn text_that_changes_its_length() {
        let grows = Fickle(Cell::new(9), 1);
        assert_eq!(CString::try_from_fmt(fmt!("{grows}")).err(), Some(EINVAL));
        let shrinks = Fickle(Cell::new(10), -1);
        let text = CString::try_from_fmt(fmt!("{shrinks}")).unwrap();
        assert_eq!(text.to_str(), Ok("9"));
    }
}
