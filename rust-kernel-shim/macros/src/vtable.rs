// SPDX-License-Identifier: GPL-2.0-only

//! Optional trait methods as constants, for tables of function pointers.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::{format_ident, ToTokens};
use std::collections::HashSet;
use syn::{
    parse_quote, Attribute, Ident, ImplItem, Item, ItemImpl, ItemTrait, Result, Signature,
    TraitItem,
};

fn has_const(signature: &Signature) -> Ident {
    let name = signature.ident.to_string().to_uppercase();
    format_ident!("HAS_{name}", span = signature.ident.span())
}

fn cfgs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

fn on_trait(mut item: ItemTrait) -> ItemTrait {
    let mut added: Vec<TraitItem> = vec![parse_quote! {
        /// Forces `#[vtable]` onto implementations.
        const USE_VTABLE_ATTR: ();
    }];
    let names_owner = item
        .items
        .iter()
        .any(|item| matches!(item, TraitItem::Type(ty) if ty.ident == "OwnerModule"));
    if !names_owner {
        added.push(parse_quote! {
            /// The module that implements the trait; `#[vtable]` fills it in.
            type OwnerModule: ::kernel::ModuleMetadata;
        });
    }
    for item in &item.items {
        if let TraitItem::Fn(method) = item {
            let name = has_const(&method.sig);
            let cfgs = cfgs(&method.attrs);
            let doc = format!(
                "Whether the implementation has its own `{}`.",
                method.sig.ident
            );
            added.push(parse_quote! {
                #(#cfgs)*
                #[doc = #doc]
                const #name: bool = false;
            });
        }
    }
    item.items.extend(added);
    item
}

fn on_impl(mut item: ItemImpl) -> ItemImpl {
    let written = item.items.iter().filter_map(|item| match item {
        ImplItem::Const(item) => Some(item.ident.clone()),
        ImplItem::Type(item) => Some(item.ident.clone()),
        _ => None,
    });
    let written: HashSet<Ident> = written.collect();
    let mut added: Vec<ImplItem> = vec![parse_quote! {
        const USE_VTABLE_ATTR: () = ();
    }];
    if !written.iter().any(|name| name == "OwnerModule") {
        added.push(parse_quote! {
            type OwnerModule = crate::LocalModule;
        });
    }
    for item in &item.items {
        if let ImplItem::Fn(method) = item {
            let name = has_const(&method.sig);
            if written.contains(&name) {
                continue;
            }
            let cfgs = cfgs(&method.attrs);
            added.push(parse_quote! {
                #(#cfgs)*
                const #name: bool = true;
            });
        }
    }
    item.items.extend(added);
    item
}

pub(crate) fn expand(item: Item) -> Result<TokenStream> {
    match item {
        Item::Trait(item) => Ok(on_trait(item).into_token_stream()),
        Item::Impl(item) => Ok(on_impl(item).into_token_stream()),
        other => refuse(
            other,
            "`#[vtable]` goes on a trait or on an implementation of one",
        ),
    }
}
