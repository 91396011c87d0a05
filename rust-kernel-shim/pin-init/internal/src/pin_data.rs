// SPDX-License-Identifier: GPL-2.0-only

//! Structures whose fields say whether they are pinned with the structure.

use crate::{refuse, self_type::SelfType};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    parse::{Parse, ParseStream},
    parse_quote,
    spanned::Spanned,
    visit_mut::VisitMut,
    Attribute, Fields, Generics, Ident, Item, ItemStruct, Result, Type, Visibility,
};

mod keyword {
    syn::custom_keyword!(PinnedDrop);
}

/// The argument of `#[pin_data]`: whether the structure has a `PinnedDrop`.
pub(crate) struct Drops(bool);

impl Parse for Drops {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self(
            input.parse::<Option<keyword::PinnedDrop>>()?.is_some(),
        ))
    }
}

/// A structure, as the code beside it needs it.
struct Structure {
    vis: Visibility,
    name: Ident,
    /// Without `Self`.
    generics: Generics,
    fields: Vec<Field>,
}

struct Field {
    cfgs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    /// Without `Self`.
    ty: Type,
    pinned: bool,
}

/// Takes `#[pin]` from the fields.
fn take_fields(item: &mut ItemStruct) -> Result<Vec<Field>> {
    if let Fields::Unnamed(fields) = &item.fields {
        return refuse(fields, "`#[pin_data]` wants fields with names");
    }
    let mut self_type = SelfType::new(&item.ident, &item.generics);
    let mut fields = Vec::new();
    for field in &mut item.fields {
        let count = field.attrs.len();
        field.attrs.retain(|attr| !attr.path().is_ident("pin"));
        let pins = count - field.attrs.len();
        if pins > 1 {
            return refuse(field, "more than one `#[pin]` at a field");
        }
        let cfgs = field
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"));
        let mut ty = field.ty.clone();
        self_type.visit_type_mut(&mut ty);
        fields.push(Field {
            cfgs: cfgs.cloned().collect(),
            vis: field.vis.clone(),
            name: field.ident.clone().expect("fields have names"),
            ty,
            pinned: pins == 1,
        });
    }
    Ok(fields)
}

pub(crate) fn expand(Drops(drops): Drops, item: Item) -> Result<TokenStream> {
    let Item::Struct(mut item) = item else {
        return refuse(item, "`#[pin_data]` wants a `struct`");
    };
    let fields = take_fields(&mut item)?;
    let mut generics = item.generics.clone();
    SelfType::new(&item.ident, &item.generics).visit_generics_mut(&mut generics);
    let structure = Structure {
        vis: item.vis.clone(),
        name: item.ident.clone(),
        generics,
        fields,
    };
    let projection = structure.projection();
    let (places, unpin) = (structure.places(), structure.unpin());
    let drop = if drops {
        structure.drop()
    } else {
        structure.no_drop()
    };
    let warnings = structure.fields.iter().filter_map(Field::warning);
    Ok(quote! {
        #item
        #projection
        const _: () = {
            #places
            #unpin
            #drop
            #(#warnings)*
        };
    })
}

impl Structure {
    /// The type whose methods say where a field is, and whether it is pinned.
    fn places(&self) -> TokenStream {
        let Self {
            vis,
            name,
            generics,
            fields,
        } = self;
        let (for_generics, arguments, bounds) = generics.split_for_impl();
        let methods = fields.iter().map(|field| {
            let Field {
                cfgs,
                vis,
                name: field_name,
                ty,
                ..
            } = field;
            let kind = field.kind();
            // SAFETY: The caller of the method says what `Place::new()` asks for.
            quote! {
                /// # Safety
                ///
                /// The field in `slot` is valid for writes and aligned, and holds nothing. If it is
                /// pinned, `slot` is.
                #(#cfgs)*
                #[allow(dead_code, non_snake_case)]
                #[inline(always)]
                #vis unsafe fn #field_name(
                    &self,
                    slot: *mut #name #arguments,
                ) -> ::pin_init::__internal::Place<::pin_init::__internal::#kind, #ty> {
                    unsafe { ::pin_init::__internal::Place::new(&raw mut (*slot).#field_name) }
                }
            }
        });
        // SAFETY: There is a method for each field. `project()` pins those of the kind `Pinned`, and no
        // other; and `no_drop()` or `drop()` leaves no `Drop` that could move them.
        quote! {
            #vis struct __Fields #generics (
                ::pin_init::__internal::Invariant<#name #arguments>,
            ) #bounds;

            impl #for_generics __Fields #arguments #bounds {
                #(#methods)*
            }

