// SPDX-License-Identifier: GPL-2.0-only

//! Names made of parts.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    input
        .into_iter()
        .map(|token| {
            let TokenTree::Group(group) = token else {
                return Ok(token);
            };
            if let Some(parts) = parts(&group) {
                let name = syn::parse_str::<Ident>(&names(parts)?.concat())
                    .map_err(|_| syn::Error::new(group.span(), "no name comes of these parts"))?;
                return Ok(Ident::new(&name.to_string(), group.span()).into());
            }
            let mut new = Group::new(group.delimiter(), expand(group.stream())?);
            new.set_span(group.span());
            Ok(new.into())
        })
        .collect()
}

/// What is in `[< >]`.
fn parts(group: &Group) -> Option<TokenStream> {
    let tokens: Vec<_> = group.stream().into_iter().collect();
    let is = |token: &TokenTree, char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == char);
    match tokens.as_slice() {
        [first, parts @ .., last]
            if group.delimiter() == Delimiter::Bracket && is(first, '<') && is(last, '>') =>
        {
            Some(parts.iter().cloned().collect())
        }
        _ => None,
    }
}

/// The parts, names and literals; with `:lower` or `:upper` behind it, one is
/// in small or in capital letters.
fn names(parts: TokenStream) -> syn::Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        match &part {
            TokenTree::Ident(ident) => {
                names.push(ident.to_string().trim_start_matches("r#").to_owned());
            }
            TokenTree::Literal(literal) => {
                names.push(literal.to_string().trim_matches('"').to_owned());
            }
            // The argument of a macro.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                names.extend(self::names(group.stream())?);
            }
            TokenTree::Punct(colon) if colon.as_char() == ':' => {
                let how = parts.next().map(|how| how.to_string());
                match (names.last_mut(), how.as_deref()) {
                    (Some(name), Some("lower")) => *name = name.to_lowercase(),
                    (Some(name), Some("upper")) => *name = name.to_uppercase(),
                    _ => return crate::refuse(part, "no modifier of a part follows"),
                }
            }
            _ => return crate::refuse(part, "is no part of a name"),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_parts_wherever_they_stand() {
        let expanded = |text: &str| expand(text.parse().unwrap()).map(|out| out.to_string());
        assert_eq!(
            expanded("fn [<a_ r#b \"_c\" 1>]() { [1]; [< d >] }").unwrap(),
            "fn a_b_c1 () { [1] ; d }"
        );
        assert_eq!(
            expanded("[<a b:upper C:lower _RANGE>]").unwrap(),
            "aBc_RANGE"
        );
        assert!(expanded("[<a.b>]").is_err());
        assert!(expanded("[<:upper a>]").is_err());
        assert!(expanded("[<a:title>]").is_err());
        assert!(expanded("[<1 a>]").is_err());
    }
}
