// SPDX-License-Identifier: GPL-2.0-only
//! What is rewritten: the imports of a crate that in Linux is a module. And what would have to be,
//! but is no import, and so is refused.

use crate::config;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use std::{collections::BTreeSet, ops::Range};
use syn::{
    ext::IdentExt,
    visit::{self, Visit},
    Attribute, Expr, File, ForeignItem, ImplItem, Item, ItemExternCrate, ItemUse, LitStr, Macro,
    Meta, Path, UseTree,
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
        let here = match first.unraw().to_string().as_str() {
            "kernel" => second.unraw() == "testing",
            CRATE => self.missing.contains(&second.unraw().to_string()),
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
                if ours(&path.ident) {
                    self.edit(colons, &path.ident);
                }
                self.second(&path.ident, &path.tree);
            }
            UseTree::Name(name) if ours(&name.ident) => self.edit(colons, &name.ident),
            UseTree::Rename(name) if ours(&name.ident) => self.edit(colons, &name.ident),
            UseTree::Group(group) => {
                let edits = self.edits.len();
                group.items.iter().for_each(|tree| self.tree(None, tree));
                // The marks are those of the other crates, too.
                if let (Some(colons), true) = (colons, self.edits.len() > edits) {
                    self.refuse(colons, "path: dma_fence in a `use ::{...}`, which begins at no module: expected it in a `use` of its own");
                }
            }
            _ => {}
        }
    }

    /// Refuses what gives the root a second `dma_fence`, beside the module.
    fn twice(&mut self, tree: &UseTree, inside: bool) {
        let name = match tree {
            UseTree::Path(path) if !inside && ours(&path.ident) => {
                return self.twice(&path.tree, true)
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.twice(tree, inside))
            }
            UseTree::Name(name) if ours(&name.ident) || inside && name.ident == "self" => {
                &name.ident
            }
            UseTree::Rename(name) if ours(&name.rename) => &name.rename,
            _ => return,
        };
        self.refuse(name.span(), "path: in Linux the crate's root has `mod dma_fence;`, and a name once: expected items imported, or another name behind `as`");
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
            let name = match token {
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    continue;
                }
                TokenTree::Ident(name) => name,
                _ => continue,
            };
            match (tokens.get(n + 1), tokens.get(n + 2)) {
                // Of an attribute.
                (Some(TokenTree::Group(group)), _) if name == "cfg" || name == "cfg_attr" => {
                    self.features(group.stream());
                }
                (Some(mark), Some(TokenTree::Group(group))) if is(mark, '!') => {
                    self.called(name, &group.stream());
                }
                _ => {}
            }
            let lead = if colons(n) { n - 2 } else { n };
            let before = lead.checked_sub(1).map(|n| &tokens[n]);
            let import = matches!(before, Some(TokenTree::Ident(word)) if word == "use");
            if lead < n && matches!(before, Some(TokenTree::Ident(word)) if segment(word)) {
                continue;
            }
            let path = tokens.len() > n + 2 && colons(n + 3);
            match tokens.get(n + 3) {
                Some(TokenTree::Ident(second)) if path => self.look(name, second),
                Some(TokenTree::Group(group)) if path => {
                    for token in group.stream() {
                        if let TokenTree::Ident(second) = token {
                            self.look(name, &second);
                        }
                    }
                }
                _ => {}
            }
            let renamed = matches!(tokens.get(n + 1), Some(TokenTree::Ident(word)) if word == "as");
            if ours(name) && import && (path || renamed) {
                self.edit((lead < n).then(|| tokens[lead].span()), name);
            } else if ours(name) && (path || import) {
                self.path(name);
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

    /// Looks at what a macro of that name is given.
    fn called(&mut self, name: &Ident, tokens: &TokenStream) {
        match name.to_string().as_str() {
            "cfg" => self.features(tokens.clone()),
            "include" | "include_str" | "include_bytes" => {
                let file = syn::parse2::<LitStr>(tokens.clone()).map(|file| file.value());
                let below = |file: String| {
                    !(file.contains("..") || file.starts_with('/') || file.ends_with(".rs"))
                };
                if !file.is_ok_and(below) {
                    self.refuse(name.span(), "outside: of files beside the crate's modules only those in its src are taken, and no Rust: expected a module, or a file there, its path written out");
                }
            }
            _ => {}
        }
    }

    fn path(&mut self, name: &Ident) {
        self.refuse(name.span(), "path: dma_fence:: outside of a `use`: expected its items imported, since imports alone are rewritten");
    }
}

fn ours(name: &Ident) -> bool {
    name.unraw() == CRATE
}

/// Whether a word may be that of a path before `::`: no keyword, or one of those.
fn segment(word: &Ident) -> bool {
    ["crate", "self", "super", "Self"]
        .iter()
        .any(|name| word == name)
        || syn::parse_str::<Ident>(&word.to_string()).is_ok()
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Verbatim(tokens) = item {
            self.tokens(tokens.clone());
        } else if !config::hidden(config::of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !config::hidden(config::of_member(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    /// What syn leaves as words, such as `safe fn`.
    fn visit_foreign_item(&mut self, item: &'ast ForeignItem) {
        match item {
            ForeignItem::Verbatim(tokens) => self.tokens(tokens.clone()),
            _ => visit::visit_foreign_item(self, item),
        }
    }

    fn visit_expr(&mut self, value: &'ast Expr) {
        match value {
            Expr::Verbatim(tokens) => self.tokens(tokens.clone()),
            _ => visit::visit_expr(self, value),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let colons = item.leading_colon.map(|colons| colons.spans[0]);
        self.tree(colons, &item.tree);
        visit::visit_item_use(self, item);
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
            if ours(first) {
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
        if let Some(name) = call.path.segments.last() {
            self.called(&name.ident, &call.tokens);
        }
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

/// The text of a file as it is in Linux, where the safe half lacks the modules that are `missing`.
pub(crate) fn rewrite(
    text: &str,
    file: &File,
    missing: &BTreeSet<String>,
    root: bool,
) -> Rewritten {
    let mut visitor = Visitor {
        edits: Vec::new(),
        refused: Vec::new(),
        missing,
    };
    visitor.visit_file(file);
    for item in file.items.iter().filter(|_| root) {
        match item {
            Item::Use(item) if !config::hidden(&item.attrs) => visitor.twice(&item.tree, false),
            _ => {}
        }
    }
    let mut new = text.to_owned();
    // Spans count from behind these.
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let shift = mark + file.shebang.as_ref().map_or(0, String::len);
    visitor.edits.sort_by_key(|(at, _)| at.start);
    for (at, word) in visitor.edits.iter().rev() {
        new.replace_range(at.start + shift..at.end + shift, word);
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
