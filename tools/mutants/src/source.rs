// SPDX-License-Identifier: GPL-2.0-only
//! The functions of a source file, and what their bodies can be replaced by.
//!
//! Read as tokens, not as syntax: so the functions that a macro defines, or that are handed to one,
//! count like all others.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::{fmt, ops::Range};

/// A function body that can be left at once with a value.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    /// The file, from the root of the tree.
    pub(crate) file: String,
    /// The line of the function's name, from 1.
    pub(crate) line: usize,
    /// The function's name.
    pub(crate) name: String,
    /// What is returned, an expression; empty for `()`.
    pub(crate) value: String,
    /// Where the body begins, in bytes.
    pub(crate) at: usize,
}

impl Mutation {
    /// How the list of equivalents names it.
    pub(crate) fn key(&self) -> String {
        format!("{} {} {}", self.file, self.name, self.shown())
    }

    fn shown(&self) -> &str {
        match &*self.value {
            "" => "()",
            value => value,
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, name, ..
        } = self;
        write!(f, "{file}:{line} {name} -> {}", self.shown())
    }
}

/// The mutations of a file.
pub(crate) fn mutations(file: &str, text: &str) -> Result<Vec<Mutation>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{file}: {error}"))?;
    let mut scan = Scan {
        file,
        found: Vec::new(),
    };
    scan.tokens(tokens, false);
    Ok(scan.found)
}

/// The text with the mutations in it, and where in the new text each stands. Lines stay lines.
pub(crate) fn rewrite(
    text: &str,
    mutations: &[(usize, &Mutation)],
) -> (String, Vec<(usize, Range<usize>)>) {
    let (mut out, mut places, mut from) = (String::new(), Vec::new(), 0);
    for &(id, mutation) in mutations {
        out += &text[from..mutation.at];
        from = mutation.at;
        let start = out.len();
        out += &format!(
            " if ::mutated::mutated({id}) {{ return {}; }}",
            mutation.value
        );
        places.push((id, start..out.len()));
    }
    (out + &text[from..], places)
}

struct Scan<'a> {
    file: &'a str,
    found: Vec<Mutation>,
}

impl Scan<'_> {
    /// `entries`: whether `name(..) {..}` is a function, as in a macro that lists them.
    fn tokens(&mut self, tokens: TokenStream, entries: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut n = 0;
        while n < tokens.len() {
            if let Some(end) = for_tests(&tokens[n..]) {
                n += end;
                continue;
            }
            if is(&tokens[n], "fn") {
                self.function(&tokens, n);
            }
            match &tokens[n..] {
                [TokenTree::Ident(name), TokenTree::Group(args), TokenTree::Group(body), ..]
                    if entries && parenthesis(args) && brace(body) =>
                {
                    self.add(name.to_string(), name.span().start().line, "", body);
                }
                _ => {}
            }
            if let TokenTree::Group(group) = &tokens[n] {
                let listed = n >= 2 && is(&tokens[n - 1], "!") && brace(group);
                self.tokens(group.stream(), listed);
            }
            n += 1;
        }
    }

    /// The function whose `fn` is token `n`, if it is one that can be left.
    fn function(&mut self, tokens: &[TokenTree], n: usize) {
        let before = tokens[..n].iter().rev();
        let mut qualifiers = before.take_while(|token| {
            ["const", "unsafe", "extern"].iter().any(|q| is(token, q))
                || matches!(token, TokenTree::Literal(_))
        });
        let mut n = n + 1;
        if qualifiers.any(|token| is(token, "const")) {
            return;
        }
        if tokens.get(n).is_some_and(|token| is(token, "$")) {
            n += 1;
        }
        let Some(TokenTree::Ident(name)) = tokens.get(n) else {
            return;
        };
        let mut depth = 0;
        let signature = tokens[n + 1..].iter().enumerate().find(|(at, token)| {
            let arrow = *at > 0 && is(&tokens[n + at], "-");
            depth += i32::from(is(token, "<")) - i32::from(is(token, ">") && !arrow);
            depth == 0 && matches!(token, TokenTree::Group(group) if parenthesis(group))
        });
        let Some((params, _)) = signature else { return };
        let after = &tokens[n + 2 + params..];
        let end = |token: &TokenTree| {
            is(token, ";") || matches!(token, TokenTree::Group(group) if brace(group))
        };
        let Some(end) = after.iter().position(end) else {
            return;
        };
        let TokenTree::Group(body) = &after[end] else {
            return;
        };
        let returned = match &after[..end] {
            [minus, greater, returned @ ..] if is(minus, "-") && is(greater, ">") => returned,
            _ => &[],
        };
        let returned = returned
            .iter()
            .take_while(|token| !is(token, "where"))
            .cloned();
        let returned = plain(&returned.collect::<TokenStream>());
        self.add(name.to_string(), name.span().start().line, &returned, body);
    }

    fn add(&mut self, name: String, line: usize, returned: &str, body: &Group) {
        let present = plain(&body.stream()).replace("Ok(())", "Ok(Default::default())");
        if present.starts_with("#!") {
            return;
        }
        for value in values(returned) {
            // Where the body is nothing else already, there is nothing to change.
            if present != value.replace(' ', "") {
                self.found.push(Mutation {
                    file: self.file.to_string(),
                    line,
                    name: name.clone(),
                    value: value.to_string(),
                    at: body.span_open().byte_range().end,
                });
            }
        }
    }
}

