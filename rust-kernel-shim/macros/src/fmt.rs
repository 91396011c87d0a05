// SPDX-License-Identifier: GPL-2.0-only

//! Format arguments that go through the kernel's formatting traits.
//!
//! The splitting is by token, not by expression: a comma ends an argument
//! wherever it is outside brackets, and the first `=` ends the argument's
//! name. That is what Linux 7.3 does, with the same surprises.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use std::collections::BTreeSet;

/// The identifiers a format string captures from its surroundings.
///
/// `text` is the literal as written, without its quotes. Escapes are not decoded: a braced escape
/// such as `\u{e9}` is taken for a placeholder.
pub(crate) fn captured(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        if let Some(literal_brace) = after.strip_prefix('{') {
            rest = literal_brace;
            continue;
        }
        let Some((placeholder, after)) = after.split_once('}') else {
            rest = after;
            continue;
        };
        rest = after;
        let name = placeholder.split(':').next().unwrap_or_default();
        if !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit()) {
            names.insert(name);
        }
    }
    names
}

/// True for the punctuation `wanted`.
pub(crate) fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut input = input.into_iter();
    let Some(format) = input.next() else {
        return quote_spanned!(Span::call_site() => ::core::format_args!());
    };
    let span = format.span();
    let literal = format.to_string();
    let text = match &format {
        TokenTree::Literal(_) => literal
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"')),
        _ => None,
    };
    let Some(text) = text else {
        // Raw strings and macros are passed on unchanged.
        let rest: TokenStream = input.collect();
        return quote_spanned!(span => #format #rest);
    };

    let mut names = captured(text);
    let adapter = quote_spanned!(span => ::kernel::fmt::Adapter);
    let mut out = TokenStream::from(format.clone());
    let arguments: Vec<TokenTree> = input.collect();
    let arguments = arguments.split(|token| is_punct(token, ','));
    for (index, argument) in arguments.enumerate() {
        if index > 0 {
            out.extend(quote_spanned!(span => ,));
        }
        if argument.is_empty() {
            continue;
        }
        let equals = argument.iter().position(|token| is_punct(token, '='));
        let (name, value) = argument.split_at(equals.map_or(0, |equals| equals + 1));
        if let Some((_, name)) = name.split_last() {
            names.remove(quote!(#(#name)*).to_string().as_str());
        }
        out.extend(quote_spanned!(span => #(#name)* #adapter(&(#(#value)*))));
    }
    for name in names {
        let name = Ident::new(name, span);
        out.extend(quote_spanned!(span => , #name = #adapter(&#name)));
    }
    quote_spanned!(span => ::core::format_args!(#out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        captured(text).into_iter().collect()
    }

    #[test]
    fn finds_captured_names() {
        assert_eq!(names("{a} {b:?} {0} {} {{c}} {:>4}"), ["a", "b"]);
        assert_eq!(names("{a"), [""; 0]);
    }

    #[test]
    fn wraps_every_argument() {
        let out = expand("\"{a} {} {b}\", x, b = y == z".parse().unwrap()).to_string();
        let expected: TokenStream = "::core::format_args!(\"{a} {} {b}\", \
             ::kernel::fmt::Adapter(&(x)), \
             b = ::kernel::fmt::Adapter(&(y == z)), \
             a = ::kernel::fmt::Adapter(&a))"
            .parse()
            .unwrap();
        assert_eq!(out.replace(' ', ""), expected.to_string().replace(' ', ""));
    }
}
