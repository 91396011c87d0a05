// SPDX-License-Identifier: GPL-2.0-only
//! The files of a crate that Linux compiles: those which its root leads to there.

use crate::{
    config,
    rewrite::{self, Line},
    Failure, //
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io,
    path::{Component, Path, PathBuf}, //
};
use syn::{Item, ItemMod};

/// Which of the two is read: the safe half, of which nothing is rewritten; or the driver, with what
/// the safe half does not have in Linux.
pub(crate) enum Half<'a> {
    Safe,
    Driver(&'a BTreeSet<String>),
}

/// A file as it is to be written, and the lines that are not what they were.
pub(crate) struct File {
    pub(crate) text: Vec<u8>,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Modules<'a> {
    src: &'a Path,
    shown: &'a str,
    half: Half<'a>,
    /// By their paths below `src`.
    pub(crate) files: BTreeMap<PathBuf, File>,
    /// Those that stay, as Linux does not compile them.
    pub(crate) stays: Vec<PathBuf>,
    /// The modules of the root that Linux does not have.
    pub(crate) hidden: BTreeSet<String>,
    pub(crate) refused: Vec<String>,
}

/// The bytes of a file; of what is none, such as a pipe, nothing is awaited.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no regular file: expected one"));
    }
    fs::read(path)
}

pub(crate) fn source(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path)?).map_err(io::Error::other)
}

impl<'a> Modules<'a> {
    pub(crate) fn read(
        src: &'a Path,
        root: &str,
        shown: &'a str,
        half: Half<'a>,
    ) -> Result<Self, Failure> {
        let mut this = Self {
            src,
            shown,
            half,
            files: BTreeMap::new(),
            stays: Vec::new(),
            hidden: BTreeSet::new(),
            refused: Vec::new(),
        };
        this.file(Path::new(root), Path::new(""))?;
        this.others(Path::new(""))?;
        Ok(this)
    }

    /// Reads a file, and those that it leads to: the modules it declares are below `below`.
    fn file(&mut self, path: &Path, below: &Path) -> Result<(), Failure> {
        let shown = format!("{}/{}", self.shown, path.display());
        let text = source(&self.src.join(path)).map_err(|error| format!("{shown}: {error}"))?;
        let file = match syn::parse_file(&text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.span().start().line;
                self.refused
                    .push(format!("{shown}:{line}: syntax: {error}"));
                return Ok(());
            }
        };
        // Linux opens it, and finds nothing in there.
        let empty = config::hidden(&file.attrs);
        let (text, lines) = match &self.half {
            _ if empty => (text, Vec::new()),
            Half::Safe => (text, Vec::new()),
            Half::Driver(missing) => {
                let root = self.files.is_empty();
                let done = rewrite::rewrite(&text, &file, missing, root);
                self.refused
                    .extend(done.refused.iter().map(|line| format!("{shown}:{line}")));
                (done.text, done.lines)
            }
        };
        let text = text.into_bytes();
        self.files.insert(path.to_owned(), File { text, lines });
        if empty {
            return Ok(());
        }
        let directory = path.parent().unwrap_or(Path::new(""));
        self.items(&file.items, &shown, directory, below)
    }

    fn items(
        &mut self,
        items: &[Item],
        shown: &str,
        directory: &Path,
        below: &Path,
    ) -> Result<(), Failure> {
        for item in items {
            let Item::Mod(item) = item else { continue };
            let name = item.ident.to_string();
            let top = below == Path::new("");
            if config::hidden(&item.attrs) {
                if top {
                    self.hidden.insert(name);
                }
            } else if let Some((_, inner)) = &item.content {
                self.items(inner, shown, &below.join(&name), &below.join(&name))?;
            } else if !(top && name == "dma_fence" && matches!(self.half, Half::Driver(_))) {
                self.declared(item, shown, directory, below)?;
            }
        }
        Ok(())
    }

    /// Reads the file of `mod name;`.
    fn declared(
        &mut self,
        item: &ItemMod,
        shown: &str,
        directory: &Path,
        below: &Path,
    ) -> Result<(), Failure> {
        let name = item.ident.to_string().trim_start_matches("r#").to_owned();
        let line = item.ident.span().start().line;
        let (path, below) = match config::path(&item.attrs) {
            Some(path) => {
                let path = directory.join(path);
                let below = path.parent().unwrap_or(Path::new("")).to_owned();
                (path, below)
            }
            None => {
                let plain = below.join(format!("{name}.rs"));
                let plain = if self.src.join(&plain).exists() {
                    plain
                } else {
                    below.join(&name).join("mod.rs")
                };
                (plain, below.join(&name))
            }
        };
        if path
            .components()
            .any(|part| !matches!(part, Component::Normal(_)))
        {
            self.refused.push(format!("{shown}:{line}: outside: {} is not below {}: expected all files of the module there", path.display(), self.shown));
        } else if !self.src.join(&path).exists() {
            self.refused.push(format!(
                "{shown}:{line}: syntax: there is no file of the module `{name}`"
            ));
        } else if !self.files.contains_key(&path) {
            self.file(&path, &below)?;
        }
        Ok(())
    }

    /// Takes what is no source, and notes the sources to which nothing has led.
    fn others(&mut self, below: &Path) -> Result<(), Failure> {
        let shown = self.shown;
        let told = |path: &Path, error: io::Error| {
            Failure::Usage(format!("{shown}/{}: {error}", path.display()))
        };
        let mut entries = fs::read_dir(self.src.join(below))
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(|error| told(below, error))?;
        entries.sort();
        for name in entries {
            let path = below.join(&name);
            let full = self.src.join(&path);
            let source = path.extension().is_some_and(|end| end == "rs");
            if full.is_dir() {
                self.others(&path)?;
            } else if !source {
                let text = bytes(&full).map_err(|error| told(&path, error))?;
                let lines = Vec::new();
                self.files.insert(path, File { text, lines });
            } else if !self.files.contains_key(&path) {
                self.stays.push(path);
            }
        }
        Ok(())
    }
}
