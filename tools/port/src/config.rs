// SPDX-License-Identifier: GPL-2.0-only
//! What `cfg` says in Linux.

use syn::{punctuated::Punctuated, Attribute, Expr, ExprLit, ImplItem, Item, Lit, Meta, Token};

type List = Punctuated<Meta, Token![,]>;

/// Whether the predicate holds in Linux; `None` where that depends on its configuration.
fn holds(predicate: &Meta) -> Option<bool> {
    let list = |meta: &Meta| match meta {
        Meta::List(list) => list.parse_args_with(List::parse_terminated).ok(),
        _ => None,
    };
    let word = predicate.path().get_ident()?.to_string();
    match word.as_str() {
        "CONFIG_RUST" => Some(true),
        "test" => Some(false),
        "not" => list(predicate)?.first().and_then(holds).map(|holds| !holds),
        "all" | "any" => {
            let ends = word == "any";
            let parts: Vec<_> = list(predicate)?.iter().map(holds).collect();
            if parts.contains(&Some(ends)) {
                return Some(ends);
            }
            (!parts.contains(&None)).then_some(!ends)
        }
        _ => None,
    }
}

/// Whether Linux never compiles what has these attributes.
pub(crate) fn hidden(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .filter_map(|attribute| attribute.parse_args().ok())
        .any(|predicate: Meta| holds(&predicate) == Some(false))
}

/// The attributes as Linux has them: what a `cfg_attr` adds, if it may.
pub(crate) fn effective(attributes: &[Attribute]) -> Vec<Meta> {
    let mut all = Vec::new();
    for attribute in attributes {
        if !attribute.path().is_ident("cfg_attr") {
            all.push(attribute.meta.clone());
        } else if let Ok(list) = attribute.parse_args_with(List::parse_terminated) {
            if list
                .first()
                .is_some_and(|predicate| holds(predicate) != Some(false))
            {
                all.extend(list.into_iter().skip(1));
            }
        }
    }
    all
}

/// The file that a `path` attribute names.
pub(crate) fn path(attributes: &[Attribute]) -> Option<String> {
    effective(attributes).iter().find_map(|meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// The attributes of an item.
pub(crate) fn of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of an item in an `impl`.
pub(crate) fn of_member(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_holds_or_not_or_depends() {
        for (text, expected) in [
            ("CONFIG_RUST", Some(true)),
            ("not(CONFIG_RUST)", Some(false)),
            ("test", Some(false)),
            ("any(test, CONFIG_KUNIT)", None),
            ("all(test, CONFIG_KUNIT)", Some(false)),
            ("all(CONFIG_RUST, not(test))", Some(true)),
            ("not(any(test, not(CONFIG_RUST)))", Some(true)),
            ("feature = \"debug\"", None),
        ] {
            assert_eq!(holds(&syn::parse_str(text).unwrap()), expected, "{text}");
        }
    }
}
