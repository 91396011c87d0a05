// SPDX-License-Identifier: GPL-2.0-only
//! The files and directories that were given, as what is compiled at once.

use crate::{source::Source, tree::at, Arguments};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What is compiled at once. Each has a source, with something in it, and none is there twice.
pub(crate) fn units(arguments: &Arguments) -> Result<Vec<Vec<Source>>, String> {
    let mut units = Vec::new();
    for path in &arguments.files {
        units.extend(units_of(&at(path, path.canonicalize())?)?);
    }
    if arguments.together {
        units = vec![units.into_iter().flatten().collect()];
        let mut seen = BTreeSet::new();
        units[0].retain(|source: &Source| seen.insert(source.path.clone()));
    }
    let mut seen = BTreeSet::new();
    units.retain(|unit| {
        let paths: Vec<_> = unit.iter().map(|source| source.path.clone()).collect();
        seen.insert(paths)
    });
    for patch in &arguments.patch {
        let mut fits = false;
        for source in units.iter_mut().flatten() {
            fits |= source.patch(patch, &arguments.work)?;
        }
        if !fits {
            return Err(format!("{} is for none of the files", patch.display()));
        }
    }
    Ok(units)
}

fn units_of(path: &Path) -> Result<Vec<Vec<Source>>, String> {
    let refuse = |why: &str| Err(format!("{}: {why}", path.display()));
    let read = |paths: &[PathBuf]| -> Result<Vec<_>, _> {
        let sources = paths.iter().map(|file| Source::read(file));
        sources.collect()
    };
    let single = |source| vec![source];
    if !path.is_dir() {
        if !is_rust(path) {
            return refuse("it is no Rust file");
        }
        let sources = read(&[path.to_owned()])?;
        if sources[0].is_blank() {
            return refuse("there is nothing in it");
        }
        return Ok(vec![sources]);
    }
    let below = path.join("x.rs");
    let kernel = below.to_string_lossy().contains("/rust/kernel/");
    let sources = read(&files(path, kernel)?)?;
    if sources.is_empty() {
        return refuse("there is no Rust file in it");
    }
    if sources.iter().all(Source::is_blank) {
        return refuse("there is nothing in its files");
    }
    Ok(if kernel {
        sources.into_iter().map(single).collect()
    } else if sources.iter().any(Source::is_root) {
        // It names its modules itself.
        let roots = sources.into_iter().filter(Source::is_root);
        roots.map(single).collect()
    } else {
        vec![sources]
    })
}

fn is_rust(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "rs")
}

/// The Rust files of a directory, or of all below it as well.
fn files(dir: &Path, deep: bool) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in at(dir, fs::read_dir(dir))?.flatten() {
        let path = entry.path();
        if path.is_dir() && deep {
            found.extend(files(&path, true)?);
        } else if is_rust(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
