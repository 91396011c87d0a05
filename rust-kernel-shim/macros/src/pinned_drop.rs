// SPDX-License-Identifier: GPL-2.0-only

//! Implementations of `PinnedDrop`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{parse_quote, token::Unsafe, Error, ImplItem, ItemImpl, Path, Result};

/// `PinnedDrop`, `pin_init::PinnedDrop` or `::pin_init::PinnedDrop`.
fn names_pinned_drop(path: &Path) -> bool {
    let mut segments = path.segments.iter().rev();
    segments
        .next()
        .is_some_and(|last| last.ident == "PinnedDrop" && last.arguments.is_none())
        && segments
            .next()
            .is_none_or(|krate| krate.ident == "pin_init" && krate.arguments.is_none())
        && segments.next().is_none()
}

pub(crate) fn expand(mut item: ItemImpl) -> Result<TokenStream> {
    if let Some(unsafety) = item.unsafety {
        return Err(Error::new_spanned(
            unsafety,
            "implementing `PinnedDrop` is safe: remove `unsafe`",
        ));
    }
    let Some((negative, path, _)) = &mut item.trait_ else {
        return Err(Error::new(
            item.impl_token.span,
            "expected `impl PinnedDrop for ...`, found an inherent `impl`",
        ));
    };
    if let Some(negative) = negative {
        return Err(Error::new_spanned(
            negative,
            "`PinnedDrop` cannot be implemented negatively",
        ));
    }
    if !names_pinned_drop(path) {
        return Err(Error::new_spanned(
            path,
            "expected `PinnedDrop` or `::pin_init::PinnedDrop`",
        ));
    }
    *path = parse_quote!(::pinned_init::PinnedDrop);

    // The user's span makes `forbid(unsafe_code)` see it, as in Linux 7.3.
    item.unsafety = Some(Unsafe(item.impl_token.span));
    for method in &mut item.items {
        if let ImplItem::Fn(method) = method {
            if method.sig.ident == "drop" {
                method
                    .sig
                    .inputs
                    .push(parse_quote!(_: ::pinned_init::__internal::OnlyCallFromDrop));
            }
        }
    }
    Ok(quote!(#item))
}
