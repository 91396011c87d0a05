// SPDX-License-Identifier: GPL-2.0-only

//! The error numbers as [`Error`]s, and what each is called.

use super::Error;
use crate::str::CStr;

macro_rules! errors {
    (
        named { $($named:ident = $number:literal, $doc:literal;)* }
        nameless { $($nameless:ident = $same:literal, $doc2:literal;)* }
    ) => {
        $(
            #[doc = concat!($doc, ".")]
            pub const $named: Error = Error::from_constant(-$number);
        )*
        $(
            #[doc = concat!($doc2, ".")]
            pub const $nameless: Error = Error::from_constant(-$same);
        )*

        /// The name of a positive error number, as far as C's `errname()` has one.
        pub(super) fn name(number: crate::ffi::c_int) -> Option<&'static CStr> {
            match number {
                $($number => Some($crate::c_str!(stringify!($named))),)*
                _ => None,
            }
        }
    };
}

bindings::__errors!(errors);
