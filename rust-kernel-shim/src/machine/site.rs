// SPDX-License-Identifier: GPL-2.0-only
//! Where in the source something happens, when nobody has said so.

use super::std::{
    format,
    path::Path,
    string::String,
    sync::{Mutex, PoisonError},
    vec::Vec,
};
use core::panic::Location;

/// Prefixes of files that belong to the kernel itself, not to who uses it.
static CORE: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// The directory in which this workspace was built.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[cfg(feature = "debug")]
/// The directory of this crate's own files, as the compiler names them.
const HERE: &str = own_directory(file!(), "machine/site.rs");

/// A file's path without the end that it has below its crate's `src/`.
pub(crate) const fn own_directory(file: &'static str, end: &str) -> &'static str {
    match file.split_at_checked(file.len() - end.len()) {
        Some((directory, _)) => directory,
        None => panic!("a path is longer than its end"),
    }
}

/// From now on, files whose path begins so belong to the kernel.
pub(crate) fn add_core(directory: &'static str) {
    let mut core = CORE.lock().unwrap_or_else(PoisonError::into_inner);
    if !core.contains(&directory) {
        core.push(directory);
    }
}

#[cfg(feature = "debug")]
/// True for files that belong to the kernel, to the compiler, or to a library.
fn is_core(file: &str) -> bool {
    let core = CORE.lock().unwrap_or_else(PoisonError::into_inner);
    core.iter()
        .copied()
        .chain([
            HERE,
            "/rustc/",
            "/library/",
            "/.cargo/registry/",
            "/backtrace",
        ])
        .any(|directory| file.contains(directory))
}

fn shown(file: &str, line: u32) -> String {
    let root = Path::new(ROOT).parent().unwrap_or_else(|| Path::new(""));
    let file = Path::new(file);
    let file = file.strip_prefix(root).unwrap_or(file).display();
    format!("{file}:{line}")
}

/// A place that somebody has noted, as text.
pub(crate) fn noted(at: &Location<'_>) -> String {
    shown(at.file(), at.line())
}

/// The place at which the kernel was entered to get here: `at`, unless that is in the kernel; then
/// it is looked for on the stack.
#[cfg(feature = "debug")]
pub(crate) fn here(at: &Location<'_>) -> String {
    if !is_core(at.file()) {
        return noted(at);
    }
    let mut found = None;
    backtrace::trace(|frame| {
        backtrace::resolve_frame(frame, |symbol| {
            if let (None, Some(file), Some(line)) = (&found, symbol.filename(), symbol.lineno()) {
                let file = format!("{}", file.display());
                if !is_core(&file) {
                    found = Some(shown(&file, line));
                }
            }
        });
        found.is_none()
    });
    found.unwrap_or_else(|| noted(at))
}

/// Nobody asks in a production kernel.
#[cfg(not(feature = "debug"))]
pub(crate) fn here(at: &Location<'_>) -> String {
    noted(at)
}
