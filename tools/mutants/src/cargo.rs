// SPDX-License-Identifier: GPL-2.0-only
//! Builds the copy, without the mutations that do not compile.

use crate::tree::Tree;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A test binary.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) executable: PathBuf,
    /// The directory of its package, from the root of the copy.
    pub(crate) package: String,
    /// That, and the target's name.
    pub(crate) name: String,
}

/// Tests that run the compiler, which knows nothing of the mutations.
const COMPILE: &[&str] = &["compile_fail", "planted", "production", "refused"];

/// Builds until everything compiles; the mutations that are part of the build, and the tests.
pub(crate) fn build(
    tree: &mut Tree,
    copy: &Path,
    target: &Path,
) -> Result<(BTreeSet<usize>, Vec<Binary>), String> {
    let all = tree.planted.len();
    let mut steps = [
        &["check", "--workspace", "--all-targets", "--keep-going"][..],
        &["test", "--workspace", "--tests", "--no-run"],
    ]
    .into_iter();
    let mut step = steps.next().expect("there are two");
    loop {
        tree.write()?;
        let messages = cargo(copy, target, step)?;
        let (mut bad, mut present, mut strange) = (BTreeSet::new(), BTreeSet::new(), String::new());
        for message in messages
            .iter()
            .filter(|message| message["reason"] == "compiler-message")
        {
            let message = &message["message"];
            if message["code"]["code"] == "deprecated" {
                present.extend(places(tree, copy, message));
            } else if message["level"] == "error" {
                let found = places(tree, copy, message);
                if found.is_empty() {
                    strange += message["rendered"].as_str().unwrap_or("");
                }
                bad.extend(found);
            }
        }
        if !bad.is_empty() {
            tree.planted.retain(|id| !bad.contains(id));
            eprintln!("{} do not compile", all - tree.planted.len());
            continue;
        }
        let finished = messages
            .iter()
            .any(|message| message["reason"] == "build-finished" && message["success"] == true);
        if !finished {
            return Err(format!("the copy does not build\n{strange}"));
        }
        match steps.next() {
            Some(next) => step = next,
            None => return Ok((present, binaries(&messages, copy))),
        }
    }
}

/// Runs cargo; what it says, a message a line.
fn cargo(copy: &Path, target: &Path, arguments: &[&str]) -> Result<Vec<Value>, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .args(["--quiet", "--message-format=json", "--target-dir"])
        .arg(target)
        .current_dir(copy)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env_remove("RUSTFLAGS")
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<_> = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if messages.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(messages)
}

/// The mutations that a message is about: where it points to, else where the macro stands that it
/// comes from.
fn places(tree: &Tree, copy: &Path, message: &Value) -> Vec<usize> {
    let mut spans = Vec::new();
    all_spans(message, &mut spans);
    let (primary, rest): (Vec<_>, Vec<_>) = spans
        .into_iter()
        .partition(|span| span["is_primary"] == true);
    let look = |spans: &[&Value]| -> Vec<usize> {
        let at = |span: &&Value| {
            let path = span["file_name"].as_str()?;
            let path = Path::new(path)
                .strip_prefix(copy)
                .map_or(path, |path| path.to_str().unwrap_or(""));
            let byte = |name: &str| span[name].as_u64().map(|byte| byte as usize);
            Some(tree.at(path, byte("byte_start")?..byte("byte_end")?))
        };
        spans.iter().filter_map(at).flatten().collect()
    };
    let found = look(&primary);
    if found.is_empty() {
        look(&rest)
    } else {
        found
    }
}

/// The spans of a message and of what it adds, and of the macros that they come from.
fn all_spans<'a>(message: &'a Value, out: &mut Vec<&'a Value>) {
    for span in message["spans"].as_array().into_iter().flatten() {
        let mut span = span;
        while span.is_object() {
            out.push(span);
            out.push(&span["expansion"]["def_site_span"]);
            span = &span["expansion"]["span"];
        }
    }
    for child in message["children"].as_array().into_iter().flatten() {
        all_spans(child, out);
    }
}

fn binaries(messages: &[Value], copy: &Path) -> Vec<Binary> {
    let binary = |message: &Value| {
        let name = message["target"]["name"].as_str()?;
        let executable = message["executable"].as_str()?;
        let kind = message["target"]["kind"][0].as_str()?;
        if message["profile"]["test"] != true || kind == "proc-macro" || COMPILE.contains(&name) {
            return None;
        }
        let package = Path::new(message["manifest_path"].as_str()?).parent()?;
        let package = package.strip_prefix(copy).ok()?.to_str()?.to_string();
        let name = if kind == "test" {
            format!("{package}/tests/{name}")
        } else {
            format!("{package}/src")
        };
        Some(Binary {
            executable: executable.into(),
            package,
            name,
        })
    };
    messages.iter().filter_map(binary).collect()
}
