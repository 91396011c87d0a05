// SPDX-License-Identifier: GPL-2.0-only

//! The procedural macros of the kernel's prelude.
//!
//! C header: none; this is the userspace counterpart of Linux's
//! `rust/macros`. A macro here takes exactly the grammar its namesake takes in Linux 7.3, or less of
//! it: what one of these accepts, the kernel's accepts with the same meaning.
//!
//! Those that the prelude has are used through `kernel::prelude`.

mod bitfield;
mod fmt;
mod for_lt;
mod kunit;
mod module;
mod paste;
mod vtable;

use proc_macro::TokenStream;
use quote::ToTokens;
use syn::parse_macro_input;

/// Refuses the input, with the error `message` at `at`.
fn refuse<T>(at: impl ToTokens, message: impl std::fmt::Display) -> syn::Result<T> {
    Err(syn::Error::new_spanned(at, message))
}

fn tokens(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

/// Declares the module that a crate is.
///
/// Keys are `type`, `name`, `authors`, `description`, `license`, `alias`,
/// `firmware`, `imports_ns`, in this order, each followed by a comma; `type`,
/// `name` and `license` are required. `params` is not supported yet.
///
/// At the crate root this defines `__LOG_PREFIX`, which the printing macros
/// use, and `LocalModule`, which `#[vtable]` uses, and implements
/// `kernel::ModuleMetadata` for the type.
#[proc_macro]
pub fn module(input: TokenStream) -> TokenStream {
    tokens(module::expand(parse_macro_input!(input)))
}

/// Makes optional methods of a trait visible as `HAS_*` constants.
///
/// Goes on the trait and on every implementation. A method that an
/// implementation defines has its constant `true`, any other `false`.
#[proc_macro_attribute]
pub fn vtable(attr: TokenStream, input: TokenStream) -> TokenStream {
    parse_macro_input!(attr as syn::parse::Nothing);
    tokens(vtable::expand(parse_macro_input!(input)))
}

/// Turns a module into a suite of KUnit tests; here, into ordinary tests.
///
/// A test may return a `Result`; `assert!` and `assert_eq!` take no message.
#[proc_macro_attribute]
pub fn kunit_tests(attr: TokenStream, input: TokenStream) -> TokenStream {
    tokens(kunit::expand(
        parse_macro_input!(attr),
        parse_macro_input!(input),
    ))
}

/// Builds `core::fmt::Arguments` whose arguments print as the kernel prints.
///
/// Arguments end at every comma, and the first `=` in one ends its name; write
/// parentheses around an expression that contains either.
#[proc_macro]
pub fn fmt(input: TokenStream) -> TokenStream {
    fmt::expand(input.into()).into()
}

/// Puts the names and literals in `[<a b>]`, wherever that stands in the input, together to one name.
///
/// As in Linux, but for the modifier `:span`; `:lower` and `:upper` change the part before them.
#[proc_macro]
pub fn paste(input: TokenStream) -> TokenStream {
    tokens(paste::expand(input.into()))
}

/// Makes one identifier of two.
#[proc_macro]
pub fn concat_idents(input: TokenStream) -> TokenStream {
    let names = parse_macro_input!(input with
        syn::punctuated::Punctuated::<syn::Ident, syn::Token![,]>::parse_terminated);
    let name: String = names.iter().map(ToString::to_string).collect();
    // As the last one is: a number's name is the caller's.
    let span = names
        .last()
        .map_or_else(proc_macro2::Span::call_site, syn::Ident::span);
    let name = syn::Ident::new(&name, span);
    quote::quote!(#name).into()
}

/// A type that implements the trait of the same name, by a type with a lifetime in it: `for<'a> Type<'a>`,
/// or a type in which lifetimes are elided.
#[proc_macro]
#[allow(non_snake_case)]
pub fn ForLt(input: TokenStream) -> TokenStream {
    for_lt::expand(parse_macro_input!(input), false).into()
}

/// As [`ForLt!`], of types that are covariant in the lifetime; another does not compile.
#[proc_macro]
#[allow(non_snake_case)]
pub fn CovariantForLt(input: TokenStream) -> TokenStream {
    for_lt::expand(parse_macro_input!(input), true).into()
}

/// Declares an integer whose bits are fields.
///
/// `struct Name(integer) { hi:lo field; ... }`; each field is a
/// `kernel::num::Bounded`, or with `=> Type` after its name what that
/// converts to, and with `?=> Type` what it may convert to. A field that is
/// called `mode` is read by `mode()`, and set by `with_mode()`,
/// `try_with_mode()` and `with_const_mode()`.
#[proc_macro]
pub fn bitfield(input: TokenStream) -> TokenStream {
    bitfield::expand(parse_macro_input!(input)).into()
}
