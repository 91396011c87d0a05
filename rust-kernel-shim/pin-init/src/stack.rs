// SPDX-License-Identifier: GPL-2.0-only

//! Values pinned on the stack.
//!
//! C header: none.

/// Declares a variable that is a pinned reference to a value on the stack.
///
/// # Examples
///
/// ```
/// use core::pin::Pin;
/// use pin_init::{init, stack_pin_init};
///
/// struct Pair {
///     first: u8,
///     second: u8,
/// }
///
/// stack_pin_init!(let pair = init!(Pair { first: 1, second: 2 }));
/// let pair: Pin<&mut Pair> = pair;
/// assert_eq!(pair.first + pair.second, 3);
/// ```
#[macro_export]
macro_rules! stack_pin_init {
    (let $name:ident $(: $type:ty)? = $init:expr) => {
        let init = $init;
        let place = ::core::pin::pin!($crate::__internal::Stack$(::<$type>)?::new());
        let mut $name = match place.init(init) {
            Ok(value) => value,
            Err(never) => match never {},
        };
    };
}

/// As [`stack_pin_init!`], with an initialiser that may fail: with `=` the variable is a `Result`,
/// with `=?` an error is returned.
#[macro_export]
macro_rules! stack_try_pin_init {
    (let $name:ident $(: $type:ty)? = $init:expr) => {
        let init = $init;
        let place = ::core::pin::pin!($crate::__internal::Stack$(::<$type>)?::new());
        let mut $name = place.init(init);
    };
    (let $name:ident $(: $type:ty)? =? $init:expr) => {
        let init = $init;
        let place = ::core::pin::pin!($crate::__internal::Stack$(::<$type>)?::new());
        let mut $name = place.init(init)?;
    };
}