/// Where the item ends that these tokens begin, if it is a test or is there for tests.
fn for_tests(tokens: &[TokenTree]) -> Option<usize> {
    let [hash, TokenTree::Group(attribute), rest @ ..] = tokens else {
        return None;
    };
    let text = plain(&attribute.stream());
    let tests = text == "test" || text.starts_with("cfg(test)") || text.starts_with("kunit_tests(");
    if !is(hash, "#") || !tests {
        return None;
    }
    let end = |token: &TokenTree| {
        is(token, ";") || matches!(token, TokenTree::Group(group) if brace(group))
    };
    Some(
        rest.iter()
            .position(end)
            .map_or(tokens.len(), |end| end + 3),
    )
}

/// What to return instead, by what is returned; what does not compile is dropped later.
fn values(returned: &str) -> &'static [&'static str] {
    const INTEGERS: &[&str] = &["0", "1"];
    const RESULTS: &[&str] = &[
        "Ok(Default::default())",
        "Err(Default::default())",
        "Err(kernel::error::code::EINVAL)",
        "Err(crate::error::code::EINVAL)",
    ];
    let last = returned
        .split('<')
        .next()
        .unwrap_or("")
        .rsplit("::")
        .next()
        .unwrap_or("");
    match returned {
        "" | "()" => &[""],
        "bool" => &["false", "true"],
        "f32" | "f64" => &["0.0", "1.0"],
        "&str" | "&'staticstr" => &["\"\""],
        _ if returned.starts_with("impl") || ["!", "Self"].contains(&returned) => &[],
        _ if returned.starts_with("*const") => &["core::ptr::null()"],
        _ if returned.starts_with("*mut") => &["core::ptr::null_mut()"],
        _ if last == "Option" => &["None"],
        _ if last == "Result" => RESULTS,
        _ if last.starts_with(char::is_lowercase) => INTEGERS,
        _ if last.starts_with(char::is_uppercase) => &["Default::default()"],
        _ => &[],
    }
}

/// The tokens without spaces.
fn plain(tokens: &TokenStream) -> String {
    tokens.to_string().replace(char::is_whitespace, "")
}

fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == text,
        TokenTree::Punct(punct) => text.len() == 1 && text.starts_with(punct.as_char()),
        _ => false,
    }
}

fn brace(group: &Group) -> bool {
    group.delimiter() == Delimiter::Brace
}

fn parenthesis(group: &Group) -> bool {
    group.delimiter() == Delimiter::Parenthesis
}
