// SPDX-License-Identifier: GPL-2.0-only
//! Files whose text is written in one go.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use crate::{
    ffi::{c_char, c_int, c_void},
    BUG_ON,
};
use core::{fmt, ptr};

/// A buffer that text is appended to.
///
/// # Invariants
///
/// `count <= size`; the first `count` bytes of `buf` are written. They are equal after an overflow.
#[repr(C)]
pub struct seq_file {
    /// The buffer.
    pub buf: *mut c_char,
    /// Its size.
    pub size: usize,
    /// The number of bytes written.
    pub count: usize,
    /// Of what is written.
    pub private: *mut c_void,
}

/// Appends bytes; -1, and the file overflows, if they do not fit.
///
/// # Safety
///
/// `data` has `len` bytes.
pub unsafe fn seq_write(seq: *mut seq_file, data: *const c_void, len: usize) -> c_int {
    // SAFETY: `seq` is valid, and the caller's: its guarantee.
    let seq = unsafe { &mut *seq };
    if seq.count + len < seq.size {
        // SAFETY: The bytes from `count` to `size` are valid for writes.
        unsafe { ptr::copy_nonoverlapping(data.cast(), seq.buf.add(seq.count), len) };
        seq.count += len;
        return 0;
    }
    seq.count = seq.size;
    -1
}

/// Appends a string.
pub unsafe fn seq_puts(seq: *mut seq_file, s: *const c_char) {
    // SAFETY: `seq` keeps its invariants, and `s` is NUL-terminated: the caller's guarantee.
    unsafe {
        let s = crate::from_char_ptr(s);
        seq_write(seq, crate::as_char_ptr(s).cast(), s.count_bytes());
    }
}

/// Appends formatted text, in a Rust that cannot define functions with variable arguments: with a format
/// other than `%pA` the machine ends.
///
/// # Safety
///
/// `args` is an [`Arguments`](fmt::Arguments).
pub unsafe fn seq_printf(seq: *mut seq_file, fmt: *const c_char, args: *const c_void) {
    // SAFETY: The format ends with a NUL.
    BUG_ON!(unsafe { crate::from_char_ptr(fmt) } != c"%pA");
    // SAFETY: The caller says so.
    unsafe { seq_vprintf(seq, *args.cast()) }
}

/// Appends formatted text.
pub unsafe fn seq_vprintf(seq: *mut seq_file, args: fmt::Arguments<'_>) {
    struct Out(*mut seq_file);

    impl fmt::Write for Out {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            // SAFETY: `seq` keeps its invariants: the guarantee of `seq_vprintf()`'s caller.
            match unsafe { seq_write(self.0, s.as_ptr().cast(), s.len()) } {
                0 => Ok(()),
                _ => Err(fmt::Error),
            }
        }
    }

    // The file itself records an overflow.
    let _ = fmt::write(&mut Out(seq), args);
}
