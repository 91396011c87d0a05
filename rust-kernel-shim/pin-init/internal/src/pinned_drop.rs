// SPDX-License-Identifier: GPL-2.0-only

//! Implementations of `PinnedDrop`.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{parse_quote, token::Unsafe, ImplItem, ItemImpl, Path, Result};

/// `PinnedDrop`, `pin_init::PinnedDrop` or `::pin_init::PinnedDrop`.
fn names_pinned_drop(path: &Path) -> bool {
    let plain = path
        .segments
        .iter()
        .all(|segment| segment.arguments.is_none());
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    plain
        && names.next().is_some_and(|last| last == "PinnedDrop")
        && names.next().is_none_or(|krate| krate == "pin_init")
        && names.next().is_none()
}

pub(crate) fn expand(mut item: ItemImpl) -> Result<TokenStream> {
    if let Some(unsafety) = item.unsafety {
        return refuse(
            unsafety,
            "implementing `PinnedDrop` is safe: remove `unsafe`",
        );
    }
    let Some((negative, path, _)) = &mut item.trait_ else {
        return refuse(
            item.impl_token,
            "expected `impl PinnedDrop for ...`, found an inherent `impl`",
        );
    };
    if let Some(negative) = negative {
        return refuse(negative, "`PinnedDrop` cannot be implemented negatively");
    }
    if !names_pinned_drop(path) {
        return refuse(path, "expected `PinnedDrop` or `::pin_init::PinnedDrop`");
    }
    *path = parse_quote!(::pin_init::PinnedDrop);

    // The user's span makes `forbid(unsafe_code)` see it, as in Linux 7.3.
    item.unsafety = Some(Unsafe(item.impl_token.span));
    for method in &mut item.items {
        if let ImplItem::Fn(method) = method {
            if method.sig.ident == "drop" {
                let token = parse_quote!(_: ::pin_init::__internal::OnlyCallFromDrop);
                method.sig.inputs.push(token);
            }
        }
    }
    Ok(quote!(#item))
}
