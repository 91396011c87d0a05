// SPDX-License-Identifier: GPL-2.0-only
//! Whether what the safe half uses of C is in a kernel's bindings, in the shape that it has here.
//!
//! The shape is that of the mirror, against which the safe half is compiled in userspace. What Linux
//! has inline, and `linux.rs` declares, is C's to compare: `linux/helpers.c` does.

use crate::{
    config,
    modules::{Half, Modules},
    Failure, //
};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf}, //
};
use syn::{
    spanned::Spanned,
    visit::{self, Visit},
    Expr, Fields, FnArg, ForeignItem, ImplItem, Item, ItemStruct, ItemType, ReturnType, Signature,
    Type, UnOp, Visibility,
};

/// What bindgen has made for a kernel, and its `rust/helpers/*.c`, for which that may be missing. Only
/// what is asked for is parsed: it is long.
struct Linux(String);

impl Linux {
    /// The text behind `pub WORD NAME`.
    fn behind(&self, word: &str, name: &str) -> Option<&str> {
        let ends = |text: &str| text.trim_end().ends_with(&format!("pub {word}"));
        let next = |text: &str| text.starts_with(|c: char| c == '_' || c.is_alphanumeric());
        let mut all = self.0.match_indices(name);
        let at = all.find(|(at, _)| {
            let from = (at - 30.min(*at)..=*at).find(|&from| self.0.is_char_boundary(from));
            ends(&self.0[from.unwrap_or(*at)..*at]) && !next(&self.0[at + name.len()..])
        })?;
        Some(&self.0[at.0 + name.len()..])
    }

    fn function(&self, name: &str) -> Option<Signature> {
        let text = self.behind("fn", name)?;
        let text = format!("fn {name}{} {{}}", &text[..text.find(';')?]);
        Some(syn::parse_str::<syn::ItemFn>(&text).ok()?.sig)
    }

    fn structure(&self, name: &str) -> Option<ItemStruct> {
        let text = self.behind("struct", name)?;
        let mut depth = 0;
        let end = text.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, '}' | ';')
        })?;
        syn::parse_str(&format!("struct {name}{}", &text[..=end.0])).ok()
    }

    fn alias(&self, name: &str) -> Option<Type> {
        let text = self.behind("type", name)?;
        let text = format!("type {name}{};", &text[..text.find(';')?]);
        Some(*syn::parse_str::<ItemType>(&text).ok()?.ty)
    }

    fn has(&self, name: &str) -> bool {
        ["fn", "struct", "type", "const", "static", "union"]
            .iter()
            .any(|word| self.behind(word, name).is_some())
            || self.0.contains(&format!("rust_helper_{name}("))
    }
}

/// What the mirror and the shim define.
#[derive(Default)]
struct Here {
    functions: BTreeMap<String, Signature>,
    structures: BTreeMap<String, ItemStruct>,
    aliases: BTreeMap<String, Type>,
}

impl Here {
    fn of(root: &Path) -> Result<Self, Failure> {
        let mut here = Self::default();
        for path in [
            "dma-fence/src/bindings.rs",
            "dma-fence/src/bindings",
            "rust-kernel-shim/c/src",
        ] {
            here.read(&root.join(path))?;
        }
        Ok(here)
    }

    fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(told)? {
                self.read(&entry.map_err(told)?.path())?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            let file = syn::parse_file(&fs::read_to_string(path).map_err(told)?);
            self.items(
                file.map_err(|error| format!("{}: {error}", path.display()))?
                    .items,
            );
        }
        Ok(())
    }

    fn items(&mut self, items: Vec<Item>) {
        let public = |seen: &Visibility| matches!(seen, Visibility::Public(_));
        for item in items {
            match item {
                Item::Fn(item) if !public(&item.vis) => {}
                Item::Fn(item) => drop(self.functions.insert(item.sig.ident.to_string(), item.sig)),
                Item::Struct(item) => drop(self.structures.insert(item.ident.to_string(), item)),
                Item::Type(item) => drop(self.aliases.insert(item.ident.to_string(), *item.ty)),
                Item::Mod(item) => {
                    self.items(item.content.map(|(_, items)| items).unwrap_or_default())
                }
                _ => {}
            }
        }
    }
}

