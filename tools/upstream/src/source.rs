// SPDX-License-Identifier: GPL-2.0-only
//! A file of the kernel's, with those that are modules in it.

use crate::tree::at;
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is in a file.
pub(crate) struct Text {
    /// The path from the directory of the source.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether it is a module that others see.
    public: bool,
}

/// A module of the kernel's.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// In the kernel crate: the names of its module, as `["sync", "rcu"]`.
    pub(crate) module: Option<Vec<String>>,
    /// Itself, then the modules in it.
    pub(crate) files: Vec<Text>,
    /// Of the file as it was found.
    pub(crate) sha256: String,
    /// Of the patch that was applied to it.
    pub(crate) hunks: usize,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let path = at(path, path.canonicalize())?;
        let text = at(&path, fs::read_to_string(&path))?;
        let hash = Sha256::digest(text.as_bytes());
        let mut name = name(&path);
        if let ("mod.rs", Some(dir)) = (name.as_str(), path.parent()) {
            name = format!("{}/{name}", self::name(dir));
        }
        let files = with_children(&path, name, text)?;
        Ok(Self {
            module: module(&path),
            files,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            hunks: 0,
            path,
        })
    }

    /// Its own name, without `.rs`.
    pub(crate) fn stem(&self) -> String {
        name(&self.path).trim_end_matches(".rs").to_owned()
    }

    /// The name that it has in the table.
    pub(crate) fn label(&self) -> String {
        label(&self.path)
    }

    /// The files that go with it where there are others of the same names: a module that others
    /// see stands for itself.
    pub(crate) fn own<'a>(
        &'a self,
        has: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Text> {
        self.files
            .iter()
            .filter(move |file| !file.public || !has(&file.name))
    }

    /// The directory of its module in the kernel crate, with a slash behind it.
    pub(crate) fn dir(&self) -> String {
        let module = self.module.as_deref().unwrap_or(&[]);
        let dirs = &module[..module.len().saturating_sub(1)];
        dirs.iter().map(|dir| format!("{dir}/")).collect()
    }

    /// Which of its files one of the copy is: in the place of ours, beside it, or of a driver.
    fn at(&self, file: &str) -> Option<&Text> {
        let roots: &[_] = match self.module {
            Some(_) => &["rust-kernel-shim/src/", "upstream/kernel/src/"],
            None => &["upstream/driver/src/"],
        };
        let file = roots.iter().find_map(|root| file.strip_prefix(root))?;
        if self.module.is_none() && file == "lib.rs" && self.is_root() {
            return self.files.first();
        }
        let file = file.strip_prefix(&self.dir())?;
        self.files.iter().find(|own| own.name == file)
    }

    /// Whether a file of the copy is one of its.
    pub(crate) fn is_at(&self, file: &str) -> bool {
        self.at(file).is_some()
    }

    /// The file that was given as one of the copy, by the name that the table has for such.
    pub(crate) fn given(&self, file: &str) -> Option<String> {
        let depth = Path::new(&self.files[0].name).components().count();
        let dir = self.path.ancestors().nth(depth)?;
        Some(label(&dir.join(&self.at(file)?.name)))
    }

    /// Whether it has tests.
    pub(crate) fn has_tests(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.text.contains("#[test]"))
    }

    pub(crate) fn text(&self) -> &str {
        &self.files[0].text
    }

    /// Whether there is nothing in it but comments that are no documentation.
    pub(crate) fn is_blank(&self) -> bool {
        let mut lines = self.text().lines().map(str::trim);
        lines.all(|line| {
            let doc = line.starts_with("///") || line.starts_with("//!");
            line.is_empty() || line.starts_with("//") && !doc
        })
    }

    /// Whether it is the root of a module of Linux.
    pub(crate) fn is_root(&self) -> bool {
        is_root(self.text())
    }

    /// Applies the part of a patch that is for this file, if there is one; counts its hunks.
    pub(crate) fn patch(&mut self, patch: &Path, scratch: &Path) -> Result<bool, String> {
        let text = at(patch, fs::read_to_string(patch))?;
        let label = self.label();
        let mut wanted = String::new();
        let mut ours = false;
        for line in text.lines() {
            if let Some(file) = line.strip_prefix("+++ ") {
                let file = file.split('\t').next().unwrap_or(file);
                let file = file.strip_prefix("b/").unwrap_or(file);
                ours = label.ends_with(file) || self.path.ends_with(file);
            } else if line.starts_with("--- ") || line.starts_with("diff ") {
                ours = false;
            } else if ours {
                self.hunks += usize::from(line.starts_with("@@ "));
                wanted += line;
                wanted += "\n";
            }
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        let (file, diff) = (scratch.join("patched.rs"), scratch.join("patch.diff"));
        at(&file, fs::write(&file, self.text()))?;
        let head = "--- patched.rs\n+++ patched.rs\n";
        at(&diff, fs::write(&diff, format!("{head}{wanted}")))?;
        let output = Command::new("patch")
            .args(["--quiet", "--no-backup-if-mismatch", "--reject-file=-"])
            .arg(&file)
            .arg(&diff)
            .output()
            .map_err(|error| format!("patch: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            return Err(format!("{} does not fit {label}: {said}", patch.display()));
        }
        let text = at(&file, fs::read_to_string(&file))?;
        self.files = with_children(&self.path, self.files[0].name.clone(), text)?;
        Ok(true)
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn label(path: &Path) -> String {
    let text = path.to_string_lossy();
    let parts = ["/rust/", "/drivers/", "/samples/"];
    let starts = parts.iter().filter_map(|part| text.rfind(part));
    starts
        .min()
        .map_or(name(path), |start| text[start + 1..].to_owned())
}

/// The module that a file of the kernel crate is.
fn module(path: &Path) -> Option<Vec<String>> {
    let text = path.to_string_lossy();
    let (_, rest) = text.rsplit_once("/rust/kernel/")?;
    let rest = rest.strip_suffix(".rs")?;
    let rest = rest.strip_suffix("/mod").unwrap_or(rest);
    Some(rest.split('/').map(str::to_owned).collect())
}

fn is_root(text: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("module! {") || line.starts_with("kernel::module_"))
}

/// The names of the modules that have files of their own, and whether others see them.
fn modules_of(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().filter_map(|line| {
        let (before, rest) = line.trim_start().split_once("mod ")?;
        let before = before.trim_end();
        let name = rest.strip_suffix(';')?;
        (before.is_empty() || before.starts_with("pub")).then_some((name, before == "pub"))
    })
}

/// The file at `path`, whose name from its source's directory is `name`, with the modules in it.
fn with_children(path: &Path, name: String, text: String) -> Result<Vec<Text>, String> {
    let depth = Path::new(&name).components().count();
    let dir = path.ancestors().nth(depth).unwrap_or(Path::new("/"));
    let (root, public) = (is_root(&text), false);
    let mut files = Vec::new();
    children(dir, root, Text { name, text, public }, &mut files)?;
    Ok(files)
}

/// Adds a file, and those of the modules in it that are there: beside the `root` of a crate, in a
/// directory of its name for all others.
fn children(dir: &Path, root: bool, file: Text, out: &mut Vec<Text>) -> Result<(), String> {
    let below = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
    let below = format!("{below}/");
    let below = if root { "" } else { &below };
    let mut found = Vec::new();
    for (module, public) in modules_of(&file.text) {
        let name = format!("{below}{module}.rs");
        let path = dir.join(&name);
        if path.is_file() {
            let text = at(&path, fs::read_to_string(&path))?;
            let public = public || file.public;
            found.push(Text { name, text, public });
        }
    }
    out.push(file);
    for file in found {
        children(dir, false, file, out)?;
    }
    Ok(())
}
