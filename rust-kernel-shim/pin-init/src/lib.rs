// SPDX-License-Identifier: GPL-2.0-only

//! Initialisation of values in the place where they stay.
//!
//! C header: none; this is the counterpart of `rust/pin-init` of Linux 7.3, with its names, syntax
//! and default errors.
//!
//! An initialiser is a value that can make another one, in memory that it is given: an [`Init`] any
//! value, a [`PinInit`] one that must not be moved after. [`init!`] and [`pin_init!`] make them of
//! structures, [`pin_init_from_closure`] and its kin of anything; smart pointers of the kernel, and
//! [`stack_pin_init!`], run them.
//!
//! # Examples
//!
//! ```
//! use core::{marker::PhantomPinned, pin::Pin};
//! use pin_init::{pin_data, pin_init, stack_pin_init, PinInit};
//!
//! #[pin_data]
//! struct Node {
//!     #[pin]
//!     pin: PhantomPinned,
//!     this: *const Node,
//!     number: u32,
//!     twice: u32,
//! }
//!
//! impl Node {
//!     fn new(number: u32) -> impl PinInit<Self> {
//!         pin_init!(&this in Self {
//!             pin: PhantomPinned,
//!             this: this.as_ptr(),
//!             number,
//!             // What is initialised already can be used.
//!             twice: 2 * *number,
//!             _: { assert_eq!(*twice, 2 * *number) },
//!         })
//!     }
//! }
//!
//! stack_pin_init!(let node = Node::new(4));
//! assert_eq!(node.this, &raw const *node);
//! assert_eq!(*node.as_mut().project().twice, 8);
//! ```

#![no_std]

#[doc(hidden)]
pub mod __internal;
mod array;
mod chain;
mod closure;
mod init;
mod place;
mod stack;
mod zeroable;

pub use array::{init_array_from_fn, pin_init_array_from_fn};
pub use chain::{ChainInit, ChainPinInit};
pub use closure::{
    cast_init, cast_pin_init, init_from_closure, init_scope, pin_init_from_closure, pin_init_scope,
    uninit,
};
pub use init::{raw_init, raw_try_init, Init, PinInit, PinnedDrop};
pub use place::{InPlaceWrite, Wrapper};
pub use zeroable::{init_zeroed, zeroed, Zeroable, ZeroableOption};

/// An initialiser of a structure that may be moved.
///
/// As [`pin_init!`], but all fields are initialised with an [`Init`], and later fields see all of
/// them as `&mut T`.
pub use pin_init_internal::init;

/// An initialiser of a structure with [`pin_data`], that must not be moved after.
///
/// In front of the structure there may be `&this in`, which names a pointer to it, and behind it
/// `? Error`, which names the error (`Infallible`); `?` and `return Err(..)` in what initialises a
/// field return such an error, after what is initialised already is dropped. In the structure are:
/// - `field: value`, or `field`;
/// - `field <- initialiser`: a [`PinInit`] for a field with `#[pin]`, else an [`Init`];
/// - `_: { code }`, which runs when what stands before it is initialised;
/// - at the end, `..Zeroable::init_zeroed()`, if fields not mentioned are to be zero.
///
/// They are executed in their order, and each may have attributes. A field that is initialised is a
/// variable in all that follows: a `Pin<&mut T>` with `#[pin]`, else a `&mut T`.
pub use pin_init_internal::pin_init;

/// Structures of which some fields are pinned with them: those with `#[pin]`.
///
/// Such a structure can be initialised with [`pin_init!`]. It has a method `project()`, from a
/// pinned reference to it to references to its fields, and is `Unpin` if all its pinned fields are.
/// It cannot have a `Drop`; with `#[pin_data(PinnedDrop)]` it has a [`PinnedDrop`].
pub use pin_init_internal::pin_data;

/// Implementations of [`PinnedDrop`].
pub use pin_init_internal::pinned_drop;

/// Implements [`Zeroable`](trait@Zeroable) for a type whose fields all are.
pub use pin_init_internal::Zeroable;

/// Implements [`Zeroable`](trait@Zeroable) for a type if its fields all are.
pub use pin_init_internal::MaybeZeroable;

/// Has the compiler see that a field has `#[pin]`.
///
/// `assert_pinned!(Structure, field, FieldType)`; with `inline` at the end the types may depend on
/// parameters of the function around.
#[macro_export]
macro_rules! assert_pinned {
    ($structure:ty, $field:ident, $type:ty, inline) => {
        let _ = |slot: *mut $structure| {
            let fields = $crate::__internal::fields(slot);
            // SAFETY: This code does not run.
            let place = unsafe { fields.$field(slot) };
            let _: $crate::__internal::Place<$crate::__internal::Pinned, $type> = place;
        };
    };
    ($structure:ty, $field:ident, $type:ty) => {
        const _: () = {
            $crate::assert_pinned!($structure, $field, $type, inline);
        };
    };
}
