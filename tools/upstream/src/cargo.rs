// SPDX-License-Identifier: GPL-2.0-only
//! What cargo says.

use crate::source::Source;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// An error of the compiler's.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    /// Where, from the root of the copy; empty if nowhere.
    pub(crate) file: String,
    pub(crate) line: usize,
    code: String,
    message: String,
}

impl Mistake {
    /// The feature of the language that it wants, of a compiler that is not stable.
    pub(crate) fn nightly(&self) -> Option<String> {
        // The name of the feature stands between backticks, and types may as well.
        let quoted = |text: &str| {
            let name = |part: &&str| {
                part.bytes()
                    .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
            };
            Some(
                text.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter(name)
                    .last()?
                    .to_owned(),
            )
        };
        match self.code.as_str() {
            "E0658" | "E0554" => Some(quoted(&self.message).unwrap_or(self.message.clone())),
            // A coercion of a pointer type of the kernel's to one of a trait object.
            "E0308" | "E0605" if self.message.contains("dyn ") => {
                Some("derive_coerce_pointee".to_owned())
            }
            "E0307" | "E0801" => Some("arbitrary_self_types".to_owned()),
            _ => None,
        }
    }

    /// In a line, at most, with the file that was given, if it is in one of these.
    pub(crate) fn say(&self, sources: &[Source]) -> String {
        let given = sources.iter().find_map(|source| source.given(&self.file));
        self.say_at(given.as_ref().unwrap_or(&self.file), self.line)
    }

    /// In a line, at most, with its place.
    pub(crate) fn say_at(&self, file: &str, line: usize) -> String {
        let message = self.message.lines().next().unwrap_or("");
        format!("{file}:{line}: {message}")
    }
}

/// What came of a build.
pub(crate) struct Build {
    pub(crate) mistakes: Vec<Mistake>,
    /// The program of each test target, by its name.
    pub(crate) programs: Vec<(String, PathBuf)>,
}

/// The options of the kernel's configuration that files ask for: what this machine has, and all tests.
const CONFIG: [&str; 16] = [
    "CONFIG_KUNIT",
    "CONFIG_KUNIT=\"y\"",
    "CONFIG_64BIT",
    "CONFIG_ARCH_SUPPORTS_ATOMIC_RMW",
    "CONFIG_BUG",
    "CONFIG_HAS_IOMEM",
    "CONFIG_PCI",
    "CONFIG_SMP",
    "CONFIG_TRACEPOINTS",
    "CONFIG_UML",
    "CONFIG_RUST_ALLOCATOR_KUNIT_TEST",
    "CONFIG_RUST_ATOMICS_KUNIT_TEST",
    "CONFIG_RUST_BITFIELD_KUNIT_TEST",
    "CONFIG_RUST_BITMAP_KUNIT_TEST",
    "CONFIG_RUST_KVEC_KUNIT_TEST",
    "CONFIG_RUST_STR_KUNIT_TEST",
];

/// What the kernel itself asks of the compiler beyond what is stable; with these, ours does so too.
const UNSTABLE: &str =
    "--cfg unstable -Zcrate-attr=feature(arbitrary_self_types,derive_coerce_pointee)";

/// What the compiler takes: stable Rust, or the features that the kernel itself turns on as well. It
/// is the same compiler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    Stable,
    Unstable,
}

/// Runs cargo in the copy; what it builds goes below `target`.
pub(crate) fn cargo(
    tree: &Path,
    target: &Path,
    language: Language,
    arguments: &[&str],
) -> Result<Build, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut flags = CONFIG.map(|option| format!("--cfg {option}")).join(" ");
    let dir = match language {
        Language::Stable => "target",
        Language::Unstable => {
            command.env("RUSTC_BOOTSTRAP", "1");
            flags = format!("{flags} {UNSTABLE}");
            "unstable"
        }
    };
    let output = command
        .args(arguments)
        .args(["--quiet", "--message-format=json", "--target-dir"])
        .arg(target.join(dir))
        .current_dir(tree)
        .env("RUSTFLAGS", flags)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mistakes: Vec<_> = messages
        .iter()
        .filter(|message| {
            message["reason"] == "compiler-message" && message["message"]["level"] == "error"
        })
        .filter_map(|message| mistake(&message["message"]))
        .collect();
    if mistakes.is_empty() && !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let programs = messages
        .iter()
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect();
    Ok(Build { mistakes, programs })
}

fn mistake(message: &Value) -> Option<Mistake> {
    let text = message["message"].as_str()?;
    if text.starts_with("aborting due to") {
        return None;
    }
    let mut spans = message["spans"].as_array().into_iter().flatten();
    let mut span = spans
        .find(|span| span["is_primary"] == true)
        .unwrap_or(&Value::Null);
    // Of a macro, the place that calls it.
    while span["expansion"]["span"].is_object() {
        span = &span["expansion"]["span"];
    }
    let mut text = text.to_owned();
    if let Some(label) = message["spans"][0]["label"].as_str() {
        text += ": ";
        text += label;
    }
    Some(Mistake {
        file: span["file_name"].as_str().unwrap_or("").to_owned(),
        line: span["line_start"]
            .as_u64()
            .map_or(0, |line| usize::try_from(line).unwrap_or(0)),
        code: message["code"]["code"].as_str().unwrap_or("").to_owned(),
        message: text,
    })
}
