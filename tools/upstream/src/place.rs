// SPDX-License-Identifier: GPL-2.0-only
//! Where files are put so that they compile.

use crate::{
    cargo::{cargo, Language, Mistake},
    source::Source,
    tree::Tree,
};
use serde::Serialize;
use std::path::Path;

/// How a file is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stand {
    /// In the place of ours, in the copy's kernel crate.
    InPlace,
    /// In a crate `kernel` that has all else from ours.
    Beside,
    /// In a crate of a driver.
    Driver,
}

/// The sources of the shim.
const SHIM: &str = "rust-kernel-shim/src";

/// Files that compile.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) stand: Stand,
    pub(crate) language: Language,
    /// The features that are not stable, of those that it uses.
    pub(crate) features: Vec<String>,
    /// The package with their own tests.
    pub(crate) package: &'static str,
    /// What a manifest of one who uses them says.
    pub(crate) dependencies: String,
    /// The names of the crates with a module that can be loaded.
    pub(crate) loaded: Vec<String>,
}

/// The manifest of a crate on the kernel crate that all else is in.
fn dependencies(kernel: &str) -> String {
    format!("[dependencies]\n{kernel}\npin_init.workspace = true\n")
}

const IN_PLACE: &str =
    "kernel = { workspace = true, features = [\"debug\"] }\nbindings.workspace = true";
const BESIDE: &str = "kernel = { package = \"upstream-kernel\", path = \"../kernel\" }\nbindings = { package = \"upstream-bindings\", path = \"../bindings\" }";

/// The path of a file of the kernel crate in ours.
fn in_shim(module: &[String], file: &str) -> String {
    let dirs = &module[..module.len() - 1];
    let dirs: String = dirs.iter().map(|dir| format!("/{dir}")).collect();
    format!("{SHIM}{dirs}/{file}")
}

/// Puts a source in the place of ours.
pub(crate) fn replace(tree: &Tree, source: &Source) -> Result<(), String> {
    let module = source.module.as_deref().unwrap_or(&[]);
    for file in source.own(|file| known_file(tree, source, file)) {
        tree.write(&in_shim(module, &file.name), &file.text)?;
    }
    Ok(())
}

/// Whether ours has a file of a source.
pub(crate) fn known_file(tree: &Tree, source: &Source, file: &str) -> bool {
    let module = source.module.as_deref();
    module.is_some_and(|module| tree.has(&in_shim(module, file)))
}

/// Whether ours has the module, in a file of its own.
pub(crate) fn known(tree: &Tree, source: &Source) -> bool {
    let file = |module: &Vec<String>| in_shim(module, &source.files[0].name);
    source
        .module
        .as_ref()
        .is_some_and(|module| tree.has(&file(module)))
}

/// The copy's kernel crate, as it is.
pub(crate) fn shim(language: Language) -> Placed {
    Placed {
        stand: Stand::InPlace,
        language,
        features: Vec::new(),
        package: "rust-kernel-shim",
        dependencies: dependencies(IN_PLACE),
        loaded: Vec::new(),
    }
}

/// Compiles the sources, in the way that says most of them; where stable Rust lacks something, with it.
pub(crate) fn place(
    tree: &Tree,
    target: &Path,
    sources: &[&Source],
) -> Result<Result<Placed, Vec<Mistake>>, String> {
    let mistakes = match place_in(tree, target, Language::Stable, sources)? {
        Ok(placed) => return Ok(Ok(placed)),
        Err(mistakes) => mistakes,
    };
    let mut features: Vec<_> = mistakes.iter().filter_map(Mistake::nightly).collect();
    features.sort();
    features.dedup();
    if features.is_empty() {
        return Ok(Err(mistakes));
    }
    let placed = place_in(tree, target, Language::Unstable, sources)?;
    Ok(placed.map(|placed| Placed { features, ..placed }))
}

fn place_in(
    tree: &Tree,
    target: &Path,
    language: Language,
    sources: &[&Source],
) -> Result<Result<Placed, Vec<Mistake>>, String> {
    let mut first = None;
    if sources.iter().all(|source| known(tree, source)) {
        match put(tree, target, language, Stand::InPlace, sources)? {
            Ok(placed) => return Ok(Ok(placed)),
            Err(mistakes) => first = Some(mistakes),
        }
        put_back(tree, sources)?;
    }
    let placed = put(tree, target, language, Stand::Beside, sources)?;
    Ok(placed.map_err(|mistakes| first.unwrap_or(mistakes)))
}

/// Compiles the sources in the place of ours, or else beside them and as the crate of a driver.
pub(crate) fn put(
    tree: &Tree,
    target: &Path,
    language: Language,
    stand: Stand,
    sources: &[&Source],
) -> Result<Result<Placed, Vec<Mistake>>, String> {
    if stand == Stand::InPlace {
        for source in sources {
            replace(tree, source)?;
        }
        let arguments = ["check", "-p", "rust-kernel-shim"];
        let build = cargo(&tree.path, target, language, &arguments)?;
        let good = build.mistakes.is_empty();
        return Ok(if good {
            Ok(shim(language))
        } else {
            Err(build.mistakes)
        });
    }
    let (modules, drivers): (Vec<_>, Vec<_>) = sources
        .iter()
        .copied()
        .partition(|source| source.module.is_some());
    beside(tree, &modules)?;
    let mut package = "upstream-kernel";
    let mut all = dependencies(BESIDE);
    let mut loaded = Vec::new();
    if !drivers.is_empty() {
        package = "upstream-driver";
        let (name, root) = driver(tree, &all, &drivers)?;
        all += &format!("{name} = {{ package = \"{package}\", path = \"../driver\" }}\n");
        if root {
            loaded.push(name);
        }
    }
    let build = cargo(&tree.path, target, language, &["check", "-p", package])?;
    if build.mistakes.is_empty() {
        return Ok(Ok(Placed {
            stand: if drivers.is_empty() {
                Stand::Beside
            } else {
                Stand::Driver
            },
            language,
            features: Vec::new(),
            package,
            dependencies: all,
            loaded,
        }));
    }
    Ok(Err(build.mistakes))
}

