// SPDX-License-Identifier: GPL-2.0-only

//! The errors of vectors, which return what did not fit.

use crate::{
    error::{code::EINVAL, Error},
    fmt,
};

macro_rules! errors {
    ($($error:ident $(<$value:ident>)?: $this:pat => $text:expr;)*) => {$(
        impl $(<$value>)? fmt::Debug for $error $(<$value>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                f.write_str($text)
            }
        }

        impl $(<$value>)? From<$error $(<$value>)?> for Error {
            #[inline]
            fn from(_: $error $(<$value>)?) -> Error {
                EINVAL
            }
        }
    )*};
}

/// The vector, which may not allocate, has no capacity left for the value inside.
pub struct PushError<T>(pub T);

/// There is no element at the index.
pub struct RemoveError;

/// The value inside could not be inserted.
pub enum InsertError<T> {
    /// The index is beyond the end.
    IndexOutOfBounds(T),
    /// The vector, which may not allocate, has no capacity left.
    OutOfCapacity(T),
}

errors! {
    PushError<T>: _ => "no capacity left";
    RemoveError: _ => "index out of bounds";
    InsertError<T>: this => match this {
        InsertError::IndexOutOfBounds(_) => "index out of bounds",
        InsertError::OutOfCapacity(_) => "no capacity left",
    };
}
