// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers of structures.
//!
//! An initialiser expands to two things. One is a structure literal, of loops that never end, which
//! is compiled and never run: it says of which type the structure is, and has the compiler see that
//! all its fields are mentioned, each once. The other is a closure, which makes the fields in their
//! order in the slot that it is given; for each field made it has a guard that drops the field
//! again, should a later one fail.

use crate::initializer::{Action, Initializer, Step};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{ext::IdentExt, spanned::Spanned, Attribute};

/// What an initialiser may be used for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A value that may be moved after: `init!`.
    Movable,
    /// A value that stays where it is: `pin_init!`.
    Pinned,
}

/// The names that the expansion has for itself; the code of a caller cannot use them.
struct Names {
    slot: Ident,
    fields: Ident,
}

/// The attributes that say whether something is there.
fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .collect()
}

fn guard(field: &Ident) -> Ident {
    format_ident!("__{}_guard", field.unraw(), span = Span::mixed_site())
}

/// The code of one step.
fn expand_step(Step { attrs, action }: &Step, kind: Kind, names: &Names) -> TokenStream {
    let Names { slot, fields } = names;
    let place = |field: &Ident| match kind {
        // SAFETY: The slot is valid, and pinned as it is initialised by `Recipe::pin_init()`. The
        // structure literal mentions each field once, so this one holds nothing.
        Kind::Pinned => quote!((unsafe { #fields.#field(#slot) })),
        // SAFETY: As above; a field that may be moved need not be pinned.
        Kind::Movable => quote!((unsafe {
            ::pin_init::__internal::Place::<::pin_init::__internal::Movable, _>::new(
                &raw mut (*#slot).#field
            )
        })),
    };
    let (field, made) = match action {
        Action::Code(block) => {
            let statements = &block.stmts;
            return quote!(#(#attrs)* { #(#statements)* });
        }
        Action::Value(field, value) => {
            let place = place(field);
            (field, quote!(#place.write(#value)))
        }
        Action::Init(field, value) => {
            let place = place(field);
            let value = quote_spanned!(value.span()=> .init(#value));
            (field, quote!(#place #value?))
        }
    };
    let guard = guard(field);
    let cfgs = cfgs(attrs);
    quote! {
        #(#attrs)*
        let mut #guard = #made;
        #(#cfgs)*
        #[allow(unused_variables, non_snake_case)]
        let #field = #guard.get();
    }
}

pub(crate) fn expand(initializer: &Initializer, kind: Kind) -> TokenStream {
    let Initializer {
        this,
        path,
        steps,
        zeroed,
        error,
    } = initializer;
    let name = |name| Ident::new(name, Span::mixed_site());
    let (all, value, recipe) = (name("all"), name("value"), name("recipe"));
    let names = Names {
        slot: name("slot"),
        fields: name("fields"),
    };
    let Names { slot, fields } = &names;

    let (attrs, given): (Vec<_>, Vec<_>) = steps
        .iter()
        .filter_map(|step| Some((&step.attrs, step.field()?)))
        .unzip();
    let guards = given.iter().zip(&attrs).map(|(field, attrs)| {
        let (guard, cfgs) = (guard(field), cfgs(attrs));
        quote!(#(#cfgs)* ::core::mem::forget(#guard);)
    });
    let rest = zeroed.then(|| quote!(..loop {}));
    let zero = zeroed.then(|| {
        quote! {
            // SAFETY: The slot is valid for writes and aligned, and holds nothing yet.
            unsafe { ::pin_init::__internal::zero(#slot) };
        }
    });
    let this = this.as_ref().map(|this| {
        quote! {
            // SAFETY: A slot that is valid is not null.
            let #this = unsafe { ::core::ptr::NonNull::new_unchecked(#slot) };
        }
    });
    let steps = steps.iter().map(|step| expand_step(step, kind, &names));
    let (fields, into) = match kind {
        Kind::Pinned => (
            quote!(let #fields = ::pin_init::__internal::fields(#slot);),
            quote!(pin_init),
        ),
        Kind::Movable => (quote!(), quote!(init)),
    };
    quote! {{
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        let #all = || #path { #(#(#attrs)* #given: loop {},)* #rest };
        let #recipe = ::pin_init::__internal::Recipe::<_, #error, _>::new(
            #all,
            |#value| { #(#(#attrs)* let _ = &#value.#given;)* },
            move |#slot| {
                #zero
                #this
                #fields
                #(#steps)*
                #(#guards)*
                // SAFETY: All steps have succeeded, and make all fields, or the literal is not compiled;
                // or the rest was zeroed. A step that fails returns before, and each guard drops its
                // field then.
                ::core::result::Result::Ok(unsafe { ::pin_init::__internal::Done::new() })
            },
        );
        // SAFETY: The closure returns a `Done` only where all is initialised: a caller's code that
        // returns early has none. What may be moved has a place for each field that takes an `Init` only.
        unsafe { #recipe.#into() }
    }}
}
