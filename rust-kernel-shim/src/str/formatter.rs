// SPDX-License-Identifier: GPL-2.0-only

//! Formatting into the caller's memory.

use crate::fmt::{self, Write};
use core::{marker::PhantomData, ops::Deref};

/// Formats into a buffer, and counts what does not fit.
///
/// # Invariants
///
/// From `pos` up to `end`, if that is larger, the memory may be written.
pub struct RawFormatter {
    start: *mut u8,
    written: usize,
    capacity: usize,
}

impl RawFormatter {
    /// No memory: counts only.
    pub(crate) fn new() -> Self {
        // INVARIANT: There is nothing to write to.
        RawFormatter {
            start: core::ptr::null_mut(),
            written: 0,
            capacity: 0,
        }
    }

    /// # Safety
    ///
    /// `len` bytes from `buf` on may be written while the formatter lives.
    pub(crate) unsafe fn from_buffer(buf: *mut u8, len: usize) -> Self {
        // INVARIANT: The buffer may be written: the caller's guarantee.
        RawFormatter {
            start: buf,
            written: 0,
            capacity: len,
        }
    }

    /// Returns the number of bytes written, those that did not fit included.
    pub fn bytes_written(&self) -> usize {
        self.written
    }
}

impl fmt::Write for RawFormatter {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.capacity.saturating_sub(self.written);
        let fits = room.min(s.len());
        if fits > 0 {
            // SAFETY: The position is within the buffer.
            let position = unsafe { self.start.add(self.written) };
            // SAFETY: There is room for that many; `s` is not in the buffer, which is ours.
            unsafe { core::ptr::copy_nonoverlapping(s.as_ptr(), position, fits) };
        }
        self.written = self.written.saturating_add(s.len());
        Ok(())
    }
}

/// Formats into a buffer, and fails once it is full.
pub struct Formatter<'a>(RawFormatter, PhantomData<&'a mut ()>);

impl<'a> Formatter<'a> {
    /// Formats into `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        // SAFETY: The buffer is borrowed for as long as the formatter lives.
        let raw = unsafe { RawFormatter::from_buffer(buffer.as_mut_ptr(), buffer.len()) };
        Formatter(raw, PhantomData)
    }
}

impl Deref for Formatter<'_> {
    type Target = RawFormatter;

    fn deref(&self) -> &RawFormatter {
        &self.0
    }
}

impl fmt::Write for Formatter<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.write_str(s)?;
        if self.0.written > self.0.capacity {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Formats into a buffer that at any time holds a C string.
///
/// # Invariants
///
/// The buffer has at least one byte, and its first byte is a NUL.
pub struct NullTerminatedFormatter<'a> {
    buffer: &'a mut [u8],
}

impl<'a> NullTerminatedFormatter<'a> {
    /// Formats into `buffer`, if it has room for a NUL.
    pub fn new(buffer: &'a mut [u8]) -> Option<NullTerminatedFormatter<'a>> {
        *buffer.first_mut()? = 0;
        // INVARIANT: The first byte was just written.
        Some(NullTerminatedFormatter { buffer })
    }
}

impl Write for NullTerminatedFormatter<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        // One byte is for the NUL.
        if s.len() >= self.buffer.len() {
            return Err(fmt::Error);
        }
        let (text, rest) = core::mem::take(&mut self.buffer).split_at_mut(s.len());
        text.copy_from_slice(s.as_bytes());
        // INVARIANT: There was room for one more.
        rest[0] = 0;
        self.buffer = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_does_not_fit() {
        let mut buffer = [b'-'; 4];
        let mut text = Formatter::new(&mut buffer[..3]);
        assert_eq!(text.write_str("ab"), Ok(()));
        assert_eq!(text.write_str("cd"), Err(fmt::Error));
        assert_eq!(text.bytes_written(), 4);
        assert_eq!(&buffer, b"abc-");
    }

    #[test]
    fn is_a_c_string_at_any_time() {
        assert!(NullTerminatedFormatter::new(&mut []).is_none());
        let mut buffer = [b'-'; 4];
        let mut text = NullTerminatedFormatter::new(&mut buffer).unwrap();
        assert_eq!(text.write_str("ab"), Ok(()));
        assert_eq!(text.write_str("cd"), Err(fmt::Error));
        assert_eq!(text.write_str("c"), Ok(()));
        assert_eq!(&buffer, b"abc\0");
    }
}
