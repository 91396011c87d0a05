// SPDX-License-Identifier: GPL-2.0-only

//! Types of which all zeroes are a value.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{parse_quote, Data, DeriveInput, Result, Type};

/// The types of the fields, after bounds for the type's parameters were put to it.
fn prepare(input: &mut DeriveInput) -> Result<Vec<Type>> {
    let types = match &input.data {
        Data::Struct(data) => data.fields.iter().map(|field| field.ty.clone()).collect(),
        Data::Union(data) => data
            .fields
            .named
            .iter()
            .map(|field| field.ty.clone())
            .collect(),
        Data::Enum(data) => return refuse(data.enum_token, "an `enum` cannot be `Zeroable`"),
    };
    for parameter in input.generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::pin_init::Zeroable));
    }
    Ok(types)
}

fn implement(input: &DeriveInput) -> TokenStream {
    let name = &input.ident;
    let (for_generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        unsafe impl #for_generics ::pin_init::Zeroable for #name #arguments #bounds {}
    }
}

/// `Zeroable`, which all fields have to be.
pub(crate) fn derive(mut input: DeriveInput) -> Result<TokenStream> {
    let types = prepare(&mut input)?;
    let implementation = implement(&input);
    let (for_generics, _, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #implementation
        const _: () = {
            fn zeroable<T: ::pin_init::Zeroable + ?::core::marker::Sized>() {}
            fn fields #for_generics () #bounds {
                #(zeroable::<#types>();)*
            }
        };
    })
}

/// `Zeroable`, if all fields are. The lifetime makes a bound that does not hold no error.
pub(crate) fn derive_maybe(mut input: DeriveInput) -> Result<TokenStream> {
    let types = prepare(&mut input)?;
    let bounds = types
        .iter()
        .map(|ty| parse_quote!(#ty: for<'__field> ::pin_init::Zeroable));
    input
        .generics
        .make_where_clause()
        .predicates
        .extend::<Vec<syn::WherePredicate>>(bounds.collect());
    Ok(implement(&input))
}
