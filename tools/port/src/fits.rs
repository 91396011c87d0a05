// SPDX-License-Identifier: GPL-2.0-only
//! Whether what the safe half uses of C is in a kernel's bindings, in the shape that it has here.
//!
//! The shape is that of the mirror, against which the safe half is compiled in userspace. What Linux
//! has inline, and `linux.rs` declares, is C's to compare: `linux/helpers.c` does.

mod here;
mod linux;
mod shapes;
mod used;

use crate::{
    modules::{Half, Modules},
    Failure, //
};
use here::Here;
use linux::Linux;
use quote::ToTokens;
use shapes::Shapes;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf}, //
};
use syn::{visit::Visit, Fields, ItemStruct, Type};
use used::{declared, types, Used};

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
            let (theirs, ours) = (shapes.function(&theirs), shapes.function(ours));
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
                let (theirs, ours) = (shapes.kind(theirs), shapes.kind(ours));
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

    fn mirror(root: &Path) -> Here {
        match Here::of(root) {
            Ok(here) => here,
            Err(_) => panic!("the mirror cannot be read"),
        }
    }

    fn found(root: &Path, here: &Here, text: String) -> Found {
        match compare(root, here, &Linux(text), "Linux 9") {
            Ok(found) => found,
            Err(_) => panic!("the safe half cannot be read"),
        }
    }

    #[test]
    fn what_a_kernel_has_itself_is_said() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let here = mirror(&root);
        let new = |text: &str| found(&root, &here, text.to_owned()).1;
        let said = ["Linux 9 has dma_fence_later itself: see Documentation/until.rst"];
        assert_eq!(new("pub fn dma_fence_later (a : u64) ;"), said);
        assert_eq!(new("void rust_helper_dma_fence_later(u64 a)"), said);
        assert_eq!(new("pub fn dma_fence_later64 (a : u64) ;"), [""; 0]);
    }

    #[test]
    fn what_a_kernel_lacks_or_has_in_another_shape_is_said_in_words() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let here = mirror(&root);
        let text = a_kernel(&here);
        let ask = |text: String| found(&root, &here, text).0.join("\n");
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
