// SPDX-License-Identifier: GPL-2.0-only

//! The C types, as the kernel maps them.
//!
//! C header: none; the mapping is that of Linux's `rust/ffi.rs`. It is not
//! that of [`core::ffi`]: in the kernel `char` is unsigned everywhere and
//! `long` is as wide as a pointer.

#![no_std]

macro_rules! c_types {
    ($($name:ident = $ty:ty;)*) => {$(
        #[doc = concat!("C's type behind `", stringify!($name), "`.")]
        #[allow(non_camel_case_types)]
        pub type $name = $ty;

        const _: () = assert!(size_of::<$name>() == size_of::<core::ffi::$name>());
    )*};
}

c_types! {
    c_char = u8;
    c_schar = i8;
    c_uchar = u8;
    c_short = i16;
    c_ushort = u16;
    c_int = i32;
    c_uint = u32;
    c_long = isize;
    c_ulong = usize;
    c_longlong = i64;
    c_ulonglong = u64;
}

pub use core::ffi::{c_void, CStr};
