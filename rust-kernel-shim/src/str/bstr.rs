// SPDX-License-Identifier: GPL-2.0-only

//! Bytes that are probably text.

use crate::fmt::{self, Write};
use core::ops::{Deref, Index};

/// Bytes that are probably text.
///
/// # Examples
///
/// ```
/// use kernel::{b_str, prelude::*, str::CString};
///
/// let text = CString::try_from_fmt(fmt!("{}", b_str!("tab\t")))?;
/// assert_eq!(text.to_str()?, "tab\\t");
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct BStr([u8]);

impl BStr {
    /// Returns the number of bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no bytes.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same bytes under this type.
    #[inline]
    pub const fn from_bytes(bytes: &[u8]) -> &Self {
        let this = core::ptr::from_ref(bytes) as *const BStr;
        // SAFETY: A `BStr` is its bytes.
        unsafe { &*this }
    }

    /// Returns the bytes after `pattern`, if they start with that.
    pub fn strip_prefix(&self, pattern: impl AsRef<Self>) -> Option<&BStr> {
        self.0
            .strip_prefix(&pattern.as_ref().0)
            .map(Self::from_bytes)
    }

    /// Writes the bytes, with those in `quoted` behind a backslash.
    fn escape(&self, f: &mut fmt::Formatter<'_>, quoted: &[u8]) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                b'\t' => f.write_str("\\t")?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b' '..=b'~' => {
                    if quoted.contains(&byte) {
                        f.write_char('\\')?;
                    }
                    f.write_char(byte.into())?;
                }
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for BStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.escape(f, b"")
    }
}

impl fmt::Debug for BStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.escape(f, b"\"\\")?;
        f.write_char('"')
    }
}

impl Deref for BStr {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for BStr {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<Idx> Index<Idx> for BStr
where
    [u8]: Index<Idx, Output = [u8]>,
{
    type Output = Self;

    fn index(&self, index: Idx) -> &Self {
        BStr::from_bytes(&self.0[index])
    }
}

impl AsRef<BStr> for [u8] {
    fn as_ref(&self) -> &BStr {
        BStr::from_bytes(self)
    }
}

impl AsRef<BStr> for BStr {
    fn as_ref(&self) -> &BStr {
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{prelude::*, str::CString};

    #[test]
    fn escapes() -> Result {
        let bytes = crate::b_str!("a\"\\\t\r\n\u{1}");
        let text = CString::try_from_fmt(fmt!("{} {:?}", bytes, bytes))?;
        assert_eq!(
            text.to_str()?,
            "a\"\\\\t\\r\\n\\x01 \"a\\\"\\\\\\t\\r\\n\\x01\""
        );
        Ok(())
    }

    #[test]
    fn prefix() {
        let text = crate::b_str!("fence0");
        let rest = text.strip_prefix(crate::b_str!("fence"));
        assert!(rest.is_some_and(|rest| rest == crate::b_str!("0")));
        assert!(text.strip_prefix(crate::b_str!("x")).is_none());
    }
}
