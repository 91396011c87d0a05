// SPDX-License-Identifier: GPL-2.0-only
//! The directory that is written.

use crate::{
    driver::Driver,
    modules::{File, Modules},
    Failure, //
};
use std::{
    fs,
    path::{Path, PathBuf}, //
};

/// What was written, a line for each file with where it came from; also the mark of a directory that
/// was made here.
const LIST: &str = "SOURCES";
const HELPERS: &str = "dma_fence_helpers.c";

/// A path without links, of what need not be there yet.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|there| {
        let rest = path.strip_prefix(there).ok()?;
        let plain = rest.iter().all(|part| part != "..");
        Some(there.canonicalize().ok().filter(|_| plain)?.join(rest))
    })
}

/// Looks whether a module of the crate in `dir`, whose root is in `src`, may stand there.
pub(crate) fn check(out: &Path, dir: &Path, src: &Path, force: bool) -> Result<(), Failure> {
    let shown = out.display();
    let Some(place) = real(out) else {
        return Err(format!("{shown} has `..` behind what is not there: expected none").into());
    };
    let holds = |path: &Path| real(path).is_some_and(|path| path.starts_with(&place));
    if holds(dir) || holds(src) || real(src).is_some_and(|src| place.starts_with(src)) {
        return Err(
            format!("{shown} has the crate, or is in its sources: expected another --out").into(),
        );
    }
    match fs::read_dir(out).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            if !force {
                Err(format!("{shown} is not empty: expected a new directory, or --force").into())
            } else if !out.join(LIST).is_file() {
                Err(format!("{shown} was not made by port, --force or not: expected a directory with {LIST}").into())
            } else {
                Ok(())
            }
        }
        Err(_) if out.exists() || out.is_symlink() => {
            Err(format!("{shown} is no directory").into())
        }
        _ => Ok(()),
    }
}

fn kbuild(name: &str) -> String {
    format!(
        "\
# SPDX-License-Identifier: GPL-2.0-only
#
# Written by scripts/port. In this directory, with the headers of a kernel that has Rust:
#
#   make -C /lib/modules/$(uname -r)/build M=$PWD modules
obj-m += {name}.o
# The root is not called like the module: of several objects none may be.
{name}-y := {name}_main.o dma_fence_helpers.o
# As for the helpers of the kernel itself.
CFLAGS_dma_fence_helpers.o := -Wno-missing-prototypes -Wno-missing-declarations
# A driver need not use all of dma-fence, which is a private module here.
RUSTFLAGS_{name}_main.o := -A dead_code -A unused_imports -A unreachable_pub
"
    )
}

fn readme(name: &str, rewritten: &str) -> String {
    let rewritten = if rewritten.is_empty() {
        "  nothing\n"
    } else {
        rewritten
    };
    format!(
        "\
{name}: a module of Linux, written by scripts/port. Change the crate, not this.

  make -C /lib/modules/$(uname -r)/build M=$PWD modules
  insmod {name}.ko
  rmmod {name}

The first line builds it, in this directory; as root, the others load and unload it, and dmesg has what
it prints.

The kernel has to be configured with CONFIG_RUST, its headers to have the metadata of its Rust crates
(rust/libkernel.rmeta), and rustc to be that which the kernel was built with: Documentation/porting.rst
says how to get there, step by step.

{name}_main.rs and what is not named below is the driver; dma_fence/ is the safe half of dma-fence, and
{HELPERS} what is inline in C. {LIST} has where each file comes from. Rewritten was:

{rewritten}"
    )
}

/// One file of the output: its name, where it comes from, and its bytes.
type Output<'a> = (PathBuf, String, &'a [u8]);

fn outputs<'a>(
    driver: &Driver,
    own: &'a Modules<'_>,
    half: &'a Modules<'_>,
) -> Result<Vec<Output<'a>>, Failure> {
    let mut all: Vec<Output<'_>> = Vec::new();
    let root = PathBuf::from(format!("{}_main.rs", driver.name));
    for (path, File { text, .. }) in &own.files {
        let to = if *path == Path::new(&driver.lib) {
            root.clone()
        } else {
            path.clone()
        };
        let taken = to.starts_with("dma_fence")
            || [
                "dma_fence.rs",
                HELPERS,
                "Kbuild",
                "Makefile",
                "README",
                LIST,
            ]
            .contains(&to.to_string_lossy().as_ref())
            || (to == root && *path == root);
        if taken {
            return Err(format!(
                "{}/{}: the module has another file of this name: expected another",
                driver.shown,
                path.display()
            )
            .into());
        }
        all.push((to, format!("{}/{}", driver.shown, path.display()), text));
    }
    for (path, File { text, .. }) in &half.files {
        let to = if *path == Path::new("lib.rs") {
            Path::new("mod.rs")
        } else {
            path
        };
        all.push((
            Path::new("dma_fence").join(to),
            format!("dma-fence/src/{}", path.display()),
            text,
        ));
    }
    Ok(all)
}

pub(crate) fn write(
    out: &Path,
    root: &Path,
    driver: &Driver,
    own: &Modules<'_>,
    half: &Modules<'_>,
) -> Result<(), Failure> {
    let name = &driver.name;
    let mut all = outputs(driver, own, half)?;
    let mut rewritten = String::new();
    let mut count = 0;
    for (path, file) in &own.files {
        for line in &file.lines {
            count += 1;
            rewritten += &format!(
                "  {}/{}:{}: {} -> {}\n",
                driver.shown,
                path.display(),
                line.number,
                line.before,
                line.after
            );
        }
    }
    let helpers = root.join("dma-fence/linux/helpers.c");
    let helpers = fs::read(&helpers).map_err(|error| format!("{}: {error}", helpers.display()))?;
    all.push((HELPERS.into(), "dma-fence/linux/helpers.c".into(), &helpers));
    let list: String = all
        .iter()
        .map(|(to, from, _)| format!("{}\t{from}\n", to.display()))
        .collect();
    let (kbuild, readme) = (kbuild(name), readme(name, &rewritten));
    for (to, text) in [("Kbuild", &kbuild), ("README", &readme), (LIST, &list)] {
        all.push((to.into(), String::new(), text.as_bytes()));
    }
    // What was written before, and is not any more; products of make stay.
    for old in fs::read_to_string(out.join(LIST))
        .unwrap_or_default()
        .lines()
    {
        let old = Path::new(old.split('\t').next().unwrap_or_default());
        if !all.iter().any(|(to, ..)| to == old)
            && old.is_relative()
            && !old.iter().any(|part| part == "..")
        {
            let _ = fs::remove_file(out.join(old));
        }
    }
    for (to, _, text) in &all {
        let to = out.join(to);
        let told = |error: std::io::Error| format!("{}: {error}", to.display());
        fs::create_dir_all(to.parent().unwrap_or(out)).map_err(told)?;
        fs::write(&to, text).map_err(told)?;
    }
    print!("{rewritten}");
    for path in &own.stays {
        println!(
            "  {}/{}: stays, no module of the driver in Linux has it",
            driver.shown,
            path.display()
        );
    }
    let (own, half) = (own.files.len(), half.files.len());
    let odd = |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"._/+@,=~-".contains(*c);
    let whole = std::path::absolute(out).unwrap_or_default();
    if let Some(odd) = whole.to_string_lossy().chars().find(odd) {
        println!(
            "{name}: make takes no path with {odd:?} in it: move {} before it is built",
            whole.display()
        );
    }
    println!(
        "{name}: {own} files of the driver, {half} of the safe half; lines rewritten: {count}"
    );
    Ok(())
}
