// SPDX-License-Identifier: GPL-2.0-only

//! The error numbers as [`Error`]s.

use super::Error;

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
    };
}

bindings::__errors!(errors);
