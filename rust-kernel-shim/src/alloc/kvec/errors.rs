// SPDX-License-Identifier: GPL-2.0-only

//! The errors of vectors, which return what did not fit.

use crate::{
    error::{code::EINVAL, Error},
    fmt,
};

/// There was no room for the value inside, and no leave to make some.
pub struct PushError<T>(pub T);

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no capacity left")
    }
}

impl<T> From<PushError<T>> for Error {
    #[inline]
    fn from(_: PushError<T>) -> Error {
        EINVAL
    }
}

/// There is no element at the index.
pub struct RemoveError;

impl fmt::Debug for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("index out of bounds")
    }
}

impl From<RemoveError> for Error {
    #[inline]
    fn from(_: RemoveError) -> Error {
        EINVAL
    }
}

/// The value inside could not be inserted.
pub enum InsertError<T> {
    /// The index is beyond the end.
    IndexOutOfBounds(T),
    /// There was no room, and no leave to make some.
    OutOfCapacity(T),
}

impl<T> fmt::Debug for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InsertError::IndexOutOfBounds(_) => "index out of bounds",
            InsertError::OutOfCapacity(_) => "no capacity left",
        })
    }
}

impl<T> From<InsertError<T>> for Error {
    #[inline]
    fn from(_: InsertError<T>) -> Error {
        EINVAL
    }
}
