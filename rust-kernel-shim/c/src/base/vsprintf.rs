// SPDX-License-Identifier: GPL-2.0-only
//! Pointers as text.
//!
//! C file: [`lib/vsprintf.c`](srctree/lib/vsprintf.c).

use crate::{
    ffi::{c_char, c_int, c_void},
    from_char_ptr, BUG_ON,
};
use core::fmt::{self, Write};

/// Whether addresses are printed as they are, which a boot option asks for in the kernel.
pub static no_hash_pointers: bool = false;

/// Spreads an address over 32 bits; the constant is that of Fibonacci hashing.
///
/// Linux hashes with a secret key; here the hash does not hide the address from who wants it.
fn hash(address: usize) -> usize {
    // The low bits of an address are alike, the high bits of the product not.
    ((address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// Text that is cut where the buffer ends, and how much of it there is.
pub(crate) struct Cut<'a>(pub(crate) &'a mut [u8], pub(crate) usize);

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let space = &mut self.0[self.1..];
        let len = space.len().min(text.len());
        space[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.1 += len;
        Ok(())
    }
}

/// Writes a pointer, with zeroes in front up to the width; returns how many characters fit, without the
/// NUL at the end. Null and errors are written as they are, of other addresses a hash. From any context.
///
/// Of C's formats it knows one only, and with another the machine ends: Rust cannot define a function with
/// variable arguments.
///
/// # Safety
///
/// `buf` has `size` bytes, more than none.
pub unsafe fn scnprintf(
    buf: *mut c_char,
    size: usize,
    fmt: *const c_char,
    width: c_int,
    ptr: *const c_void,
) -> c_int {
    // SAFETY: The format ends with a NUL.
    let fmt = unsafe { from_char_ptr(fmt) };
    BUG_ON!(fmt != c"%#0*p");
    let address = ptr.addr();
    let is_error = address >= usize::MAX - 4094;
    let value = if address == 0 || is_error {
        address
    } else {
        hash(address)
    };
    // SAFETY: The caller says so.
    let buf = unsafe { core::slice::from_raw_parts_mut(buf, size) };
    let mut out = Cut(&mut buf[..size - 1], 0);
    let width = usize::try_from(width).unwrap_or(0);
    let len = match write!(out, "{value:#0width$x}") {
        Ok(()) => out.1,
        Err(fmt::Error) => 0,
    };
    buf[len] = 0;
    // CAST: As far as C goes.
    len as c_int
}
