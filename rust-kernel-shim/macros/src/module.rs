// SPDX-License-Identifier: GPL-2.0-only

//! The declaration of a module.

use crate::refuse;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use std::ffi::CString;
use syn::{
    braced, bracketed,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    Error, Expr, Ident, LitCStr, LitStr, Result, Token, Type,
};

/// The keys, in the order in which Linux 7.3 wants them.
const KEYS: [&str; 9] = [
    "type",
    "name",
    "authors",
    "description",
    "license",
    "alias",
    "firmware",
    "imports_ns",
    "params",
];
const REQUIRED: [&str; 3] = ["type", "name", "license"];

/// The types of which there can be parameters.
const PARAMETERS: [&str; 11] = [
    "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "isize", "usize", "bool",
];

/// The parsed `module!`, as far as it is used.
pub(crate) struct ModuleInfo {
    type_: Type,
    name: LitStr,
    parameters: Vec<Parameter>,
}

/// A parameter: `name: type { default: ..., description: ..., },`.
struct Parameter {
    name: Ident,
    type_: Ident,
    default: Expr,
}

impl Parse for Parameter {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let type_: Ident = input.parse()?;
        if !PARAMETERS.iter().any(|name| type_ == name) {
            return refuse(&type_, format!("there are no parameters of type `{type_}`"));
        }
        let fields;
        braced!(fields in input);
        let key = |wanted: &str| {
            let key = fields.call(Ident::parse_any)?;
            fields.parse::<Token![:]>()?;
            match key == wanted {
                true => Ok(()),
                false => refuse(
                    key,
                    format!("expected `{wanted}`: a default, then a description"),
                ),
            }
        };
        key("default")?;
        let default = fields.parse()?;
        fields.parse::<Token![,]>()?;
        key("description")?;
        fields.parse::<LitStr>()?;
        fields.parse::<Token![,]>()?;
        match fields.is_empty() {
            true => Ok(Parameter {
                name,
                type_,
                default,
            }),
            false => Err(fields.error("unexpected key of a parameter")),
        }
    }
}

fn ascii(input: ParseStream<'_>) -> Result<LitStr> {
    let text: LitStr = input.parse()?;
    if text.value().is_ascii() {
        Ok(text)
    } else {
        refuse(text, "expected ASCII only")
    }
}

fn ascii_list(input: ParseStream<'_>) -> Result<()> {
    let list;
    bracketed!(list in input);
    Punctuated::<LitStr, Token![,]>::parse_terminated_with(&list, ascii)?;
    Ok(())
}

fn check_order(span: Span, seen: &[Ident]) -> Result<()> {
    for key in REQUIRED {
        if !seen.iter().any(|seen| seen == key) {
            return Err(Error::new(span, format!("the key `{key}` is missing")));
        }
    }
    let ordered: Vec<&str> = KEYS
        .into_iter()
        .filter(|key| seen.iter().any(|seen| seen == key))
        .collect();
    let disorder = seen.iter().zip(&ordered).find(|(seen, key)| seen != key);
    match disorder {
        Some((seen, _)) => {
            let order = ordered.join(", ");
            refuse(
                seen,
                format!("keys are out of order; the order is: {order}"),
            )
        }
        None => Ok(()),
    }
}

impl Parse for ModuleInfo {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let span = input.span();
        let mut seen: Vec<Ident> = Vec::new();
        let mut type_ = None;
        let mut name = None;
        let mut parameters = Vec::new();
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            if seen.contains(&key) {
                return refuse(&key, format!("the key `{key}` is given twice"));
            }
            input.parse::<Token![:]>()?;
            match key.to_string().as_str() {
                "type" => type_ = Some(input.parse()?),
                "name" => name = Some(ascii(input)?),
                "license" => drop(ascii(input)?),
                "description" => drop(input.parse::<LitStr>()?),
                "authors" | "alias" | "firmware" | "imports_ns" => ascii_list(input)?,
                "params" => {
                    let list;
                    braced!(list in input);
                    parameters = Punctuated::<_, Token![,]>::parse_terminated(&list)?
                        .into_iter()
                        .collect();
                }
                _ => {
                    let keys = KEYS.join(", ");
                    return refuse(&key, format!("unknown key `{key}`; the keys are: {keys}"));
                }
            }
            input.parse::<Token![,]>()?;
            seen.push(key);
        }
        check_order(span, &seen)?;
        match (type_, name) {
            (Some(type_), Some(name)) => Ok(ModuleInfo {
                type_,
                name,
                parameters,
            }),
            _ => unreachable!("check_order() found `type` and `name`"),
        }
    }
}