/// What the safe half uses, each with the first place.
#[derive(Default)]
struct Used {
    shown: String,
    /// Names behind `bindings::`.
    names: BTreeMap<String, String>,
    /// Members that are set or read, by struct; and where all of them are set.
    members: BTreeMap<(String, String), String>,
    whole: BTreeMap<String, String>,
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
fn declared(items: &[Item]) -> BTreeSet<String> {
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
fn types(tokens: TokenStream, here: &Here, all: &mut BTreeSet<String>) {
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

struct Shapes<'a> {
    linux: &'a Linux,
    here: &'a Here,
}

impl Shapes<'_> {
    /// A type in words that are the same on both sides.
    fn kind(&self, kind: &Type, depth: u32) -> String {
        match kind {
            Type::Ptr(pointer) => {
                let word = if pointer.mutability.is_some() {
                    "*mut "
                } else {
                    "*const "
                };
                word.to_owned() + &self.kind(&pointer.elem, depth)
            }
            Type::Never(_) => "!".to_owned(),
            Type::BareFn(function) => {
                let inputs: Vec<_> = function
                    .inputs
                    .iter()
                    .map(|input| self.kind(&input.ty, depth))
                    .collect();
                format!(
                    "fn({}){}",
                    inputs.join(", "),
                    self.output(&function.output, depth)
                )
            }
            Type::Path(path) => {
                let Some(segment) = path.path.segments.last() else {
                    return String::new();
                };
                let name = segment.ident.to_string();
                if let syn::PathArguments::AngleBracketed(list) = &segment.arguments {
                    let inner = list.args.iter().map(|argument| match argument {
                        syn::GenericArgument::Type(kind) => self.kind(kind, depth),
                        other => other.to_token_stream().to_string(),
                    });
                    return format!("{name}<{}>", inner.collect::<Vec<_>>().join(", "));
                }
                match name.as_str() {
                    "c_char" => return "u8".to_owned(),
                    "c_int" => return "i32".to_owned(),
                    "c_uint" => return "u32".to_owned(),
                    "c_long" => return "isize".to_owned(),
                    "c_ulong" => return "usize".to_owned(),
                    "c_longlong" => return "i64".to_owned(),
                    "c_ulonglong" => return "u64".to_owned(),
                    _ if self.here.structures.contains_key(&name) => return name,
                    _ => {}
                }
                let alias = self
                    .linux
                    .alias(&name)
                    .or_else(|| self.here.aliases.get(&name).cloned());
                match alias.filter(|_| depth > 0) {
                    Some(kind) => self.kind(&kind, depth - 1),
                    None => name,
                }
            }
            other => other.to_token_stream().to_string().replace(' ', ""),
        }
    }

    fn output(&self, output: &ReturnType, depth: u32) -> String {
        match output {
            ReturnType::Default => String::new(),
            ReturnType::Type(_, kind) => format!(" -> {}", self.kind(kind, depth)),
        }
    }

    fn function(&self, signature: &Signature, depth: u32) -> String {
        let inputs = signature.inputs.iter().map(|input| match input {
            FnArg::Typed(input) => self.kind(&input.ty, depth),
            FnArg::Receiver(_) => "self".to_owned(),
        });
        format!(
            "({}){}",
            inputs.collect::<Vec<_>>().join(", "),
            self.output(&signature.output, depth)
        )
    }
}

/// The members of a struct, with their types.
fn members(item: &ItemStruct) -> BTreeMap<String, Type> {
    match &item.fields {
        Fields::Named(fields) => fields
            .named
            .iter()
            .filter_map(|field| Some((field.ident.as_ref()?.to_string(), field.ty.clone())))
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// How deep aliases are followed.
const DEPTH: u32 = 8;

/// What does not fit, a line each; and what a kernel has that need not be declared here any more.
pub(crate) type Found = (Vec<String>, Vec<String>);

/// Compares with the files of a kernel of that name.
pub(crate) fn fits(root: &Path, files: &[PathBuf], name: &str) -> Result<Found, Failure> {
    let mut text = String::new();
    for path in files {
        text +=
            &fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    compare(root, &Here::of(root)?, &Linux(text), name)
}

fn compare(root: &Path, here: &Here, linux: &Linux, name: &str) -> Result<Found, Failure> {
    let src = root.join("dma-fence/src");
    let half = Modules::read(&src, "lib.rs", "dma-fence/src", Half::Safe)?;
    let mut used = Used::default();
    let mut own = BTreeSet::new();
    for (path, file) in &half.files {
        let text = String::from_utf8_lossy(&file.text);
        let Ok(parsed) = syn::parse_file(&text) else {
            continue;
        };
        used.shown = format!("dma-fence/src/{}", path.display());
        used.visit_file(&parsed);
        if *path == Path::new("linux.rs") {
            own = declared(&parsed.items);
            let mut named = BTreeSet::new();
            types(parsed.to_token_stream(), here, &mut named);
            for word in named {
                used.names
                    .entry(word)
                    .or_insert_with(|| "dma-fence/src/linux.rs".to_owned());
            }
        }
    }
    let shapes = Shapes { linux, here };
    let (mut wrong, mut new) = (Vec::new(), Vec::new());
    for (word, place) in &used.names {
        if own.contains(word) || word == "*" {
            continue;
        }
        let call = if here.functions.contains_key(word) {
            "()"
        } else {
            ""
        };
        if !linux.has(word) {
            wrong.push(format!("{name} has no {word}{call}, which {place} uses"));
        } else if let (Some(theirs), Some(ours)) = (linux.function(word), here.functions.get(word))
        {
            let (theirs, ours) = (
                shapes.function(&theirs, DEPTH),
                shapes.function(ours, DEPTH),
            );
            if theirs != ours {
                wrong.push(format!(
                    "{word}() is {theirs} in {name}, and {ours} here: {place}"
                ));
            }
        }
    }
    for ((structure, member), place) in &used.members {
        let (Some(theirs), Some(ours)) =
            (linux.structure(structure), here.structures.get(structure))
        else {
            continue;
        };
        let (theirs, ours) = (members(&theirs), members(ours));
        match (theirs.get(member), ours.get(member)) {
            (None, _) => wrong.push(format!(
                "struct {structure} of {name} has no {member}, which {place} uses"
            )),
            (Some(theirs), Some(ours)) => {
                let (theirs, ours) = (shapes.kind(theirs, DEPTH), shapes.kind(ours, DEPTH));
                if theirs != ours {
                    wrong.push(format!("{member} of struct {structure} is {theirs} in {name}, and {ours} here: {place}"));
                }
            }
            _ => {}
        }
    }
    for (structure, place) in &used.whole {
        let Some(theirs) = linux
            .structure(structure)
            .filter(|_| !own.contains(structure))
        else {
            continue;
        };
        for member in members(&theirs).into_keys() {
            if !used
                .members
                .contains_key(&(structure.clone(), member.clone()))
            {
                wrong.push(format!(
                    "struct {structure} of {name} has a {member}, which {place} does not set"
                ));
            }
        }
    }
    for word in own.iter().filter(|word| linux.has(word)) {
        new.push(format!(
            "{name} has {word} itself: see Documentation/until.rst"
        ));
    }
    Ok((wrong, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let linux = Linux("pub type ktime_t = s64 ; pub type s64 = ffi :: c_longlong;".to_owned());
        let here = Here::default();
        let shapes = Shapes {
            linux: &linux,
            here: &here,
        };
        let kind = |text| shapes.kind(&syn::parse_str(text).unwrap(), DEPTH);
        assert_eq!(kind("*mut ktime_t"), "*mut i64");
        assert_eq!(kind("ffi::c_int"), kind("i32"));
        assert_ne!(kind("*mut ktime_t"), kind("*const ktime_t"));
    }

    #[test]
    fn a_name_is_found_as_a_whole() {
        let linux = Linux(
            "pub fn dma_fence_init64 (a : u64) ; pub fn dma_fence_init\n(a: u32) -> u8;".to_owned(),
        );
        let found = linux.function("dma_fence_init").unwrap();
        assert_eq!(found.inputs.to_token_stream().to_string(), "a : u32");
        assert!(linux.function("dma_fence").is_none() && !linux.has("init64"));
    }

    /// A kernel that has all that the mirror has, in the shape that it has there.
    fn a_kernel(here: &Here) -> String {
        let mut text = String::new();
        for signature in here.functions.values() {
            text += &format!("pub {} ;\n", signature.to_token_stream()).replacen("unsafe ", "", 1);
        }
        for structure in here.structures.values() {
            let members = members(structure)
                .into_iter()
                .map(|(name, kind)| format!("pub {name} : {} , ", kind.to_token_stream()));
            text += &format!(
                "pub struct {} {{ {}}}\n",
                structure.ident,
                members.collect::<String>()
            );
        }
        for (name, kind) in &here.aliases {
            text += &format!("pub type {name} = {} ;\n", kind.to_token_stream());
        }
        for usage in ["KERNEL", "WRITE", "READ", "BOOKKEEP"] {
            text += &format!(
                "pub const dma_resv_usage_DMA_RESV_USAGE_{usage} : dma_resv_usage = 0 ;\n"
            );
        }
        text
    }

    #[test]
    fn what_a_kernel_lacks_or_has_in_another_shape_is_said_in_words() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let Ok(here) = Here::of(&root) else {
            panic!("the mirror cannot be read")
        };
        let text = a_kernel(&here);
        let ask = |text: String| match compare(&root, &here, &Linux(text), "Linux 9") {
            Ok((wrong, _)) => wrong.join("\n"),
            Err(_) => panic!("the safe half cannot be read"),
        };
        assert_eq!(ask(text.clone()), "");
        for (before, after, words) in [
            ("pub fn dma_fence_signal_locked (", "pub fn dma_fence_end (", "Linux 9 has no dma_fence_signal_locked(), which dma-fence/src/"),
            (
                "pub fn dma_fence_signal_locked (fence : * mut dma_fence)",
                "pub fn dma_fence_signal_locked (fence : * mut dma_fence , at : ktime_t) -> bool",
                "dma_fence_signal_locked() is (*mut dma_fence, i64) -> bool in Linux 9, and (*mut dma_fence) here: dma-fence/src/",
            ),
            ("pub struct dma_resv ", "pub struct dma_reservation ", "Linux 9 has no dma_resv, which dma-fence/src/"),
            ("pub signaled :", "pub check_signaled :", "struct dma_fence_ops of Linux 9 has no signaled, which dma-fence/src/vtable.rs:"),
            (
                "pub signaled : Option < unsafe extern \"C\" fn (fence : * mut dma_fence) -> bool >",
                "pub signaled : Option < unsafe extern \"C\" fn (fence : * mut dma_fence) >",
                "signaled of struct dma_fence_ops is Option<fn(*mut dma_fence)> in Linux 9, and",
            ),
            ("pub context : u64 , ", "pub timeline : u64 , ", "struct dma_fence of Linux 9 has no context, which dma-fence/src/linux.rs:"),
            ("USAGE_BOOKKEEP :", "USAGE_KEEP :", "Linux 9 has no dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP, which"),
        ] {
            let other = text.replace(before, after);
            assert!(other != text, "{before}");
            let said = ask(other);
            assert!(said.contains(words), "{before}: {said}");
        }
    }
}