/// Makes the copy's kernel crate ours again.
pub(crate) fn put_back(tree: &Tree, sources: &[&Source]) -> Result<(), String> {
    for source in sources.iter().filter(|source| known(tree, source)) {
        for file in &source.files {
            tree.restore(&in_shim(
                source.module.as_deref().unwrap_or(&[]),
                &file.name,
            ))?;
        }
    }
    Ok(())
}

const HEAD: &str = "#![no_std]\n#![allow(ambiguous_glob_reexports, dead_code, macro_expanded_macro_exports_accessed_by_absolute_paths, unused)]\n";

/// A crate that has the modules, and from ours whatever they are not.
fn beside(tree: &Tree, sources: &[&Source]) -> Result<(), String> {
    let mut lib = format!(
        "{HEAD}extern crate self as kernel;\npub use shim::*;\npub use ::bindings;\n\
         const __LOG_PREFIX: &[u8] = b\"rust_kernel\\0\";\n"
    );
    let mut files = Vec::new();
    let modules: Vec<(Vec<String>, &Source)> = sources
        .iter()
        .filter_map(|source| Some((source.module.clone()?, *source)))
        .collect();
    nest(tree, &[], &modules, &mut lib)?;
    for (module, source) in &modules {
        let dir = module[..module.len() - 1].join("/");
        for file in &source.files {
            files.push((
                format!("src/{dir}/{}", file.name),
                file.text.clone().into_bytes(),
            ));
        }
    }
    files.push(("src/lib.rs".to_owned(), lib.into_bytes()));
    let kernel = "shim = { package = \"rust-kernel-shim\", path = \"../../rust-kernel-shim\" }\n\
                  bindings = { package = \"upstream-bindings\", path = \"../bindings\" }";
    let manifest = format!("[lib]\nname = \"kernel\"\n{}", dependencies(kernel));
    tree.package("kernel", &manifest, &files)
}

/// The modules in the module `path`, as code.
fn nest(
    tree: &Tree,
    path: &[String],
    modules: &[(Vec<String>, &Source)],
    lib: &mut String,
) -> Result<(), String> {
    let depth = path.len();
    let mut names: Vec<&String> = modules
        .iter()
        .filter(|(module, _)| module.len() > depth && module.starts_with(path))
        .map(|(module, _)| &module[depth])
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        let here = [path, std::slice::from_ref(name)].concat();
        if modules.iter().any(|(module, _)| *module == here) {
            *lib += &format!("pub mod {name};\n");
            // What the parent has of it in ours, it has of this one.
            let parent = if path.is_empty() {
                format!("{SHIM}/lib.rs")
            } else {
                format!("{SHIM}/{}.rs", path.join("/"))
            };
            if let Ok(parent) = std::fs::read_to_string(tree.path.join(parent)) {
                let start = format!("\npub use {name}::");
                for (at, _) in parent.match_indices(&start) {
                    let end = parent[at..]
                        .find(';')
                        .map_or(parent.len(), |end| at + end + 1);
                    *lib += parent[at..end]
                        .replace(&format!("pub use {name}"), &format!("pub use self::{name}"))
                        .trim();
                    *lib += "\n";
                }
            }
        } else {
            *lib += &format!("pub mod {name} {{\n");
            let shim = here.join("/");
            if tree.has(&format!("{SHIM}/{shim}.rs")) {
                *lib += &format!("pub use shim::{}::*;\n", here.join("::"));
            }
            nest(tree, &here, modules, lib)?;
            if !tree.has(&format!("{SHIM}/{shim}.rs")) {
                // It is a file of the kernel's that was not given; most have what is in their modules.
                for (module, _) in modules
                    .iter()
                    .filter(|(module, _)| module[..module.len() - 1] == here)
                {
                    *lib += &format!("pub use self::{}::*;\n", module[module.len() - 1]);
                }
            }
            *lib += "}\n";
        }
    }
    Ok(())
}

/// A crate of what no module of the kernel crate is; its name, and whether it is a module of Linux.
fn driver(tree: &Tree, dependencies: &str, sources: &[&Source]) -> Result<(String, bool), String> {
    let root = sources.iter().find(|source| source.is_root());
    let mut lib = format!("{HEAD}const __LOG_PREFIX: &[u8] = b\"driver\\0\";\n");
    let mut files = Vec::new();
    for source in sources {
        let stem = source.stem();
        for (number, file) in source.files.iter().enumerate() {
            let lib = number == 0 && root.is_some_and(|root| root.path == source.path);
            // The kernel's build says of all crates that they are no_std, with an option that is not stable.
            let (name, head) = if lib {
                ("lib.rs", "#![no_std] ")
            } else {
                (file.name.as_str(), "")
            };
            files.push((
                format!("src/{name}"),
                (head.to_owned() + &file.text).into_bytes(),
            ));
        }
        lib += &format!("pub mod {stem};\n");
    }
    let name = root.map_or("driver".to_owned(), |root| root.stem());
    if root.is_none() {
        files.push(("src/lib.rs".to_owned(), lib.into_bytes()));
    }
    let manifest = format!("[lib]\nname = \"{name}\"\n{dependencies}");
    tree.package("driver", &manifest, &files)?;
    Ok((name, root.is_some()))
}

impl Stand {
    /// In the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::InPlace => "in place",
            Self::Beside => "beside",
            Self::Driver => "driver",
        }
    }
}
