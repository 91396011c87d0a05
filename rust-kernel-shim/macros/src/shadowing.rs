// SPDX-License-Identifier: GPL-2.0-only

//! The refusal of names that would mean two things.
//!
//! In Linux 7.3 the name of a field, once initialised, is a reference to that
//! field in all that follows. In pinned-init the name keeps the meaning it had
//! outside. `S { a: a + 1, b: a }` would compile in both worlds with different
//! values of `b`, so it is refused here.
//!
//! The check is on names, not on scopes: a closure's parameter that is called
//! as an earlier field is refused as well. Renaming costs nothing.

use crate::{
    fmt::{captured, is_punct},
    init::Field,
    refuse,
};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{
    visit::{self, Visit},
    ExprPath, Macro, Result,
};

/// Looks for a use of one of `fields` as a value.
struct Uses<'a> {
    fields: &'a [&'a Ident],
    found: Option<Ident>,
}

impl Uses<'_> {
    fn note(&mut self, name: &str, span: Span) {
        if self.found.is_none() && self.fields.iter().any(|field| *field == name) {
            self.found = Some(Ident::new(name, span));
        }
    }

    /// Inside a macro's arguments there are only tokens: any identifier may be
    /// a value, except behind `.` or beside `::`; a string may capture.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punct_at =
            |at: usize, wanted| tokens.get(at).is_some_and(|token| is_punct(token, wanted));
        let path_at = |at: usize| punct_at(at, ':') && punct_at(at.wrapping_add(1), ':');
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(name) => {
                    let (before, two_before) = (index.wrapping_sub(1), index.wrapping_sub(2));
                    let after_dot = punct_at(before, '.') && !punct_at(two_before, '.');
                    let in_path = path_at(two_before) || path_at(index + 1);
                    if !after_dot && !in_path {
                        self.note(&name.to_string(), name.span());
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.starts_with(['"', 'r']) {
                        for name in captured(&text) {
                            self.note(name, literal.span());
                        }
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_path(&mut self, expr: &'ast ExprPath) {
        if let (None, Some(name)) = (&expr.qself, expr.path.get_ident()) {
            self.note(&name.to_string(), name.span());
        }
        visit::visit_expr_path(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.tokens(mac.tokens.clone());
    }
}

/// Refuses a field's value that mentions a field initialised before it.
pub(crate) fn check(fields: &[Field]) -> Result<()> {
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    for (index, field) in fields.iter().enumerate() {
        let Some(value) = &field.value else {
            continue;
        };
        let mut uses = Uses {
            fields: &names[..index],
            found: None,
        };
        uses.visit_expr(value);
        if let Some(name) = uses.found {
            return refuse(
                &name,
                format!(
                    "`{name}` means the field initialised above in Linux 7.3, \
                     but the name from outside here: rename the outer one"
                ),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::init::{expand, Initializer};
    use quote::quote;

    fn refused(text: &str) -> Option<String> {
        let initializer: Initializer = syn::parse_str(text).unwrap();
        let error = expand(initializer, &quote!(try_pin_init)).err();
        error.map(|error| error.to_string())
    }

    #[test]
    fn refuses_an_earlier_field_as_a_value() {
        for text in [
            "S { a: x, b: a }",
            "S { a: x, b: a.wrapping_add(1) }",
            "S { a, b: a }",
            "S { a <- x, b <- new(a) }",
            "S { a: x, b: fmt!(\"{a}\") }",
            "S { a: x, b: fmt!(\"{}\", a) }",
            "S { a: x, b: fmt!(\"{}\", a.len()) }",
            "S { a: x, b: a() }",
            "S { a: x, b: f!(0..a) }",
        ] {
            let message = refused(text).unwrap_or_else(|| panic!("accepted: {text}"));
            assert!(message.starts_with("`a` means the field"), "{message}");
        }
    }

    #[test]
    fn accepts_what_means_the_same_in_both_worlds() {
        for text in [
            "S { a: a + 1, b: x }",
            "S { a, b }",
            "S { a: x, b: y.a }",
            "S { a: x, b: T { a: y } }",
            "S { a: x, b: y.a() }",
            "S { a: x, b: m::a(y) }",
            "S { a: x, b: fmt!(\"{{a}}\", y.a, a::X) }",
            "&this in S::<T> { a: x, ..Zeroable::init_zeroed() }? E",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
