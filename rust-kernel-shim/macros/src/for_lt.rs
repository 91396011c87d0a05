// SPDX-License-Identifier: GPL-2.0-only

//! Types that differ in a lifetime.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    parse::{Parse, ParseStream},
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
    Lifetime, Token, Type, TypeReference,
};

/// A type with a lifetime in it: that of its `for<'a>`, or all that are elided.
pub(crate) struct Input {
    lifetime: Lifetime,
    ty: Type,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![for]) {
            input.parse::<Token![for]>()?;
            input.parse::<Token![<]>()?;
            let lifetime = input.parse()?;
            input.parse::<Token![>]>()?;
            let ty = input.parse()?;
            return Ok(Self { lifetime, ty });
        }
        let lifetime = Lifetime::new("'__elided", Span::mixed_site());
        let mut ty = input.parse()?;
        Name(&lifetime).visit_type_mut(&mut ty);
        Ok(Self { lifetime, ty })
    }
}

/// Writes a lifetime wherever one is elided.
struct Name<'a>(&'a Lifetime);

impl VisitMut for Name<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.0.clone();
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        visit_mut::visit_type_reference_mut(self, reference);
        reference.lifetime.get_or_insert_with(|| self.0.clone());
    }
}

/// Writes `'static` instead of a lifetime.
struct Static<'a>(&'a Lifetime);

impl VisitMut for Static<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == self.0.ident {
            lifetime.ident = format_ident!("static");
        }
    }
}

/// Looks for a lifetime; what a macro expands to may have it.
struct Has<'a>(&'a Lifetime, bool);

impl Visit<'_> for Has<'_> {
    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        self.1 |= lifetime.ident == self.0.ident;
    }

    fn visit_macro(&mut self, _: &syn::Macro) {
        self.1 = true;
    }
}

fn has(lifetime: &Lifetime, ty: &Type) -> bool {
    let mut has = Has(lifetime, false);
    visit::visit_type(&mut has, ty);
    has.1
}

/// The parts of a type of which the compiler has to say whether they are covariant, and well-formed with
/// any lifetime: those that have the lifetime elsewhere than behind shared references with it.
fn doubtful<'a>(lifetime: &Lifetime, ty: &'a Type, parts: &mut Vec<&'a Type>) {
    if !has(lifetime, ty) {
        return;
    }
    match ty {
        Type::Paren(ty) => doubtful(lifetime, &ty.elem, parts),
        Type::Group(ty) => doubtful(lifetime, &ty.elem, parts),
        Type::Array(ty) => doubtful(lifetime, &ty.elem, parts),
        Type::Slice(ty) => doubtful(lifetime, &ty.elem, parts),
        Type::Tuple(ty) => ty.elems.iter().for_each(|ty| doubtful(lifetime, ty, parts)),
        Type::Reference(ty) if !has(lifetime, &ty.elem) => {}
        Type::Reference(ty)
            if ty.mutability.is_none() && ty.lifetime.as_ref() == Some(lifetime) =>
        {
            doubtful(lifetime, &ty.elem, parts);
        }
        ty => parts.push(ty),
    }
}

/// A type that has one of the traits: `ForLt`, and `CovariantForLt` as well if it is to be `covariant`.
pub(crate) fn expand(Input { lifetime, ty }: Input, covariant: bool) -> TokenStream {
    let mut parts = Vec::new();
    doubtful(&lifetime, &ty, &mut parts);
    let proofs = parts.iter().enumerate().map(|(number, part)| {
        let name = format_ident!("Part{number}");
        let covariance = covariant.then(|| {
            let shorten = format_ident!("shorten{number}");
            quote!(fn #shorten<'short, 'long: 'short>(long: #name<'long>) -> #name<'short> { long })
        });
        // As a structure, whose bounds the compiler does not infer as it does a function's.
        quote! {
            struct #name<#lifetime>(::core::marker::PhantomData<&#lifetime ()>, #part);
            #covariance
        }
    });
    let mut with_static = ty.clone();
    Static(&lifetime).visit_type_mut(&mut with_static);
    let level = usize::from(covariant);
    quote! {
        ::kernel::types::for_lt::UnsafeForLtImpl::<
            dyn for<#lifetime> ::kernel::types::for_lt::WithLt<#lifetime, Of = #ty>,
            #with_static,
            { #(#proofs)* #level }
        >
    }
}
