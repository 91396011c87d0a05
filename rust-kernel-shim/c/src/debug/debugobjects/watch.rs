// SPDX-License-Identifier: GPL-2.0-only
//! Who is told what happens to a machine, its memory and its modules.

use super::Freeing;
use core::{
    ffi::CStr,
    fmt, ptr,
    sync::atomic::{
        AtomicPtr,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use machine::{
    blocked::{self, Owner},
    report_log::Text,
};

/// Functions that are called when something happens to a machine.
#[allow(missing_debug_implementations)]
pub struct debug_watch {
    /// Virtual time has advanced. Called in the machine, with no lock held.
    pub time_passed: fn(),
    /// Memory is about to be freed. Called in any context, with no lock held.
    pub freeing: fn(freeing: &Freeing),
    /// The text of a module is about to go, or its device has gone. Called in process context, in
    /// the former case after a grace period.
    pub module_gone: fn(module: &ModuleText),
    /// The machine is about to end: all its tasks have, or are blocked forever.
    pub ended: fn(blocked: usize),
    /// All tasks of the machine have ended, and all callbacks of RCU were called. Called in it.
    pub left: fn(),
    /// Adds what is known of a block to what is said of it: its address and size.
    pub describe: fn(addr: usize, size: usize, text: &mut Text),
    /// Writes whose lock is at an address, after a space, if that is known.
    pub owner: Owner,
}

/// Kinds of objects that can be watched over.
const WATCHES: usize = 4;

/// Those that were registered, before the first null.
static WATCHING: [AtomicPtr<debug_watch>; WATCHES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; WATCHES];

/// Registers `watch`, unless it is already. From any context.
pub fn debug_watch_register(watch: &'static debug_watch) {
    if watching().any(|known| ptr::eq(known, watch)) {
        return;
    }
    let watch = ptr::from_ref(watch).cast_mut();
    for slot in &WATCHING {
        // Pairs with the `Acquire` in `watching()`.
        match slot.compare_exchange(ptr::null_mut(), watch, Release, Relaxed) {
            Ok(_) => return blocked::ask_for_owners(owner),
            Err(known) if known == watch => return,
            Err(_) => {}
        }
    }
}

fn owner(addr: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    watching().try_for_each(|watch| (watch.owner)(addr, out))
}

pub(super) fn watching() -> impl Iterator<Item = &'static debug_watch> {
    // Pairs with the `Release` in `debug_watch_register()`.
    let all = WATCHING.iter().map(|slot| slot.load(Acquire));
    // SAFETY: Null, or one that was registered, which is static.
    all.map_while(|watch| unsafe { watch.as_ref() })
}

/// A module that is being unloaded, or whose device has gone.
#[derive(Clone, Copy, Debug)]
pub struct ModuleText {
    /// Its name.
    pub name: &'static CStr,
    /// The file in which it was declared.
    pub file: &'static str,
    /// The directory of its crate.
    pub directory: &'static str,
    /// A stamp of RCU's from when it was loaded.
    pub loaded: u64,
    /// Its text stays.
    pub stays: bool,
}

impl ModuleText {
    /// True if code of that file belongs to the module: it is that in which the module was
    /// declared, or below it, as Rust has files below others.
    pub fn has(&self, file: &str) -> bool {
        let file = self.relative(file);
        if file == self.file {
            return true;
        }
        let Some((directory, name)) = self.file.rsplit_once('/') else {
            return false;
        };
        let below = match name {
            "lib.rs" | "main.rs" | "mod.rs" => directory,
            _ => self.file.strip_suffix(".rs").unwrap_or(self.file),
        };
        file.strip_prefix(below)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// A file as the compiler writes it, which has the path from where it was called: somewhere above
    /// the directory of the crate. Debug information has whole paths.
    fn relative<'a>(&self, file: &'a str) -> &'a str {
        let above = self.directory.match_indices('/');
        let mut above = above.map(|(at, _)| self.directory.split_at(at));
        let root = above.find(|(_, way)| {
            let rest = self.file.strip_prefix(&way[1..]);
            rest.is_some_and(|rest| rest.starts_with('/'))
        });
        let root = root.map_or(self.directory, |(root, _)| root);
        match file.strip_prefix(root) {
            Some(rest) if !self.file.starts_with('/') => rest.trim_start_matches('/'),
            _ => file,
        }
    }
}

/// The text of a module is about to be freed, or its device has gone.
#[track_caller]
pub fn debug_module_gone(module: &ModuleText) {
    for watch in watching() {
        (watch.module_gone)(module);
    }
}

/// Adds what the kinds of objects know of a block.
pub(in crate::debug) fn describe(addr: usize, size: usize, text: &mut Text) {
    for watch in watching() {
        (watch.describe)(addr, size, text);
    }
}

/// Virtual time has advanced.
pub(crate) fn debug_time_passed() {
    for watch in watching() {
        (watch.time_passed)();
    }
}

/// All tasks of the machine have ended.
pub(crate) fn debug_machine_left() {
    for watch in watching() {
        (watch.left)();
    }
}

/// The machine is about to end.
pub(crate) fn debug_machine_ended(blocked: usize) {
    for watch in watching() {
        (watch.ended)(blocked);
    }
}
