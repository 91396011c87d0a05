// SPDX-License-Identifier: GPL-2.0-only
//! The copy of the repository that the files are put into.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The directory of the packages that are made, in the copy.
const MADE: &str = "upstream";

/// A copy of the repository.
pub(crate) struct Tree {
    root: PathBuf,
    pub(crate) path: PathBuf,
}

/// What goes wrong with a file, and with which.
pub(crate) fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

impl Tree {
    /// Brings the copy up to date: what is the same is not written, so that nothing of it is built
    /// again.
    pub(crate) fn new(root: &Path, path: PathBuf, list: &Path) -> Result<Self, String> {
        let list = at(list, fs::read_to_string(list))?;
        let files: BTreeSet<_> = list.split('\0').filter(|file| !file.is_empty()).collect();
        let tree = Self {
            root: root.to_path_buf(),
            path,
        };
        for dir in ["rust-kernel-shim", "dma-fence", "drivers"] {
            tree.prune(&tree.path.join(dir), &files)?;
        }
        let made = tree.path.join(MADE);
        if made.exists() {
            at(&made, fs::remove_dir_all(&made))?;
        }
        for file in &files {
            tree.restore(file)?;
        }
        tree.write(&format!("{MADE}/bindings/Cargo.toml"), BINDINGS)?;
        tree.write(&format!("{MADE}/bindings/src/lib.rs"), BINDINGS_LIB)?;
        Ok(tree)
    }

    /// Removes what the repository does not have.
    fn prune(&self, dir: &Path, files: &BTreeSet<&str>) -> Result<(), String> {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&self.path).unwrap_or(&path);
            if path.is_dir() {
                self.prune(&path, files)?;
            } else if !files.contains(name.to_string_lossy().as_ref()) {
                at(&path, fs::remove_file(&path))?;
            }
        }
        Ok(())
    }

    /// Whether the repository has the file.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.root.join(file).is_file()
    }

    /// Makes a file what it is in the repository, which may be nothing.
    pub(crate) fn restore(&self, file: &str) -> Result<(), String> {
        let from = self.root.join(file);
        if !from.is_file() {
            let path = self.path.join(file);
            if path.exists() {
                at(&path, fs::remove_file(&path))?;
            }
            return Ok(());
        }
        let bytes = at(&from, fs::read(&from))?;
        if file == "Cargo.toml" {
            let text = String::from_utf8_lossy(&bytes);
            let members = format!("members = [\n    \"{MADE}/*\",");
            return self.write(file, text.replacen("members = [", &members, 1));
        }
        self.write(file, bytes)?;
        let mode = at(&from, fs::metadata(&from))?.permissions();
        let path = self.path.join(file);
        at(&path, fs::set_permissions(&path, mode))
    }

    /// Writes a file of the copy, unless it is the same already.
    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> Result<(), String> {
        let path = self.path.join(file);
        if fs::read(&path).is_ok_and(|old| old == bytes.as_ref()) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(&self.path);
        at(parent, fs::create_dir_all(parent))?;
        at(&path, fs::write(&path, bytes))
    }

    /// Makes a package: its manifest and its files.
    pub(crate) fn package(
        &self,
        name: &str,
        manifest: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<(), String> {
        let dir = format!("{MADE}/{name}");
        self.remove(name)?;
        let head = format!(
            "[package]\nname = \"upstream-{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n"
        );
        self.write(&format!("{dir}/Cargo.toml"), head + manifest)?;
        for (file, bytes) in files {
            self.write(&format!("{dir}/{file}"), bytes)?;
        }
        Ok(())
    }

    /// Removes a package.
    pub(crate) fn remove(&self, name: &str) -> Result<(), String> {
        let path = self.path.join(MADE).join(name);
        if path.exists() {
            at(&path, fs::remove_dir_all(&path))?;
        }
        Ok(())
    }
}

/// All of C under the one crate name that it has in the kernel: there bindgen makes a crate of it,
/// and dma-fence is in it.
const BINDINGS: &str = r#"[package]
name = "upstream-bindings"
version = "0.0.0"
edition = "2021"
[lib]
name = "bindings"
[dependencies]
c = { package = "kernel-c", path = "../../rust-kernel-shim/c" }
dma-fence = { path = "../../dma-fence" }
"#;
const BINDINGS_LIB: &str = "\
#![no_std]
pub use ::c::*;
pub use ::dma_fence::bindings::*;
// In front of what the globs have under the same names.
pub use ::dma_fence::helpers::{dma_fence_get, dma_fence_lock_irqsave, dma_fence_unlock_irqrestore};
";
