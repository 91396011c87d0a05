// SPDX-License-Identifier: GPL-2.0-only

//! KUnit suites as ordinary test modules.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{parse_quote, Ident, Item, ItemMod, Result, ReturnType};

/// KUnit's limit on the name of a suite, in bytes.
const NAME_MAX: usize = 255;

/// The assertions of a KUnit test take no message; these refuse one as well.
fn assertions() -> [Item; 2] {
    [
        parse_quote! {
            #[allow(unused)]
            macro_rules! assert {
                ($cond:expr $(,)?) => {
                    ::core::assert!($cond)
                };
            }
        },
        // As in the kernel, whose comparison asks for no `Debug`.
        parse_quote! {
            #[allow(unused)]
            macro_rules! assert_eq {
                ($left:expr, $right:expr $(,)?) => {
                    ::core::assert!($left == $right)
                };
            }
        },
    ]
}

pub(crate) fn expand(suite: Ident, mut module: ItemMod) -> Result<TokenStream> {
    if suite.to_string().len() > NAME_MAX {
        return refuse(
            suite,
            format!("the name of a suite has at most {NAME_MAX} bytes"),
        );
    }
    let Some((brace, items)) = module.content.take() else {
        return refuse(
            module,
            "`#[kunit_tests]` needs the module's body here, not in another file",
        );
    };

    let mut out: Vec<Item> = Vec::new();
    for mut item in items {
        if let Item::Fn(function) = &mut item {
            if function
                .attrs
                .iter()
                .any(|attr| attr.path().is_ident("test"))
            {
                // Macros are scoped by text: as in the kernel, items above the first test see the
                // usual ones.
                out.extend(assertions());
                let result = std::mem::replace(&mut function.sig.output, ReturnType::Default);
                let body = &function.block;
                *function.block = parse_quote!({
                    ::kernel::testing::kunit_case(|| #result #body)
                });
            }
        }
        out.push(item);
    }
    module.content = Some((brace, out));
    Ok(quote! {
        #[cfg(test)]
        #module
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(module: &str) -> Result<Vec<String>> {
        let out = expand(parse_quote!(suite), syn::parse_str(module)?)?;
        let module: ItemMod = syn::parse2(out)?;
        let items = module.content.into_iter().flat_map(|(_, items)| items);
        Ok(items
            .map(|item| match item {
                Item::Macro(item) => item.ident.map(|name| name.to_string()),
                Item::Fn(item) => Some(item.sig.ident.to_string()),
                _ => None,
            })
            .map(Option::unwrap_or_default)
            .collect())
    }

    #[test]
    fn tests_get_assertions_without_a_message() {
        let items = expanded("mod tests { fn helper() {} #[test] fn test() {} }");
        assert_eq!(
            items.unwrap(),
            ["helper", "assert", "assert_eq", "test"].map(String::from)
        );
    }

    #[test]
    fn the_body_is_here() {
        let error = expanded("mod tests;").unwrap_err();
        assert!(error.to_string().contains("not in another file"));
    }
}
