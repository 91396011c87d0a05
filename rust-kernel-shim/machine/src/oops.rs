// SPDX-License-Identifier: GPL-2.0-only
//! The last words of a process that dies: the task, its context, and the calls that it made last.
//!
//! A driver's stale pointer ends the process, as it would a kernel. The handler of the signal runs
//! on the thread's other stack, if it has one, uses no memory but its own, no lock, and nothing of
//! the host but write(2). After that the signal does what it would have done.

use super::{cpu, task};
use core::{
    cell::Cell,
    ffi::c_int,
    fmt::{self, Write as _},
    mem::MaybeUninit,
    panic::Location,
    ptr::null_mut,
};
use std::sync::Once;

/// Calls that a thread remembers.
const CALLS: usize = 4;

/// A call of a function of the kernel.
#[derive(Clone, Copy)]
struct Call {
    function: &'static str,
    at: &'static Location<'static>,
    /// What it was about.
    about: About,
}

/// The kind of an object, its context and its number.
type About = Option<(&'static str, u64, u64)>;

/// The last calls of a thread; that number `newest` is the newest, and the next the oldest.
struct Last {
    calls: [Cell<Option<Call>>; CALLS],
    newest: Cell<usize>,
}

super::per_thread! {
    static LAST: Last = Last { calls: [const { Cell::new(None) }; CALLS], newest: Cell::new(0) };
    /// This thread has had its last words.
    static SAID: Cell<bool> = Cell::new(false);
}

/// Notes that a function of the kernel is called, for the last words. From any context.
#[inline(always)]
pub fn note(function: &'static str, at: &'static Location<'static>, about: About) {
    LAST.with(|last| {
        let newest = last.newest.get() % CALLS;
        // What a call does by others is the outer one.
        let known = last.calls[newest].get();
        if known.is_some_and(|known| core::ptr::eq(known.at, at) && is(known.about, about)) {
            return;
        }
        let next = (newest + 1) % CALLS;
        last.newest.set(next);
        last.calls[next].set(Some(Call {
            function,
            at,
            about,
        }));
    });
}

/// True if both are about one object.
#[inline(always)]
fn is(one: About, other: About) -> bool {
    match (one, other) {
        (Some((kind, context, number)), Some(other)) => {
            core::ptr::addr_eq(kind, other.0) && (context, number) == (other.1, other.2)
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The signals that end a process which has gone wrong.
const SIGNALS: [(c_int, &str); 5] = [
    (
        libc::SIGSEGV,
        "BUG: unable to handle page fault for address",
    ),
    (libc::SIGBUS, "BUG: bus error at address"),
    (libc::SIGILL, "Oops: invalid opcode at address"),
    (libc::SIGFPE, "Oops: divide error at address"),
    (libc::SIGABRT, "Oops: aborted"),
];

/// What is done about a signal without this.
struct Before([Cell<MaybeUninit<libc::sigaction>>; SIGNALS.len()]);

// SAFETY: It is written once, before the handler is there that reads it.
unsafe impl Sync for Before {}

static BEFORE: Before = Before([const { Cell::new(MaybeUninit::uninit()) }; SIGNALS.len()]);

/// From now on a process that dies has last words, in a debug kernel: there is a task.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    if cfg!(any(loom, miri, tsan, not(feature = "debug"))) {
        return;
    }
    ONCE.call_once(|| {
        for ((signal, _), before) in SIGNALS.iter().zip(&BEFORE.0) {
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) = last_words;
            // SAFETY: Zeroes are valid for all fields: no flags, no signals that are masked.
            let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: Both are valid, and the handler may run at any point of any thread.
            unsafe {
                libc::sigaction(*signal, null_mut(), before.as_ptr().cast());
                libc::sigaction(*signal, &action, null_mut());
            }
        }
    });
}

extern "C" fn last_words(signal: c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let mut known = SIGNALS.iter().zip(&BEFORE.0);
    if let Some(((_, what), before)) = known.find(|((number, _), _)| *number == signal) {
        // SAFETY: The host passes a valid one; of an abort the address is not used.
        let addr = unsafe { (*info).si_addr() }.addr();
        if !SAID.replace(true) {
            // Nothing is done about a console without a reader.
            let _ = match signal {
                libc::SIGABRT => writeln!(Stderr, "{what}"),
                _ => writeln!(Stderr, "{what}: {addr:#018x}"),
            };
            show();
        }
        // SAFETY: It was written before this handler was there. What has raised the signal does so
        // again.
        unsafe { libc::sigaction(signal, before.as_ptr().cast(), null_mut()) };
    }
}

/// Writes what this thread is doing to standard error, once.
pub(super) fn say() {
    if !SAID.replace(true) {
        show();
    }
}

fn show() {
    // Nothing is done about a console without a reader.
    let _ = write(&mut Stderr);
}

fn write(out: &mut Stderr) -> fmt::Result {
    let task = cpu::with(task::known);
    let (comm, pid) = task.map_or(("?", 0), |task| (task.comm(), task.pid));
    write!(out, "  task {comm}/{pid}, ")?;
    cpu::write_context(out)?;
    out.write_str("\n")?;
    let mut step = "last call";
    let newest = LAST.with(|last| last.newest.get());
    for n in 0..CALLS {
        let Some(call) = LAST.with(|last| last.calls[(newest + CALLS - n) % CALLS].get()) else {
            break;
        };
        let (file, line) = (call.at.file(), call.at.line());
        write!(out, "  {step} {}() at {file}:{line}", call.function)?;
        if let Some((kind, context, number)) = call.about {
            write!(out, ", {kind} {context}:{number}")?;
        }
        out.write_str("\n")?;
        step = "before it";
    }
    Ok(())
}

/// Standard error, without a lock.
struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: The bytes are valid.
        let written = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
        // Of a short write the rest is lost.
        (written >= 0).then_some(()).ok_or(fmt::Error)
    }
}
