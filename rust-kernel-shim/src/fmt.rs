// SPDX-License-Identifier: GPL-2.0-only

//! Formatting, with a `{}` and a `{:p}` of the kernel's own.
//!
//! C file: [`lib/vsprintf.c`](srctree/lib/vsprintf.c).
//!
//! What [`fmt!`](crate::prelude::fmt) and the printing macros print goes
//! through [`Adapter`], which knows [`Display`] and [`Pointer`] of this module
//! instead of `core`'s. So a `CStr` can be printed, and an address is not.

#[doc(no_inline)]
pub use core::fmt::{Arguments, Debug, Error, Formatter, Result, Write};

use crate::{bindings, ffi::c_int, str::CStrExt as _};
use core::fmt::{Binary, LowerExp, LowerHex, Octal, UpperExp, UpperHex};
use core::ptr::NonNull;

/// The type in which `fmt!` wraps every argument.
#[doc(hidden)]
pub struct Adapter<T>(pub T);

macro_rules! forward {
    ($($format:ident),* $(,)?) => {$(
        impl<T: $format> $format for Adapter<T> {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                $format::fmt(&self.0, f)
            }
        }
    )*};
}

forward!(Debug, LowerHex, UpperHex, Octal, Binary, LowerExp, UpperExp);

/// Formatting by `{}`.
///
/// # Examples
///
/// ```
/// use kernel::{fmt, prelude::*, str::CString};
///
/// struct Seqno(u64);
///
/// impl fmt::Display for Seqno {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "#{}", self.0)
///     }
/// }
///
/// let text = CString::try_from_fmt(fmt!("{} by {}", Seqno(3), c"driver"))?;
/// assert_eq!(text.to_str()?, "#3 by driver");
/// # Ok::<(), Error>(())
/// ```
pub trait Display {
    /// As [`core::fmt::Display::fmt`].
    fn fmt(&self, f: &mut Formatter<'_>) -> Result;
}

impl<T: ?Sized + Display> Display for &T {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Display::fmt(*self, f)
    }
}

impl<T: ?Sized + Display> core::fmt::Display for Adapter<&T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Display::fmt(self.0, f)
    }
}

macro_rules! display_as_core {
    ($($ty:ty),* $(,)?) => {$(
        impl Display for $ty {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    )*};
}

display_as_core!(
    bool,
    char,
    core::panic::PanicInfo<'_>,
    Arguments<'_>,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    str,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
);

/// Formatting by `{:p}`.
pub trait Pointer {
    /// As [`core::fmt::Pointer::fmt`].
    fn fmt(&self, f: &mut Formatter<'_>) -> Result;
}

impl<T: Pointer> core::fmt::Pointer for Adapter<&T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Pointer::fmt(self.0, f)
    }
}

/// A pointer that prints as a hash of its address.
///
/// Linux hashes with a secret key; here the hash does not hide the address from who wants it.
/// As in the kernel, null and error pointers print as they are.
pub struct HashedPtr<T: ?Sized>(pub *const T);

impl<T: ?Sized> Pointer for HashedPtr<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        /// C prints at most this many characters.
        const MAX: usize = 31;
        const DIGITS: usize = 2 * size_of::<usize>() + 2;

        let mut buffer = [0; MAX + 1];
        let width = match f.width() {
            Some(width) if width > 0 && f.sign_aware_zero_pad() => width.min(MAX),
            _ => DIGITS,
        };
        let (buf, format) = (buffer.as_mut_ptr(), c"%#0*p".as_char_ptr());
        // CAST: At most `MAX`.
        let width = width as c_int;
        // SAFETY: The buffer has as many bytes.
        let len = unsafe { bindings::scnprintf(buf, MAX + 1, format, width, self.0.cast()) };
        // CAST: A length.
        let text = core::str::from_utf8(&buffer[..len as usize]).map_err(|_| Error)?;
        if f.sign_aware_zero_pad() {
            f.write_str(text)
        } else {
            f.pad(text)
        }
    }
}

macro_rules! pointer_as_hash {
    ($($ty:ty = $this:ident => $ptr:expr;)*) => {$(
        impl<T: ?Sized> Pointer for $ty {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                let $this = self;
                Pointer::fmt(&HashedPtr($ptr), f)
            }
        }
    )*};
}

pointer_as_hash! {
    *const T = this => *this;
    *mut T = this => *this;
    &T = this => core::ptr::from_ref(*this);
    &mut T = this => core::ptr::from_ref(*this);
    NonNull<T> = this => this.as_ptr();
}

#[cfg(test)]
mod tests {
    use crate::{prelude::*, str::CString};

    fn text(args: core::fmt::Arguments<'_>) -> CString {
        CString::try_from_fmt(args).unwrap()
    }

    #[test]
    fn captures_names_and_splits_at_commas() {
        let (a, b) = (1, 2);
        let got = text(fmt!("{a} {0} {b:>3} {c:x}", a + b, c = 255));
        assert_eq!(got.to_str(), Ok("1 3   2 ff"));
    }

    #[test]
    fn addresses_are_not_printed() {
        let address: *const u8 = core::ptr::without_provenance(0xdead_beef_0000);
        let printed = text(fmt!("{:p}", address));
        let printed = printed.to_str().unwrap();
        assert!(printed.starts_with("0x00000000"), "{printed}");
        assert_eq!(printed.len(), 18);
        assert!(!printed.contains("dead"), "{printed}");

        let null = core::ptr::null::<u8>();
        assert_eq!(text(fmt!("{:p}", null)).to_str(), Ok("0x0000000000000000"));
        let error = EINVAL.to_ptr::<u8>();
        assert_eq!(text(fmt!("{:p}", error)).to_str(), Ok("0xffffffffffffffea"));
    }

    #[test]
    fn padding_of_addresses() {
        let null = core::ptr::null::<u8>();
        assert_eq!(
            text(fmt!("{:>20p}|{:020p}|{:099p}", null, null, null)).to_str(),
            Ok("  0x0000000000000000|0x000000000000000000|0x00000000000000000000000000000")
        );
    }
}
