// SPDX-License-Identifier: GPL-2.0-only

//! The procedural macros of pin-init.
//!
//! C header: none; this is the counterpart of `rust/pin-init/internal` of Linux. What the macros
//! expand to stands on `pin_init::__internal`, which argues its soundness. Whatever they name by
//! themselves has the span of the macro, so that no code of a caller can name it; whatever a caller
//! wrote stays outside of their `unsafe` blocks.

mod init;
mod initializer;
mod pin_data;
mod pinned_drop;
mod self_type;
mod zeroable;

use proc_macro::TokenStream;
use quote::ToTokens;
use syn::{parse::Nothing, parse_macro_input, Error, Result};

/// An error at the tokens `at`.
fn refuse<T>(at: impl ToTokens, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::new_spanned(at, message))
}

fn tokens(expanded: Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(Error::into_compile_error).into()
}

/// See `pin_init::init!`.
#[proc_macro]
pub fn init(input: TokenStream) -> TokenStream {
    init::expand(&parse_macro_input!(input), init::Kind::Movable).into()
}

/// See `pin_init::pin_init!`.
#[proc_macro]
pub fn pin_init(input: TokenStream) -> TokenStream {
    init::expand(&parse_macro_input!(input), init::Kind::Pinned).into()
}

/// See `pin_init::pin_data`.
#[proc_macro_attribute]
pub fn pin_data(attr: TokenStream, input: TokenStream) -> TokenStream {
    let drop = parse_macro_input!(attr);
    tokens(pin_data::expand(drop, parse_macro_input!(input)))
}

/// See `pin_init::pinned_drop`.
#[proc_macro_attribute]
pub fn pinned_drop(attr: TokenStream, input: TokenStream) -> TokenStream {
    let _: Nothing = parse_macro_input!(attr);
    tokens(pinned_drop::expand(parse_macro_input!(input)))
}

/// See `pin_init::Zeroable`.
#[proc_macro_derive(Zeroable)]
pub fn derive_zeroable(input: TokenStream) -> TokenStream {
    tokens(zeroable::derive(parse_macro_input!(input)))
}

/// See `pin_init::MaybeZeroable`.
#[proc_macro_derive(MaybeZeroable)]
pub fn derive_maybe_zeroable(input: TokenStream) -> TokenStream {
    tokens(zeroable::derive_maybe(parse_macro_input!(input)))
}
