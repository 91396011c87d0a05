// SPDX-License-Identifier: GPL-2.0-only
//! Places in the source, as reports name them.

#[cfg(feature = "debug")]
mod stack;
#[cfg(feature = "debug")]
mod symbol;

#[cfg(feature = "debug")]
pub use symbol::function;

use core::{
    cell::{Cell, RefCell},
    fmt,
    panic::Location,
};
#[cfg(feature = "debug")]
use std::collections::BTreeMap;
use std::{env, path::Path, sync::Mutex};

/// Directories whose files belong to the kernel itself, not to its users.
static CORE: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// The directory of this crate.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The directory of the crates around this one, as the compiler writes it.
#[cfg(feature = "debug")]
const SHIM: &str = own_directory(file!(), "machine/src/location.rs");

/// A file's path without the end that it has below its crate's `src/`.
pub const fn own_directory(file: &'static str, end: &str) -> &'static str {
    match file.split_at_checked(file.len() - end.len()) {
        Some((directory, _)) => directory,
        None => panic!("a path is longer than its end"),
    }
}

/// From now on, files below this directory belong to the kernel.
pub fn add_core(directory: &'static str) {
    let mut core = crate::lock(&CORE);
    if !core.contains(&directory) {
        core.push(directory);
    }
}

/// A path relative to the workspace, or else to the current directory, a test's crate.
fn relative(file: &str) -> &str {
    let below = |directory: &Path| {
        let rest = file.strip_prefix(directory.to_str()?)?;
        rest.strip_prefix('/')
    };
    let workspace = Path::new(ROOT).ancestors().nth(2).and_then(below);
    workspace
        .or_else(|| below(&env::current_dir().ok()?))
        .unwrap_or(file)
}

/// True for files that belong to the kernel, to the compiler, or to a library.
#[cfg(feature = "debug")]
fn is_core(file: &str) -> bool {
    let core = crate::lock(&CORE);
    let shim =
        ["c/", "lockdep/", "machine/", "pin-init/", "src/"].map(|own| format!("{SHIM}{own}"));
    let own = core.iter().copied().chain(shim.iter().map(String::as_str));
    let below = |directory: &str| {
        relative(file).starts_with(directory) || file.contains(&format!("/{directory}"))
    };
    own.map(relative).any(below) || is_foreign(file)
}

/// True for files that belong to the compiler, or to a library.
#[cfg(feature = "debug")]
fn is_foreign(file: &str) -> bool {
    ["/rustc/", "/lib/rustlib/src/", "/registry/src/"]
        .iter()
        .any(|library| file.contains(library))
        // The host's C libraries.
        || !file.ends_with(".rs")
}

fn shown(file: &str, line: u32) -> String {
    format!("{}:{line}", relative(file))
}

/// A location as text.
pub fn at(location: &Location<'_>) -> String {
    shown(location.file(), location.line())
}

/// Returns the call into the kernel: `location`, or the innermost frame outside of the kernel.
pub fn entry(location: &Location<'_>) -> String {
    enter(location).0
}

/// As [`entry`], or nothing if all frames are in the kernel.
#[cfg(feature = "debug")]
pub(super) fn driver_entry(location: &Location<'_>) -> String {
    let (entry, own) = (entry(location), at(location));
    if entry == own && is_core(location.file()) {
        return String::new();
    }
    entry
}

#[cfg(not(feature = "debug"))]
pub(super) use entry as driver_entry;

/// As [`entry`], and what of the kernel was called there.
pub fn called(location: &Location<'_>) -> String {
    match enter(location) {
        (at, Some(function)) => format!("{at}, in {function}()"),
        (at, None) => at,
    }
}

/// As [`called`], and where `location` is, if that is in the kernel.
pub fn culprit(location: &Location<'_>) -> String {
    let (own, called) = (at(location), called(location));
    if called.starts_with(&own) {
        called
    } else {
        format!("{called} ({own})")
    }
}

/// Where the kernel was called from, and which function of it, if that can be told.
#[cfg(feature = "debug")]
fn enter(location: &Location<'_>) -> (String, Option<String>) {
    let mut function = None;
    let mut found = None;
    trace(|frame| {
        backtrace::resolve_frame(frame, |symbol| {
            found = found.take().or_else(|| driver(symbol));
            if found.is_none() {
                function = own_function(symbol).or(function.take());
            }
        });
        found.is_none()
    });
    // What a warning is made of says nothing about it.
    let function = function.filter(|function| function != "__warn");
    let own = at(location);
    let in_core = is_core(location.file());
    match (found, asked()) {
        (Some(found), _) if in_core || found == own => (found, function),
        (None, Some(site)) if in_core => (site.to_string(), None),
        _ => (own, None),
    }
}

/// A production kernel does not look on the stack.
#[cfg(not(feature = "debug"))]
fn enter(location: &Location<'_>) -> (String, Option<String>) {
    (at(location), None)
}

crate::per_thread! {
    /// What this thread does was asked for elsewhere, maybe there; and beyond this address of its
    /// stack there is something else.
    static ASKED: Cell<Option<(usize, Option<Site>)>> = Cell::new(None);
}

/// Calls `f`, which was asked for at `site`, by a task that may be another: not by what called this.
#[inline(never)]
pub fn asked_at<R>(site: Option<Site>, f: impl FnOnce() -> R) -> R {
    let border = 0u8;
    let addr = core::ptr::from_ref(&border).addr();
    let before = ASKED.replace(Some((addr, site)));
    let result = f();
    ASKED.set(before);
    result
}

/// Where that which this thread does was asked for, if elsewhere.
#[cfg(feature = "debug")]
fn asked() -> Option<Site> {
    ASKED.get().and_then(|(_, site)| site)
}

/// Calls `f` with the frames of the stack, the innermost first, until it returns false.
#[cfg(feature = "debug")]
fn trace(mut f: impl FnMut(&backtrace::Frame) -> bool) {
    let border = ASKED.get().map(|(border, _)| border);
    backtrace::trace(|frame| {
        let inside = border.is_none_or(|border| frame.sp().addr() <= border);
        inside && f(frame)
    });
}

std::thread_local! {
    /// Where this thread has panicked last.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The thread panics at `location`; called where its stack is still as it was.
pub(super) fn panics(location: &Location<'_>) {
    let at = entry(location);
    // Where a thread ends there is no place to remember it, and what ends is asked for none.
    let _ = PANIC.try_with(|panic| panic.replace(at));
}

/// Where this thread has panicked last.
pub(super) fn last_panic() -> String {
    PANIC
        .try_with(|panic| panic.borrow().clone())
        .unwrap_or_default()
}

/// Where something has begun, to be said later, as [`entry`] would have said it.
pub struct Origin {
    at: &'static Location<'static>,
    /// If `at` is in the kernel: where that was called from, or else where it was asked for what it does
    /// by itself.
    #[cfg(feature = "debug")]
    driver: Option<&'static Site>,
}

impl Origin {
    /// Here, where `at` was called.
    pub fn new(at: &'static Location<'static>) -> Self {
        Self {
            at,
            #[cfg(feature = "debug")]
            driver: match is_core_location(at) {
                true => stack::driver_site().or_else(|| asked().map(keep)),
                false => None,
            },
        }
    }
}

/// Places of which a thread remembers whether they are in the kernel.
#[cfg(feature = "debug")]
const PLACES: usize = 64;

#[cfg(feature = "debug")]
crate::per_thread! {
    /// Those that were asked for last.
    static IN_CORE: [Cell<(usize, bool)>; PLACES] = [const { Cell::new((0, false)) }; PLACES];
}

/// True for places in the kernel, the compiler's crates and libraries.
#[cfg(feature = "debug")]
#[inline]
pub fn is_core_location(at: &'static Location<'static>) -> bool {
    let addr = core::ptr::from_ref(at).addr();
    let slot = addr.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & (PLACES - 1);
    IN_CORE.with(|places| match places[slot].get() {
        (known, is_core) if known == addr => is_core,
        _ => {
            let is_core = look_up(at);
            places[slot].set((addr, is_core));
            is_core
        }
    })
}

#[cfg(feature = "debug")]
#[cold]
fn look_up(at: &'static Location<'static>) -> bool {
    // Looking at the path is slow.
    static KNOWN: Mutex<BTreeMap<usize, bool>> = Mutex::new(BTreeMap::new());
    *crate::lock(&KNOWN)
        .entry(core::ptr::from_ref(at).addr())
        .or_insert_with(|| is_core(at.file()))
}

impl Origin {
    /// The place in a driver, if there is one.
    fn driver(&self) -> Option<String> {
        #[cfg(feature = "debug")]
        if is_core_location(self.at) {
            return self.driver.map(Site::to_string);
        }
        Some(at(self.at))
    }

    /// True if it is in a driver.
    pub fn is_driver(&self) -> bool {
        self.driver().is_some()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.driver().unwrap_or_else(|| at(self.at)))
    }
}

/// Where a frame is, unless that is in the kernel.
#[cfg(feature = "debug")]
fn driver(symbol: &backtrace::Symbol) -> Option<String> {
    let file = format!("{}", symbol.filename()?.display());
    (!is_core(&file)).then_some(shown(&file, symbol.lineno()?))
}

/// The name of a function of the kernel's own.
#[cfg(feature = "debug")]
fn own_function(symbol: &backtrace::Symbol) -> Option<String> {
    let file = format!("{}", symbol.filename()?.display());
    let name = format!("{:#}", symbol.name()?);
    (!is_foreign(&file)).then(|| symbol::short(&name))
}

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    file: &'static str,
    line: u32,
}

impl Site {
    /// True if both are the same, as most are that have a file at one address.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        let same_file = || core::ptr::eq(self.file, other.file) || self.file == other.file;
        self.line == other.line && same_file()
    }

    /// The file, as the compiler or the debug information has it.
    pub fn file(&self) -> &'static str {
        self.file
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.file, self.line))
    }
}

/// What [`entry`] would say now, for later. What is on the stack is looked up once.
pub fn site(at: &'static Location<'static>) -> Site {
    #[cfg(feature = "debug")]
    if is_core_location(at) {
        if let Some(site) = stack::driver_site().copied().or_else(asked) {
            return site;
        }
    }
    let (file, line) = (at.file(), at.line());
    Site { file, line }
}

/// Keeps a place forever, so that it is known by its address.
#[cfg(feature = "debug")]
pub fn keep(site: Site) -> &'static Site {
    // As many as there are places in the program.
    static KEPT: Mutex<BTreeMap<(usize, u32), &'static Site>> = Mutex::new(BTreeMap::new());
    let key = (site.file.as_ptr().addr(), site.line);
    let mut kept = crate::lock(&KEPT);
    kept.entry(key).or_insert_with(|| Box::leak(Box::new(site)))
}
