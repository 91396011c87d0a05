// SPDX-License-Identifier: GPL-2.0-only

//! Numbers in text.
//!
//! C header: none.

use super::BStr;
use crate::error::{code::EINVAL, Result};

mod private {
    use super::{BStr, Result};

    /// The two ways to read an integer.
    pub trait FromStrRadix: Sized {
        /// From digits, perhaps behind a sign.
        fn from_str_radix(src: &BStr, radix: u32) -> Result<Self>;

        /// The number that is so far below zero.
        fn from_u64_negated(value: u64) -> Result<Self>;
    }
}

/// An integer that can be read from text.
///
/// # Examples
///
/// ```
/// use kernel::{b_str, prelude::*, str::parse_int::ParseInt};
///
/// assert_eq!(i8::from_str(b_str!("-0x80")), Ok(-128));
/// assert_eq!(u32::from_str(b_str!("017")), Ok(15));
/// assert_eq!(u8::from_str(b_str!("256")), Err(EINVAL));
/// ```
pub trait ParseInt: private::FromStrRadix + TryFrom<u64> {
    /// Reads a number: decimal, hexadecimal behind `0x`, octal behind `0` or `0o`, binary behind
    /// `0b`; below zero behind a minus.
    ///
    /// # Errors
    ///
    /// EINVAL if it is none, or the type has no such number.
    fn from_str(src: &BStr) -> Result<Self> {
        let Some((b'-', digits)) = src.split_first() else {
            let (radix, digits) = radix_of(src);
            return Self::from_str_radix(digits.as_ref(), radix);
        };
        let (radix, digits) = radix_of(digits);
        Self::from_u64_negated(from_digits(digits, |digits| {
            u64::from_str_radix(digits, radix)
        })?)
    }
}

/// Takes off what says how the number is written.
fn radix_of(number: &[u8]) -> (u32, &[u8]) {
    match number {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        [b'0', ..] => (8, number),
        _ => (10, number),
    }
}

fn from_digits<T, E>(digits: &[u8], read: impl FnOnce(&str) -> Result<T, E>) -> Result<T> {
    let digits = core::str::from_utf8(digits).map_err(|_| EINVAL)?;
    read(digits).map_err(|_| EINVAL)
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl private::FromStrRadix for $type {
            fn from_str_radix(src: &BStr, radix: u32) -> Result<Self> {
                from_digits(src, |digits| Self::from_str_radix(digits, radix))
            }

            fn from_u64_negated(value: u64) -> Result<Self> {
                Self::try_from(-i128::from(value)).map_err(|_| EINVAL)
            }
        }

        impl ParseInt for $type {}
    )*};
}

integers!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

#[cfg(test)]
mod tests {
    use super::ParseInt;
    use crate::{error::code::EINVAL, str::BStr};

    fn parse<T: ParseInt>(text: &str) -> crate::error::Result<T> {
        T::from_str(BStr::from_bytes(text.as_bytes()))
    }

    #[test]
    fn reads_what_there_is_and_no_more() {
        assert_eq!(parse("0b11"), Ok(3u8));
        assert_eq!(parse("0O17"), Ok(15u8));
        assert_eq!(parse("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse("-0"), Ok(0u8));
        assert_eq!(parse("0"), Ok(0u8));
        assert_eq!(parse::<u64>("18446744073709551615"), Ok(u64::MAX));
        for bad in ["", "-", "0x", "09", "-129", "128", "1 ", "--1", "\u{e9}"] {
            assert_eq!(parse::<i8>(bad), Err(EINVAL), "{bad}");
        }
        assert_eq!(parse::<u8>("-1"), Err(EINVAL));
    }
}
