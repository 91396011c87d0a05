// SPDX-License-Identifier: GPL-2.0-only
//! What is rewritten: the imports of a crate that in Linux is a module. And what would have to be,
//! but is no import, and so is refused.

use crate::config;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use std::{collections::BTreeSet, ops::Range};
use syn::{
    visit::{self, Visit},
    Attribute, File, ImplItem, Item, ItemExternCrate, ItemUse, LitStr, Macro, Meta, Path, UseTree,
};

const CRATE: &str = "dma_fence";

/// A line that is rewritten: its number, what it was and what it is.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) before: String,
    pub(crate) after: String,
}

pub(crate) struct Rewritten {
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
    /// "LINE: RULE: what is wrong" of each.
    pub(crate) refused: Vec<String>,
}

struct Visitor<'a> {
    /// What in the text becomes what.
    edits: Vec<(Range<usize>, &'static str)>,
    refused: Vec<String>,
    missing: &'a BTreeSet<String>,
}

impl Visitor<'_> {
    fn refuse(&mut self, at: Span, what: &str) {
        let line = format!("{}: {what}", at.start().line);
        if !self.refused.contains(&line) {
            self.refused.push(line);
        }
    }

    /// Prefixes the name that begins a path; `colons` are those before it.
    fn edit(&mut self, colons: Option<Span>, name: &Ident) {
        let at = name.span().byte_range();
        self.edits.push(match colons {
            Some(colons) => (colons.byte_range().start..at.start, "crate::"),
            None => (at.start..at.start, "crate::"),
        });
    }

    /// Looks whether the path is one that Linux does not have.
    fn look(&mut self, first: &Ident, second: &Ident) {
        let here = match first.to_string().as_str() {
            "kernel" => second == "testing",
            CRATE => self.missing.contains(&second.to_string()),
            _ => false,
        };
        if here {
            self.refuse(
                second.span(),
                &format!(
                    "here-only: {first}::{second} is not in Linux: expected it in tests alone"
                ),
            );
        }
    }

    /// The beginnings of what a `use` imports.
    fn tree(&mut self, colons: Option<Span>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                if path.ident == CRATE {
                    self.edit(colons, &path.ident);
                }
                self.second(&path.ident, &path.tree);
            }
            UseTree::Name(name) if name.ident == CRATE => self.edit(colons, &name.ident),
            UseTree::Rename(name) if name.ident == CRATE => self.edit(colons, &name.ident),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(colons, tree)),
            _ => {}
        }
    }

    fn second(&mut self, first: &Ident, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.look(first, &path.ident),
            UseTree::Name(name) => self.look(first, &name.ident),
            UseTree::Rename(name) => self.look(first, &name.ident),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.second(first, tree)),
            UseTree::Glob(_) => {}
        }
    }

    /// The same for what a macro is given, in which nothing is known but words.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        // Whether `::` stands before the token with this number.
        let colons = |n: usize| n >= 2 && tokens[n - 2..n].iter().all(|token| is(token, ':'));
        for (n, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(name)
                    if name == CRATE && tokens.len() > n + 2 && colons(n + 3) =>
                {
                    let before = |n: usize| n.checked_sub(1).map(|n| &tokens[n]);
                    let lead = if colons(n) { n - 2 } else { n };
                    match before(lead) {
                        Some(TokenTree::Ident(word)) if word == "use" => {
                            self.edit((lead < n).then(|| tokens[lead].span()), name);
                        }
                        // Of another path.
                        Some(TokenTree::Ident(_)) if lead < n => {}
                        _ => self.path(name),
                    }
                }
                _ => {}
            }
        }
    }

    /// Looks for features of cargo's in a predicate.
    fn features(&mut self, predicate: TokenStream) {
        for token in predicate {
            match token {
                TokenTree::Group(group) => self.features(group.stream()),
                TokenTree::Ident(name) if name == "feature" => {
                    self.refuse(name.span(), "feature: in Linux none is on, and what depends on it changes unseen: expected it in tests alone");
                }
                _ => {}
            }
        }
    }

    fn path(&mut self, name: &Ident) {
        self.refuse(name.span(), "path: dma_fence:: outside of a `use`: expected its items imported, since imports alone are rewritten");
    }
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !config::hidden(config::of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !config::hidden(config::of_member(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let colons = item.leading_colon.map(|colons| colons.spans[0]);
        self.tree(colons, &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        if item.ident != "self" {
            self.refuse(
                item.ident.span(),
                &format!(
                    "extern-crate: {}: Linux knows what crates there are: expected a `use`",
                    item.ident
                ),
            );
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let mut names = path.segments.iter().map(|segment| &segment.ident);
        if let (Some(first), Some(second)) = (names.next(), names.next()) {
            if first == CRATE {
                self.path(first);
            }
            self.look(first, second);
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let path = attribute.path();
        if let (Meta::List(list), true) = (
            &attribute.meta,
            path.is_ident("cfg") || path.is_ident("cfg_attr"),
        ) {
            self.features(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if call.path.is_ident("cfg") {
            self.features(call.tokens.clone());
        }
        let includes = ["include", "include_str", "include_bytes"];
        if includes.iter().any(|name| call.path.is_ident(name)) {
            let file = call.parse_body::<LitStr>().map(|file| file.value());
            if file.is_ok_and(|file| {
                file.contains("..") || file.starts_with('/') || file.ends_with(".rs")
            }) {
                self.refuse(call.path.segments[0].ident.span(), "outside: of files beside the crate's modules only those in its src are taken, and no Rust: expected a module, or a file there");
            }
        }
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

/// The text of a file as it is in Linux, where the safe half lacks the modules that are `missing`.
pub(crate) fn rewrite(text: &str, file: &File, missing: &BTreeSet<String>) -> Rewritten {
    let mut visitor = Visitor {
        edits: Vec::new(),
        refused: Vec::new(),
        missing,
    };
    visitor.visit_file(file);
    let mut new = text.to_owned();
    visitor.edits.sort_by_key(|(at, _)| at.start);
    for (at, word) in visitor.edits.iter().rev() {
        new.replace_range(at.clone(), word);
    }
    let lines = (text.lines().zip(new.lines()).enumerate())
        .filter(|(_, (before, after))| before != after)
        .map(|(n, (before, after))| Line {
            number: n + 1,
            before: before.trim().to_owned(),
            after: after.trim().to_owned(),
        })
        .collect();
    Rewritten {
        text: new,
        lines,
        refused: visitor.refused,
    }
}

#[cfg(test)]
#[path = "cases.rs"]
mod cases;
