// SPDX-License-Identifier: GPL-2.0-only
//! What a driver's crate is.

use crate::{config, modules, Failure};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command, //
};
use syn::{Item, LitStr, Meta};

/// The crates that a module of Linux may name: the first stands beside it, Kbuild has the others.
const CRATES: [&str; 3] = ["dma_fence", "kernel", "pin_init"];
/// MODULE_NAME_LEN without the NUL.
const LONGEST: usize = 55;

pub(crate) struct Driver {
    /// What `module!` says.
    pub(crate) name: String,
    /// The directory of the crate's root, its file in there, and how messages name the directory.
    pub(crate) src: PathBuf,
    pub(crate) lib: String,
    pub(crate) shown: String,
    pub(crate) refused: Vec<String>,
}

/// What cargo knows of the crate.
fn metadata(dir: &Path) -> Result<Value, Failure> {
    let shown = dir.display();
    if !dir.is_dir() {
        return Err(format!("{shown} is no directory: expected that of a driver's crate").into());
    }
    // Cargo leaves links in what it says.
    let manifest = dir
        .canonicalize()
        .map_err(|error| format!("{shown}: {error}"))?;
    let manifest = manifest.join("Cargo.toml");
    if !manifest.is_file() {
        let what = format!("{shown} has no Cargo.toml: expected the directory of a driver's crate");
        return Err(what.into());
    }
    let said = Command::new("cargo")
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version=1",
            "--manifest-path",
        ])
        .arg(&manifest)
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr)
            .trim_end()
            .to_owned()
            .into());
    }
    let all: Value = serde_json::from_slice(&said.stdout).map_err(|error| error.to_string())?;
    all["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| {
            package["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path) == manifest)
        })
        .cloned()
        .ok_or_else(|| {
            format!("{shown}/Cargo.toml has no package: expected that of a driver's crate").into()
        })
}

/// The name in the root's `module!`.
fn module_name(item: &Item) -> Option<Option<String>> {
    let Item::Macro(item) = item else { return None };
    if item.mac.path.segments.last()?.ident != "module" {
        return None;
    }
    let mut tokens = item.mac.tokens.clone().into_iter();
    while let Some(token) = tokens.next() {
        if token.to_string() == "name" {
            let text = tokens.nth(1).map(proc_macro2::TokenStream::from);
            return Some(
                text.and_then(|text| syn::parse2::<LitStr>(text).ok())
                    .map(|text| text.value()),
            );
        }
    }
    Some(None)
}

impl Driver {
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let package = metadata(dir)?;
        let toml = format!("{}/Cargo.toml:1", dir.display());
        let mut refused = Vec::new();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["rename"]
                .as_str()
                .or(dependency["name"].as_str())
                .unwrap_or_default();
            // Those of tests are the crate's own business.
            if dependency["kind"].as_str() != Some("dev")
                && !CRATES.contains(&name.replace('-', "_").as_str())
            {
                refused.push(format!(
                    "{toml}: dependency: Linux does not have {name}: expected none but {}",
                    CRATES.join(", ")
                ));
            }
        }
        let edition = package["edition"].as_str().unwrap_or_default();
        if edition != "2021" {
            refused.push(format!(
                "{toml}: edition: Linux takes the files for edition 2021, not {edition}"
            ));
        }
        let mut lib = None;
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten();
            for kind in kinds.filter_map(Value::as_str) {
                match kind {
                    "custom-build" => {
                        refused.push(format!("{toml}: build-script: Linux runs none"))
                    }
                    "lib" | "rlib" => lib = target["src_path"].as_str().map(PathBuf::from),
                    _ => {}
                }
            }
        }
        let Some(lib) = lib else {
            let what = format!(
                "{} has no src/lib.rs: expected a crate with its root there",
                dir.display()
            );
            return Err(what.into());
        };
        let top = dir.canonicalize().map_err(|error| error.to_string())?;
        let src = lib.parent().unwrap_or(&top).to_owned();
        let shown = dir
            .join(src.strip_prefix(&top).unwrap_or(&src))
            .display()
            .to_string();
        let file = lib
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut driver = Self {
            name: String::new(),
            src,
            lib: file,
            shown,
            refused,
        };
        driver.root(&lib)?;
        Ok(driver)
    }

    /// Looks at what the crate's root needs to have.
    fn root(&mut self, lib: &Path) -> Result<(), Failure> {
        let shown = format!("{}/{}", self.shown, self.lib);
        let text = modules::source(lib).map_err(|error| format!("{shown}: {error}"))?;
        let parsed = syn::parse_file(&text).map_err(|error| {
            let line = error.span().start().line;
            Failure::Refused(vec![format!("{shown}:{line}: syntax: {error}")])
        })?;
        let Some(name) = parsed.items.iter().find_map(module_name) else {
            return Err(format!("{shown} has no module!: expected one, that says which type is loaded and the module's name").into());
        };
        let name = name.unwrap_or_default();
        let good = name.len() <= LONGEST
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
            && !["dma_fence", "dma_fence_helpers"].contains(&name.as_str());
        if !good {
            return Err(format!("{shown} has `name: {name:?}` in its module!: expected that of a crate, such as \"my_gpu\"").into());
        }
        self.name = name;
        let half = |item: &Item| matches!(item, Item::Mod(item) if item.ident == "dma_fence" && item.content.is_none());
        if !parsed.items.iter().any(half) {
            return Err(format!("{shown} has no `#[cfg(CONFIG_RUST)] mod dma_fence;`: expected it, since Linux has no such crate").into());
        }
        for meta in config::effective(&parsed.attrs) {
            if let Meta::List(list) = &meta {
                let strict = list.path.is_ident("forbid") || list.path.is_ident("deny");
                if strict && list.tokens.to_string().contains("unsafe_code") {
                    self.refused.push(format!("{shown}:{}: forbid: in Linux this holds for the safe half, too: expected cfg_attr(not(CONFIG_RUST), ...), and the line itself in the other files", syn::spanned::Spanned::span(&meta).start().line));
                }
            }
        }
        Ok(())
    }
}
