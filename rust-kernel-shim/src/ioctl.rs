// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of `ioctl(2)` calls.
//!
//! C header: [`include/uapi/asm-generic/ioctl.h`](srctree/include/uapi/asm-generic/ioctl.h).
//!
//! # Examples
//!
//! ```
//! use kernel::ioctl::{_IOC_NR, _IOC_SIZE, _IOWR};
//!
//! const WAIT: u32 = _IOWR::<[u64; 2]>(b'F' as u32, 3);
//! assert_eq!((_IOC_NR(WAIT), _IOC_SIZE(WAIT)), (3, 16));
//! ```
//!
//! An argument that is too large for the number fails the build:
//!
//! ```compile_fail
//! const LARGE: u32 = kernel::ioctl::_IOW::<[u8; 1 << 14]>(b'F' as u32, 0);
//! ```

#![expect(non_snake_case, reason = "they are C's macros")]

use crate::build_assert::build_assert;

#[inline(always)]
const fn _IOC(dir: u32, ty: u32, nr: u32, size: usize) -> u32 {
    build_assert!(ty <= uapi::_IOC_TYPEMASK);
    build_assert!(nr <= uapi::_IOC_NRMASK);
    build_assert!(size <= uapi::_IOC_SIZEMASK as usize);
    // CAST: As just asserted, the size fits.
    let size = size as u32;
    dir << uapi::_IOC_DIRSHIFT
        | ty << uapi::_IOC_TYPESHIFT
        | nr << uapi::_IOC_NRSHIFT
        | size << uapi::_IOC_SIZESHIFT
}

/// The number of a call without an argument.
#[inline(always)]
pub const fn _IO(ty: u32, nr: u32) -> u32 {
    _IOC(uapi::_IOC_NONE, ty, nr, 0)
}

/// The number of a call of which user space reads a `T`.
#[inline(always)]
pub const fn _IOR<T>(ty: u32, nr: u32) -> u32 {
    _IOC(uapi::_IOC_READ, ty, nr, size_of::<T>())
}

/// The number of a call for which user space writes a `T`.
#[inline(always)]
pub const fn _IOW<T>(ty: u32, nr: u32) -> u32 {
    _IOC(uapi::_IOC_WRITE, ty, nr, size_of::<T>())
}

/// The number of a call for which user space writes a `T` and reads it back.
#[inline(always)]
pub const fn _IOWR<T>(ty: u32, nr: u32) -> u32 {
    _IOC(uapi::_IOC_READ | uapi::_IOC_WRITE, ty, nr, size_of::<T>())
}

/// The directions of a number: [`_IOC_READ`](uapi::_IOC_READ), [`_IOC_WRITE`](uapi::_IOC_WRITE).
pub const fn _IOC_DIR(nr: u32) -> u32 {
    nr >> uapi::_IOC_DIRSHIFT & uapi::_IOC_DIRMASK
}

/// The type of a number: whose call it is.
pub const fn _IOC_TYPE(nr: u32) -> u32 {
    nr >> uapi::_IOC_TYPESHIFT & uapi::_IOC_TYPEMASK
}

/// Which call of that type a number is.
pub const fn _IOC_NR(nr: u32) -> u32 {
    nr >> uapi::_IOC_NRSHIFT & uapi::_IOC_NRMASK
}

/// The size of the argument of a number, in bytes.
pub const fn _IOC_SIZE(nr: u32) -> usize {
    (nr >> uapi::_IOC_SIZESHIFT & uapi::_IOC_SIZEMASK) as usize
}
