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
                let name = syn::parse_str::<Ident>(&join(parts)?)
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

/// The parts, names and literals, one after the other.
fn join(parts: TokenStream) -> syn::Result<String> {
    let mut name = String::new();
    for part in parts {
        match &part {
            TokenTree::Ident(ident) => name += ident.to_string().trim_start_matches("r#"),
            TokenTree::Literal(literal) => name += literal.to_string().trim_matches('"'),
            // The argument of a macro.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                name += &join(group.stream())?;
            }
            _ => return crate::refuse(part, "is no part of a name"),
        }
    }
    Ok(name)
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
        assert!(expanded("[<a.b>]").is_err());
        assert!(expanded("[<1 a>]").is_err());
    }
}
