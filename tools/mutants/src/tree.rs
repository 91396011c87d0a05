// SPDX-License-Identifier: GPL-2.0-only
//! A copy of the repository in which every function can be left at once.

use crate::source::{self, Mutation};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// The crate that the rewritten functions ask.
const CRATE: &str = include_str!("../../../scripts/mutants.d/mutated.rs");

pub(crate) struct Tree {
    copy: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    /// All mutations, by number.
    pub(crate) mutations: Vec<Mutation>,
    /// Those that compile, as far as that is known.
    pub(crate) planted: BTreeSet<usize>,
    places: BTreeMap<String, Vec<(usize, Range<usize>)>>,
}

impl Tree {
    /// Reads the repository at `root`, to be rewritten in the directory `copy`.
    pub(crate) fn read(root: &Path, copy: PathBuf) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files).map_err(|error| format!("{}: {error}", root.display()))?;
        let mut mutations = Vec::new();
        for (path, bytes) in &files {
            if stratum(path).is_some() {
                let text =
                    std::str::from_utf8(bytes).map_err(|error| format!("{path}: {error}"))?;
                mutations.extend(source::mutations(path, text)?);
            }
        }
        let planted = (0..mutations.len()).collect();
        Ok(Self {
            copy,
            files,
            mutations,
            planted,
            places: BTreeMap::new(),
        })
    }

    /// Writes the copy, as far as it has changed.
    pub(crate) fn write(&mut self) -> Result<(), String> {
        let mut by_file: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for &id in &self.planted {
            by_file
                .entry(&self.mutations[id].file)
                .or_default()
                .push((id, &self.mutations[id]));
        }
        self.places.clear();
        let mut written = BTreeSet::new();
        let mut put = |path: &str, text: &[u8]| {
            let path = self.copy.join(path);
            written.insert(path.clone());
            if fs::read(&path).is_ok_and(|old| old == text) {
                return Ok(());
            }
            fs::create_dir_all(path.parent().expect("it is below the copy"))
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        for (path, bytes) in &self.files {
            let text = String::from_utf8_lossy(bytes);
            if let Some(mutations) = by_file.get(path.as_str()) {
                let (text, places) = source::rewrite(&text, mutations);
                self.places.insert(path.clone(), places);
                put(path, text.as_bytes())?;
            } else if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
                put(path, manifest(path, &text).as_bytes())?;
            } else {
                put(path, bytes)?;
            }
        }
        put("mutated/lib.rs", CRATE.as_bytes())?;
        put(
            "mutated/Cargo.toml",
            b"[package]\nname = \"mutated\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n",
        )?;
        // What the repository has no more must not be built, nor tested.
        let mut present = BTreeMap::new();
        collect(&self.copy, "", &mut present).map_err(|error| error.to_string())?;
        for path in present.keys().map(|path| self.copy.join(path)) {
            if !written.contains(&path)
                && path.extension().is_some_and(|extension| extension == "rs")
            {
                fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        Ok(())
    }

    /// The mutations that stand in these bytes of a file of the copy.
    pub(crate) fn at(&self, path: &str, bytes: Range<usize>) -> Vec<usize> {
        let places = self.places.get(path).map_or(&[][..], |places| places);
        let meets = |place: &Range<usize>| place.start < bytes.end && bytes.start < place.end;
        places
            .iter()
            .filter(|(_, place)| meets(place))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The directory, from the root, of the package that a file belongs to.
    pub(crate) fn package(&self, path: &str) -> String {
        let mut directory = path;
        while let Some((parent, _)) = directory.rsplit_once('/') {
            if self.files.contains_key(&format!("{parent}/Cargo.toml")) {
                return parent.to_string();
            }
            directory = parent;
        }
        String::new()
    }
}

/// What a file is counted with; `None` if nothing is changed in it.
pub(crate) fn stratum(path: &str) -> Option<&str> {
    // What runs in the compiler cannot be chosen when a test runs; nor can what chooses.
    const STRATA: &[(&str, Option<&str>)] = &[
        ("tools/mutants/", None),
        ("rust-kernel-shim/macros/", None),
        ("rust-kernel-shim/machine/", Some("machine")),
        ("rust-kernel-shim/c/", Some("c")),
        ("rust-kernel-shim/lockdep/judge/", None),
        ("rust-kernel-shim/lockdep/", Some("lockdep")),
        ("rust-kernel-shim/", Some("kernel")),
        ("dma-fence/src/bindings", Some("mirror")),
        ("dma-fence/src/contract", Some("contract")),
        ("dma-fence/src/", Some("safe")),
        ("dma-fence/scenario/", Some("scenario")),
        ("dma-fence/broken/", Some("drivers")),
    ];
    let of_tests = path
        .split('/')
        .any(|part| ["tests", "tests.rs"].contains(&part));
    if !path.ends_with(".rs") || of_tests || !path.split('/').any(|part| part == "src") {
        return None;
    }
    match STRATA.iter().find(|(prefix, _)| path.starts_with(prefix)) {
        Some((_, stratum)) => *stratum,
        None => path.split('/').next(),
    }
}

/// The manifest of a package, which then depends on the crate that is asked.
fn manifest(path: &str, text: &str) -> String {
    let mut text = text.to_string();
    if text.contains("[workspace]") {
        text += "\n[profile.dev.package.mutated]\nopt-level = 3\n";
    }
    if text.contains("[package]") {
        let up = "../".repeat(path.matches('/').count());
        text += &format!("\n[dependencies.mutated]\npath = \"{up}mutated\"\n");
    }
    text
}

/// The files below a directory, without hidden ones and what was built.
fn collect(root: &Path, path: &str, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let below = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &below, files)?;
        } else if kind.is_file() {
            files.insert(below, fs::read(entry.path())?);
        }
    }
    Ok(())
}
