// SPDX-License-Identifier: GPL-2.0-only

//! Data that can be shown, and written.

use crate::{
    error::Result,
    fmt,
    prelude::EINVAL,
    sync::{
        atomic::{Atomic, AtomicType, Relaxed},
        Mutex,
    },
    uaccess::UserSliceReader,
};
use core::str::{from_utf8, FromStr};

/// Data that can be shown.
pub trait Writer {
    /// Writes it as text. May sleep.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Writer> Writer for Mutex<T> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().write(f)
    }
}

impl<T: fmt::Debug> Writer for T {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{self:?}")
    }
}

/// Data that takes what is written.
pub trait Reader {
    /// Reads what was written. May sleep.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL if it is no such data.
    fn read_from_slice(&self, reader: &mut UserSliceReader) -> Result;
}

/// Reads text of at most `N` bytes.
fn parse<T: FromStr, const N: usize>(reader: &mut UserSliceReader) -> Result<T> {
    let mut buf = [0; N];
    let text = buf.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(text)?;
    let text = from_utf8(text)?.trim();
    text.parse().map_err(|_| EINVAL)
}

impl<T: FromStr + Unpin> Reader for Mutex<T> {
    fn read_from_slice(&self, reader: &mut UserSliceReader) -> Result {
        *self.lock() = parse::<T, 128>(reader)?;
        Ok(())
    }
}

impl<T: AtomicType + FromStr> Reader for Atomic<T>
where
    T::Repr: crate::sync::atomic::AtomicBasicOps,
{
    fn read_from_slice(&self, reader: &mut UserSliceReader) -> Result {
        // As long as a number of 64 bits.
        self.store(parse::<T, 21>(reader)?, Relaxed);
        Ok(())
    }
}