pub(crate) fn expand(info: ModuleInfo) -> Result<TokenStream> {
    let ModuleInfo {
        type_,
        name,
        parameters,
    } = info;
    let c_name = CString::new(name.value())
        .map_err(|_| Error::new_spanned(&name, "the name contains a NUL"))?;
    let c_name = LitCStr::new(&c_name, name.span());

    let (names, types, defaults): (Vec<_>, Vec<_>, Vec<_>) = parameters
        .into_iter()
        .map(|own| (own.name, own.type_, own.default))
        .collect();
    let c_names = names.iter().map(|own| {
        let text = CString::new(own.to_string()).expect("an identifier has no NUL");
        LitCStr::new(&text, own.span())
    });

    Ok(quote! {
        /// The prefix of every line that this module prints.
        const __LOG_PREFIX: &[u8] = #c_name.to_bytes_with_nul();

        /// The type given to `module!`.
        type LocalModule = #type_;

        impl ::kernel::ModuleMetadata for #type_ {
            const NAME: &'static ::kernel::str::CStr = #c_name;

            const FILE: &'static str = ::core::file!();

            const DIRECTORY: &'static str = match ::core::option_env!("CARGO_MANIFEST_DIR") {
                Some(directory) => directory,
                None => "",
            };

            const THIS_MODULE: ::kernel::ThisModule = {
                static __THIS_MODULE: ::kernel::module::StaticModule =
                    ::kernel::module::StaticModule::new(#c_name);

                // SAFETY: The static is never unloaded.
                unsafe { ::kernel::ThisModule::from_ptr(__THIS_MODULE.as_ptr()) }
            };

            fn parameters() -> &'static [&'static dyn ::kernel::testing::Load] {
                static __PARAMETERS: &[&dyn ::kernel::testing::Load] =
                    &[#(&module_parameters::#names),*];
                __PARAMETERS
            }
        }

        // In the kernel the loader calls these by name. Here they only make
        // sure that the type is a module; `kernel::testing::insmod()` loads it.
        #[doc(hidden)]
        mod __module_init {
            mod __module_init {
                #[allow(dead_code)]
                fn __init() {
                    fn is_a_module<M: ::kernel::InPlaceModule + ::kernel::ModuleMetadata>() {}
                    is_a_module::<super::super::LocalModule>();
                }
            }
        }

        mod module_parameters {
            #(
                #[allow(non_upper_case_globals)]
                pub(crate) static #names: ::kernel::testing::Parameter<#types> =
                    ::kernel::testing::Parameter::new(#c_names, #defaults);
            )*
        }

        /// Loads the module and unloads it, for tests that cannot name its type.
        #[doc(hidden)]
        pub fn __load_and_unload() -> ::kernel::error::Result {
            ::kernel::testing::insmod::<LocalModule>().map(::core::mem::drop)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<(), String> {
        syn::parse_str::<ModuleInfo>(text)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn takes_the_keys_in_order() {
        assert_eq!(
            parse(
                "type: M, name: \"m\", authors: [\"a\", \"b\"], description: \"d\", \
                 license: \"GPL\", alias: [\"x\"], firmware: [], imports_ns: [\"N\",], \
                 params: { p: u8 { default: 1, description: \"d\", }, },"
            ),
            Ok(())
        );
    }

    #[test]
    fn refuses_what_the_kernel_refuses() {
        for (text, message) in [
            (
                "type: M, license: \"GPL\", name: \"m\",",
                "keys are out of order; the order is: type, name, license",
            ),
            ("type: M, name: \"m\",", "the key `license` is missing"),
            ("type: M, name: \"m\", license: \"GPL\"", "expected `,`"),
            (
                "type: M, name: \"m\", name: \"m\", license: \"GPL\",",
                "the key `name` is given twice",
            ),
            ("type: M, nome: \"m\",", "unknown key `nome`; the keys are: type, name, authors, description, license, alias, firmware, imports_ns, params"),
            (
                "type: M, name: \"m\", license: \"GPL\", params: { p: f32 { default: 1.0, description: \"d\", } },",
                "there are no parameters of type `f32`",
            ),
            (
                "type: M, name: \"m\", license: \"GPL\", params: { p: u8 { description: \"d\", default: 1, } },",
                "expected `default`: a default, then a description",
            ),
            ("type: M, name: \"\u{e9}\", license: \"GPL\",", "expected ASCII only"),
        ] {
            assert_eq!(parse(text), Err(message.to_string()), "{text}");
        }
    }
}
