// SPDX-License-Identifier: GPL-2.0-only

//! KUnit suites as ordinary test modules.

use crate::refuse;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{parse_quote, Ident, Item, ItemFn, ItemMod, Result, ReturnType};

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

/// Has the function this attribute?
fn is(function: &ItemFn, attribute: &str) -> bool {
    let mut attrs = function.attrs.iter();
    attrs.any(|attr| attr.path().is_ident(attribute))
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

    let cases = items.iter().filter_map(|item| match item {
        Item::Fn(function) if is(function, "test") => {
            let cfgs = function.attrs.iter().filter(|a| a.path().is_ident("cfg"));
            let name = function.sig.ident.to_string();
            Some(quote!(#(#cfgs)* #name))
        }
        _ => None,
    });
    let cases: Item = parse_quote! {
        #[allow(unused)]
        const __CASES: &[&str] = &[#(#cases),*];
    };
    let name = suite.to_string();

    let mut out = vec![cases];
    for mut item in items {
        if let Item::Fn(function) = &mut item {
            if is(function, "test") {
                // Macros are scoped by text: as in the kernel, items above the first test see the
                // usual ones.
                out.extend(assertions());
                let result = std::mem::replace(&mut function.sig.output, ReturnType::Default);
                let body = &function.block;
                let case = function.sig.ident.to_string();
                *function.block = parse_quote!({
                    ::kernel::testing::case_of_suite(#name, __CASES, #case, || #result #body)
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
                Item::Const(item) => Some(quote!(#item).to_string()),
                _ => None,
            })
            .map(Option::unwrap_or_default)
            .collect())
    }

    #[test]
    fn tests_get_assertions_without_a_message() {
        let items = expanded("mod tests { fn helper() {} #[test] fn test() {} }");
        assert_eq!(
            items.unwrap()[1..],
            ["helper", "assert", "assert_eq", "test"].map(String::from)
        );
    }

    #[test]
    fn the_suite_knows_its_cases() {
        let items =
            expanded("mod tests { #[test] fn b() {} fn c() {} #[test] #[cfg(x)] fn a() {} }");
        assert!(items.unwrap()[0].ends_with("= & [\"b\" , # [cfg (x)] \"a\"] ;"));
    }

    #[test]
    fn the_body_is_here() {
        let error = expanded("mod tests;").unwrap_err();
        assert!(error.to_string().contains("not in another file"));
    }
}