            unsafe impl #for_generics ::pin_init::__internal::PinData for #name #arguments #bounds {
                type Fields = __Fields #arguments;
                const FIELDS: Self::Fields = __Fields(::core::marker::PhantomData);
            }
        }
    }

    /// The generics with a lifetime in front.
    fn with_lifetime(&self) -> Generics {
        let mut generics = self.generics.clone();
        generics.params.insert(0, parse_quote!('__pin));
        generics
    }

    /// `project()`, and what it returns.
    fn projection(&self) -> TokenStream {
        let Self {
            vis,
            name,
            generics,
            fields,
        } = self;
        let (for_generics, arguments, bounds) = generics.split_for_impl();
        let with_lifetime = self.with_lifetime();
        let (_, lifetime_arguments, _) = with_lifetime.split_for_impl();
        let projection = format_ident!("{name}Projection");
        let references = fields.iter().map(|field| {
            let Field {
                cfgs,
                vis,
                name,
                ty,
                ..
            } = field;
            let reference = match field.pinned {
                true => quote!(::core::pin::Pin<&'__pin mut #ty>),
                false => quote!(&'__pin mut #ty),
            };
            quote!(#(#cfgs)* #vis #name: #reference,)
        });
        let projected = fields.iter().map(|field| {
            let Field { cfgs, name, .. } = field;
            let reference = match field.pinned {
                true => quote! {
                    // SAFETY: The structure is pinned, and the field with it.
                    unsafe { ::core::pin::Pin::new_unchecked(&mut this.#name) }
                },
                false => quote!(&mut this.#name),
            };
            quote!(#(#cfgs)* #name: #reference,)
        });
        // SAFETY: Of what is pinned nothing is moved: each of these fields is pinned again.
        quote! {
            #[doc(hidden)]
            #[allow(dead_code, non_snake_case)]
            #vis struct #projection #with_lifetime #bounds {
                #(#references)*
                __lifetime: ::core::marker::PhantomData<&'__pin mut ()>,
            }

            impl #for_generics #name #arguments #bounds {
                /// References to all fields; those with `#[pin]` stay pinned.
                #[allow(dead_code)]
                #[inline]
                #vis fn project<'__pin>(
                    self: ::core::pin::Pin<&'__pin mut Self>,
                ) -> #projection #lifetime_arguments {
                    let this = unsafe { ::core::pin::Pin::get_unchecked_mut(self) };
                    #projection {
                        #(#projected)*
                        __lifetime: ::core::marker::PhantomData,
                    }
                }
            }
        }
    }

    /// `Unpin`, if all pinned fields are. The lifetime keeps the bound from being looked at before
    /// it is used: a bound that is known not to hold would be an error.
    fn unpin(&self) -> TokenStream {
        let Self { name, generics, .. } = self;
        let (_, arguments, _) = generics.split_for_impl();
        let mut with_lifetime = self.with_lifetime();
        let (_, lifetime_arguments, bounds) = with_lifetime.split_for_impl();
        let pinned = self.fields.iter().filter(|field| field.pinned);
        let pinned = pinned.map(|Field { cfgs, name, ty, .. }| quote!(#(#cfgs)* #name: #ty,));
        let only_pinned = quote! {
            #[allow(dead_code, non_snake_case)]
            struct __Pinned #with_lifetime #bounds {
                __lifetime: ::pin_init::__internal::Invariant<&'__pin ()>,
                __whole: ::pin_init::__internal::Invariant<#name #arguments>,
                #(#pinned)*
            }
        };
        let bound = parse_quote!(__Pinned #lifetime_arguments: ::core::marker::Unpin);
        with_lifetime.make_where_clause().predicates.push(bound);
        let (for_generics, _, bounds) = with_lifetime.split_for_impl();
        quote! {
            #only_pinned
            impl #for_generics ::core::marker::Unpin for #name #arguments #bounds {}
        }
    }

    /// `Drop`, which is left to `PinnedDrop`.
    fn drop(&self) -> TokenStream {
        let Self { name, generics, .. } = self;
        let (for_generics, arguments, bounds) = generics.split_for_impl();
        // SAFETY: What is dropped is not moved after, and this is its one drop, to which the token goes.
        quote! {
            impl #for_generics ::core::ops::Drop for #name #arguments #bounds {
                #[inline]
                fn drop(&mut self) {
                    let this = unsafe { ::core::pin::Pin::new_unchecked(self) };
                    let token = unsafe { ::pin_init::__internal::OnlyCallFromDrop::new() };
                    ::pin_init::PinnedDrop::drop(this, token);
                }
            }
        }
    }

    /// Two traits that the structure would have twice, if it had a `Drop`, which could move what is
    /// pinned, or a `PinnedDrop`, which would not be called.
    fn no_drop(&self) -> TokenStream {
        let Self { name, generics, .. } = self;
        let (for_generics, arguments, bounds) = generics.split_for_impl();
        quote! {
            #[allow(non_camel_case_types)]
            trait use_PinnedDrop_instead_of_Drop {}
            #[allow(drop_bounds)]
            impl<T: ::core::ops::Drop + ?::core::marker::Sized> use_PinnedDrop_instead_of_Drop for T {}
            impl #for_generics use_PinnedDrop_instead_of_Drop for #name #arguments #bounds {}

            #[allow(non_camel_case_types)]
            trait PinnedDrop_needs_the_argument_of_pin_data {}
            impl<T: ::pin_init::PinnedDrop + ?::core::marker::Sized>
                PinnedDrop_needs_the_argument_of_pin_data for T {}
            impl #for_generics PinnedDrop_needs_the_argument_of_pin_data for #name #arguments #bounds {}
        }
    }
}

impl Field {
    /// The type in `__internal` that says how it is initialised.
    fn kind(&self) -> Ident {
        format_ident!("{}", if self.pinned { "Pinned" } else { "Movable" })
    }

    /// A warning about a `PhantomPinned` that does nothing.
    fn warning(&self) -> Option<TokenStream> {
        let Type::Path(path) = &self.ty else {
            return None;
        };
        let last = path.path.segments.last()?;
        if self.pinned || last.ident != "PhantomPinned" {
            return None;
        }
        let text = format!(
            "the field `{}` of type `PhantomPinned` does nothing without `#[pin]`",
            self.name
        );
        let cfgs = &self.cfgs;
        Some(quote_spanned! {self.ty.span()=>
            #(#cfgs)*
            const _: () = {
                #[deprecated = #text]
                const fn unpinned() {}
                unpinned();
            };
        })
    }
}
