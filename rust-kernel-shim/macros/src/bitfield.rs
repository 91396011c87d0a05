// SPDX-License-Identifier: GPL-2.0-only

//! Integers whose bits are fields.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    braced, parenthesized,
    parse::{Parse, ParseStream},
    Attribute, Ident, LitInt, Result, Token, Type, Visibility,
};

/// What the accessors of a field take and return.
enum As {
    Bounded,
    Into(Type),
    TryInto(Type),
}

/// `hi:lo name;`, with `=> Type` or `?=> Type` after the name.
struct Field {
    docs: Vec<Attribute>,
    hi: u32,
    lo: u32,
    name: Ident,
    as_: As,
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let docs = input.call(Attribute::parse_outer)?;
        if let Some(other) = docs.iter().find(|attr| !attr.path().is_ident("doc")) {
            return refuse(other, "a field has no attributes but its documentation");
        }
        let hi: LitInt = input.parse()?;
        input.parse::<Token![:]>()?;
        let lo: LitInt = input.parse()?;
        let name = input.parse()?;
        let as_ = if input.parse::<Option<Token![=>]>>()?.is_some() {
            As::Into(input.parse()?)
        } else if input.parse::<Option<Token![?]>>()?.is_some() {
            input.parse::<Token![=>]>()?;
            As::TryInto(input.parse()?)
        } else {
            As::Bounded
        };
        input.parse::<Token![;]>()?;
        let (high, low) = (hi.base10_parse()?, lo.base10_parse()?);
        if high < low {
            return refuse(hi, "the highest bit comes first");
        }
        Ok(Self {
            docs,
            hi: high,
            lo: low,
            name,
            as_,
        })
    }
}

/// `struct Name(storage) { fields }`.
pub(crate) struct Bitfield {
    attrs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    storage: Type,
    fields: Vec<Field>,
}

impl Parse for Bitfield {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        input.parse::<Token![struct]>()?;
        let name = input.parse()?;
        let (storage, inner);
        parenthesized!(storage in input);
        let storage = storage.parse()?;
        braced!(inner in input);
        let mut fields = Vec::new();
        while !inner.is_empty() {
            fields.push(inner.parse()?);
        }
        Ok(Self {
            attrs,
            vis,
            name,
            storage,
            fields,
        })
    }
}

/// The items of a field.
fn accessors(vis: &Visibility, storage: &Type, field: &Field) -> TokenStream {
    let Field {
        docs,
        hi,
        lo,
        name,
        as_,
    } = field;
    let upper = name.to_string().to_uppercase();
    let (range, mask, shift) = (
        format_ident!("{upper}_RANGE"),
        format_ident!("{upper}_MASK"),
        format_ident!("{upper}_SHIFT"),
    );
    let (get, set) = (format_ident!("__{name}"), format_ident!("__with_{name}"));
    let (with, with_const, try_with) = (
        format_ident!("with_{name}"),
        format_ident!("with_const_{name}"),
        format_ident!("try_with_{name}"),
    );
    let bits = hi - lo + 1;
    let (first, last) = (*lo as u8, *hi as u8);
    let bounded = quote!(::kernel::num::Bounded<#storage, #bits>);
    let (returns, sets) = (
        quote!(#(#docs)* #[doc = "Returns this field."]),
        quote!(#(#docs)* #[doc = "Sets this field."]),
    );
    let public = match as_ {
        As::Into(type_) => quote! {
            #returns
            #[inline(always)]
            #vis fn #name(self) -> #type_ {
                self.#get().into()
            }

            #sets
            #[inline(always)]
            #vis fn #with(self, value: #type_) -> Self {
                self.#set(value.into())
            }
        },
        As::TryInto(type_) => quote! {
            #returns
            #[inline(always)]
            #vis fn #name(self) -> ::core::result::Result<
                #type_, <#type_ as ::core::convert::TryFrom<#bounded>>::Error
            > {
                self.#get().try_into()
            }

            #sets
            #[inline(always)]
            #vis fn #with(self, value: #type_) -> Self {
                self.#set(value.into())
            }
        },
        As::Bounded => quote! {
            #returns
            #[inline(always)]
            #vis fn #name(self) -> #bounded {
                self.#get()
            }

            #sets
            #[inline(always)]
            #vis const fn #with_const<const VALUE: #storage>(self) -> Self {
                self.#set(::kernel::num::Bounded::<#storage, #bits>::new::<VALUE>())
            }

            #sets
            #[inline(always)]
            #vis fn #with<T: ::core::convert::Into<#bounded>>(self, value: T) -> Self {
                self.#set(value.into())
            }

            #sets
            ///
            /// EOVERFLOW if the value does not fit.
            #[inline(always)]
            #vis fn #try_with<T: ::kernel::num::TryIntoBounded<#storage, #bits>>(
                self,
                value: T,
            ) -> ::kernel::error::Result<Self> {
                let value = value.try_into_bounded().ok_or(::kernel::error::code::EOVERFLOW)?;
                Ok(self.#set(value))
            }
        },
    };
    quote! {
        #[doc = "The bits of the field."]
        #vis const #range: ::core::ops::RangeInclusive<u8> = #first..=#last;
        #[doc = "The field's bits, all set."]
        #vis const #mask: #storage = <#storage>::MAX >> (<#storage>::BITS - #bits) << #lo;
        #[doc = "The number of bits below the field."]
        #vis const #shift: u32 = #lo;

        #[inline(always)]
        fn #get(self) -> #bounded {
            let above = <#storage>::BITS - 1 - #hi;
            let all = ::kernel::num::Bounded::<#storage, { <#storage>::BITS }>::from(self.inner << above);
            all.shr::<{ <#storage>::BITS - #bits }, #bits>()
        }

        #[inline(always)]
        const fn #set(mut self, value: #bounded) -> Self {
            self.inner = (self.inner & !Self::#mask) | (value.get() << #lo);
            self
        }

        #public
    }
}

pub(crate) fn expand(input: Bitfield) -> TokenStream {
    let Bitfield {
        attrs,
        vis,
        name,
        storage,
        fields,
    } = input;
    let items = fields.iter().map(|field| accessors(&vis, &storage, field));
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    quote! {
        #[allow(non_camel_case_types)]
        #(#attrs)*
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq)]
        #vis struct #name {
            inner: #storage,
        }

        #[allow(dead_code, missing_docs)]
        impl #name {
            #[inline(always)]
            #vis const fn from_raw(value: #storage) -> Self {
                Self { inner: value }
            }

            #[inline(always)]
            #vis const fn into_raw(self) -> #storage {
                self.inner
            }

            #(#items)*
        }

        const _: () = {
            fn zeroable<T: ::pin_init::Zeroable>() {}
            let _ = zeroable::<#storage>;
        };

        // SAFETY: All its bits may be 0, as the lines above say of the integer.
        unsafe impl ::pin_init::Zeroable for #name {}

        impl ::core::convert::From<#name> for #storage {
            #[inline(always)]
            fn from(value: #name) -> #storage {
                value.into_raw()
            }
        }

        impl ::core::convert::From<#storage> for #name {
            #[inline(always)]
            fn from(value: #storage) -> #name {
                Self::from_raw(value)
            }
        }

        impl ::core::fmt::Debug for #name {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(::core::stringify!(#name))
                    .field("<raw>", &::core::format_args!("{:#x}", self.inner))
                    #(.field(::core::stringify!(#names), &self.#names()))*
                    .finish()
            }
        }
    }
}
