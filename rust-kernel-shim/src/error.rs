// SPDX-License-Identifier: GPL-2.0-only

//! Error numbers as a type.
//!
//! C headers: [`include/linux/errno.h`](srctree/include/linux/errno.h) and [`include/linux/err.h`](srctree/include/linux/err.h).

use crate::{
    alloc::{layout::LayoutError, AllocError},
    ffi::{c_int, c_long, c_void},
    fmt,
    str::{CStr, CStrExt as _},
};
use core::{
    num::{NonZeroI32, TryFromIntError},
    str::Utf8Error,
};

pub mod code;

/// The largest error number; from `-MAX_ERRNO as usize` up no pointer is valid.
const MAX_ERRNO: c_int = 4095;

/// An error number of the kernel.
///
/// # Invariants
///
/// The number is in `-MAX_ERRNO..0`.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// assert_eq!(EINVAL.to_errno(), -22);
/// assert_eq!(Error::from_errno(-22), EINVAL);
/// assert_eq!(EINVAL.name(), Some(c"EINVAL"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZeroI32);

impl Error {
    /// Returns the error with the number `errno`, which is negative.
    ///
    /// Reports a number outside `-4095..0`, which is a bug, and returns `EINVAL`.
    pub fn from_errno(errno: c_int) -> Error {
        Self::try_from_errno(errno).unwrap_or_else(|| {
            crate::pr_warn!(
                "Error::from_errno({}): not a number in -4095..0, EINVAL instead\n",
                errno
            );
            code::EINVAL
        })
    }

    const fn try_from_errno(errno: c_int) -> Option<Error> {
        if errno < -MAX_ERRNO || errno >= 0 {
            return None;
        }
        match NonZeroI32::new(errno) {
            // INVARIANT: The range was checked above.
            Some(errno) => Some(Error(errno)),
            None => None,
        }
    }

    /// For constants: fails the build where `from_errno()` would warn.
    const fn from_constant(errno: c_int) -> Error {
        match Self::try_from_errno(errno) {
            Some(error) => error,
            None => panic!("error number out of range"),
        }
    }

    /// Returns the number, which is negative.
    pub fn to_errno(self) -> c_int {
        self.0.get()
    }

    /// Returns the error pointer that C returns where a pointer is expected.
    #[doc(alias = "ERR_PTR")]
    pub fn to_ptr<T>(self) -> *mut T {
        core::ptr::without_provenance_mut(self.0.get() as usize)
    }

    /// Returns the name of the error, for instance `EINVAL`.
    #[doc(alias = "errname")]
    pub fn name(&self) -> Option<&'static CStr> {
        // SAFETY: `errname()` has no preconditions.
        let name = unsafe { bindings::errname(-self.0.get()) };
        // SAFETY: Names are literals.
        (!name.is_null()).then(|| unsafe { CStr::from_char_ptr(name) })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name().and_then(|name| name.to_str().ok()) {
            Some(name) => f.debug_tuple(name).finish(),
            None => f.debug_tuple("Error").field(&-self.0).finish(),
        }
    }
}

macro_rules! from {
    ($($ty:ty => $code:ident;)*) => {$(
        impl From<$ty> for Error {
            #[inline]
            fn from(_: $ty) -> Error {
                code::$code
            }
        }
    )*};
}

from! {
    AllocError => ENOMEM;
    TryFromIntError => EINVAL;
    Utf8Error => EINVAL;
    LayoutError => ENOMEM;
    fmt::Error => EINVAL;
}

impl From<core::convert::Infallible> for Error {
    #[inline]
    fn from(never: core::convert::Infallible) -> Error {
        match never {}
    }
}

/// A result whose error is an error number.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

/// Reads a C return value: negative is an error, anything else success.
pub fn to_result(err: c_int) -> Result {
    if err < 0 {
        Err(Error::from_errno(err))
    } else {
        Ok(())
    }
}

/// Reads a C return value that is a pointer or an error in place of one.
///
/// # Examples
///
/// ```
/// use kernel::{error::from_err_ptr, prelude::*};
///
/// let mut x = 1;
/// assert!(from_err_ptr(&raw mut x).is_ok());
/// assert_eq!(from_err_ptr(EIO.to_ptr::<u8>()), Err(EIO));
/// ```
#[doc(alias = "IS_ERR")]
#[doc(alias = "PTR_ERR")]
pub fn from_err_ptr<T>(ptr: *mut T) -> Result<*mut T> {
    let value = ptr.cast::<c_void>().addr() as c_long;
    match c_int::try_from(value).ok().and_then(Error::try_from_errno) {
        Some(error) => Err(error),
        None => Ok(ptr),
    }
}

/// Runs `f` for C, which wants an error as a negative number.
pub fn from_result<T, F>(f: F) -> T
where
    T: From<i16>,
    F: FnOnce() -> Result<T>,
{
    match f() {
        Ok(value) => value,
        // CAST: An error number fits by the type's invariant.
        Err(error) => T::from(error.to_errno() as i16),
    }
}

/// The message that the default body of a `#[vtable]` method passes to `build_error!`.
pub const VTABLE_DEFAULT_ERROR: &str =
    "an optional method was called that the implementation does not have; see #[vtable]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prelude::*, str::CString};

    fn debug(error: Error) -> CString {
        CString::try_from_fmt(fmt!("{:?}", error)).unwrap()
    }

    #[test]
    fn numbers_out_of_range_become_einval() {
        for errno in [0, 1, -4096, i32::MIN, i32::MAX] {
            assert_eq!(Error::from_errno(errno), EINVAL);
        }
        assert_eq!(Error::from_errno(-4095).to_errno(), -4095);
    }

    #[test]
    fn debug_is_the_name_where_there_is_one() {
        assert_eq!(debug(ERESTARTSYS).to_str(), Ok("ERESTARTSYS"));
        assert_eq!(debug(EFSCORRUPTED).to_str(), Ok("EUCLEAN"));
        assert_eq!(debug(Error::from_errno(-4000)).to_str(), Ok("Error(4000)"));
    }

    #[test]
    fn error_pointers_are_the_last_page() {
        assert_eq!(EPERM.to_ptr::<u8>().addr(), usize::MAX);
        let last = core::ptr::without_provenance_mut::<u8>(-4096_isize as usize);
        assert_eq!(from_err_ptr(last), Ok(last));
        assert_eq!(
            from_err_ptr(core::ptr::null_mut::<u8>()),
            Ok(core::ptr::null_mut())
        );
        assert_eq!(
            from_err_ptr(last.wrapping_add(1)).map_err(Error::to_errno),
            Err(-4095)
        );
    }

    #[test]
    fn results_for_c() {
        assert_eq!(from_result(|| Ok(3)), 3);
        assert_eq!(from_result(|| Err::<i32, _>(EIO)), -5);
        assert_eq!(to_result(-5), Err(EIO));
        assert_eq!(to_result(5), Ok(()));
    }
}
