// SPDX-License-Identifier: GPL-2.0-only
//! What the safe half needs of a kernel, and where.

use super::here::Here;
use crate::config;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    spanned::Spanned,
    visit::{self, Visit},
    Expr, FnArg, ForeignItem, ImplItem, Item, Signature, Type, UnOp,
};

/// What the safe half uses, each with the first place.
#[derive(Default)]
pub(super) struct Used {
    pub(super) shown: String,
    /// Names behind `bindings::`.
    pub(super) names: BTreeMap<String, String>,
    /// Members that are set or read, by struct; and where all of them are set.
    pub(super) members: BTreeMap<(String, String), String>,
    pub(super) whole: BTreeMap<String, String>,
    /// The function's parameters that point to something.
    pointers: BTreeMap<String, String>,
}

impl Used {
    fn place(&self, at: &impl Spanned) -> String {
        format!("{}:{}", self.shown, at.span().start().line)
    }
}

impl<'ast> Visit<'ast> for Used {
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

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| &segment.ident).collect();
        if let Some([_, name]) = names.windows(2).find(|pair| *pair[0] == "bindings") {
            let place = self.place(name);
            self.names.entry(name.to_string()).or_insert(place);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        fn words(tokens: TokenStream, all: &mut Vec<TokenTree>) {
            for token in tokens {
                match token {
                    TokenTree::Group(group) => words(group.stream(), all),
                    token => all.push(token),
                }
            }
        }
        let mut all = Vec::new();
        words(call.tokens.clone(), &mut all);
        for four in all.windows(4) {
            if four[0].to_string() == "bindings" && four[1].to_string() == ":" {
                let place = self.place(&four[3]);
                self.names.entry(four[3].to_string()).or_insert(place);
            }
        }
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        self.pointers.clear();
        for input in &signature.inputs {
            if let FnArg::Typed(input) = input {
                if let (syn::Pat::Ident(name), Type::Ptr(pointer)) = (&*input.pat, &*input.ty) {
                    self.pointers
                        .insert(name.ident.to_string(), last(&pointer.elem));
                }
            }
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_struct(&mut self, value: &'ast syn::ExprStruct) {
        let names: Vec<_> = value
            .path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let [.., bindings, name] = names.as_slice() {
            if bindings == "bindings" {
                for field in &value.fields {
                    let member = field.member.to_token_stream().to_string();
                    let place = self.place(&field.member);
                    self.members.entry((name.clone(), member)).or_insert(place);
                }
                if value.rest.is_none() {
                    let place = self.place(&value.path);
                    self.whole.entry(name.clone()).or_insert(place);
                }
            }
        }
        visit::visit_expr_struct(self, value);
    }

    /// `(*pointer).member` of a parameter.
    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        if let Expr::Paren(inner) = &*field.base {
            if let Expr::Unary(syn::ExprUnary {
                op: UnOp::Deref(_),
                expr,
                ..
            }) = &*inner.expr
            {
                if let Some(name) = self.pointers.get(&expr.to_token_stream().to_string()) {
                    let member = field.member.to_token_stream().to_string();
                    let place = self.place(&field.member);
                    self.members.entry((name.clone(), member)).or_insert(place);
                }
            }
        }
        visit::visit_expr_field(self, field);
    }
}

/// The last name of a type's path.
fn last(kind: &Type) -> String {
    match kind {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|name| name.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// What `linux.rs` declares by itself, macros included.
pub(super) fn declared(items: &[Item]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for item in items {
        match item {
            Item::Fn(item) => drop(all.insert(item.sig.ident.to_string())),
            Item::Struct(item) => drop(all.insert(item.ident.to_string())),
            Item::ForeignMod(item) => {
                for item in &item.items {
                    if let ForeignItem::Fn(item) = item {
                        all.insert(item.sig.ident.to_string());
                    }
                }
            }
            Item::Macro(item) => {
                let tokens: Vec<_> = item.mac.tokens.clone().into_iter().collect();
                for pair in tokens.windows(2) {
                    if let [TokenTree::Ident(name), TokenTree::Group(_)] = pair {
                        all.insert(name.to_string());
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// The types that `linux.rs` names, of those that are defined here.
pub(super) fn types(tokens: TokenStream, here: &Here, all: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => types(group.stream(), here, all),
            TokenTree::Ident(name) => {
                let name = name.to_string();
                if here.structures.contains_key(&name) || here.aliases.contains_key(&name) {
                    all.insert(name);
                }
            }
            _ => {}
        }
    }
}
