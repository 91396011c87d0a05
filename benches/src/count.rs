// SPDX-License-Identifier: GPL-2.0-only
//! Counts instructions, and those that lock the bus, one step at a time.
//!
//! Needs no counters of the hardware, and has no noise but that of other threads: the thread that
//! does the operation is another process's, which stops behind each instruction.

use crate::{
    operation::{Column, Operation},
    peer,
};
use nix::{
    sys::{
        ptrace,
        signal::Signal,
        wait::{waitpid, WaitStatus},
    },
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    ops::Range,
    os::unix::{fs::FileExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// What an operation executes, on the average.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    /// Those with a lock prefix, exchanges with memory, and full fences.
    pub(crate) locked: f64,
    pub(crate) syscalls: f64,
}

/// Whether what is timed is to be counted: then it begins and ends with a breakpoint.
static STEPPING: AtomicBool = AtomicBool::new(false);

/// Has operations be counted from now on.
pub(crate) fn begin() {
    STEPPING.store(true, Relaxed);
    peer::step();
}

/// Where the clock begins and ends.
#[inline]
pub(crate) fn edge() {
    #[cfg(target_arch = "x86_64")]
    if STEPPING.load(Relaxed) {
        // SAFETY: It changes nothing, and the process that traces this one goes on behind it.
        unsafe { std::arch::asm!("int3") }
    }
}

/// What the operation executes each time; `None` where steps are not counted.
pub(crate) fn count(operation: &Operation, column: Column) -> Option<Counts> {
    let (few, many) = operation.steps;
    if many == 0 {
        return None;
    }
    let less = match few {
        0 => Counts::default(),
        few => steps(operation.name, column, few)?,
    };
    let more = steps(operation.name, column, many)?;
    let each = |more: f64, less: f64| (more - less) / (many - few) as f64;
    Some(Counts {
        instructions: each(more.instructions, less.instructions),
        locked: each(more.locked, less.locked),
        syscalls: each(more.syscalls, less.syscalls),
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Locked,
    Syscall,
    Breakpoint,
}

/// The kind of the instruction that begins with these bytes.
fn kind(bytes: &[u8]) -> Kind {
    const PREFIXES: [u8; 10] = [0xf0, 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x64, 0x65];
    let prefixes = bytes.iter().take_while(|byte| PREFIXES.contains(byte));
    let mut rest = &bytes[prefixes.count()..];
    if bytes[..bytes.len() - rest.len()].contains(&0xf0) {
        return Kind::Locked;
    }
    if rest.first().is_some_and(|byte| byte & 0xf0 == 0x40) {
        rest = &rest[1..];
    }
    match rest {
        [0xcc, ..] => Kind::Breakpoint,
        [0x0f, 0x05, ..] => Kind::Syscall,
        [0x0f, 0xae, 0xf0, ..] => Kind::Locked,
        // An exchange with memory locks; one of registers does not.
        [0x86 | 0x87, modrm, ..] if modrm >> 6 != 3 => Kind::Locked,
        _ => Kind::Plain,
    }
}

/// What this program executes while it does the operation so many times.
fn steps(name: &str, column: Column, times: u64) -> Option<Counts> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.args(["step", &column.to_string(), name, &times.to_string()]);
    command.stdout(Stdio::null());
    // SAFETY: Between fork and exec only system calls are done.
    unsafe {
        command.pre_exec(|| {
            // Addresses that are the same each time.
            libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            Ok(ptrace::traceme()?)
        })
    };
    let mut child = command.spawn().ok()?;
    let counts = trace(Pid::from_raw(child.id() as i32));
    let _ = child.kill();
    let _ = child.wait();
    counts
}

#[cfg(target_arch = "x86_64")]
fn trace(pid: Pid) -> Option<Counts> {
    // The first stop is that of exec.
    let WaitStatus::Stopped(..) = waitpid(pid, None).ok()? else {
        return None;
    };
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut kinds = HashMap::new();
    let mut counts = Counts::default();
    while runs(pid)? {
        let clock = clock(pid)?;
        loop {
            let at = ptrace::getregs(pid).ok()?.rip;
            let kind = *kinds.entry(at).or_insert_with(|| {
                let mut bytes = [0; 15];
                let read = memory.read_at(&mut bytes, at).unwrap_or(0);
                kind(&bytes[..read])
            });
            if !clock.contains(&at) {
                counts.instructions += 1.0;
                match kind {
                    Kind::Plain => {}
                    Kind::Locked => counts.locked += 1.0,
                    Kind::Syscall => counts.syscalls += 1.0,
                    // The end of what is timed; what is behind it runs.
                    Kind::Breakpoint => break,
                }
            }
            ptrace::step(pid, None).ok()?;
            let WaitStatus::Stopped(..) = waitpid(pid, None).ok()? else {
                return None;
            };
        }
        // The breakpoint that was met is not executed yet.
        ptrace::step(pid, None).ok()?;
        waitpid(pid, None).ok()?;
    }
    Some(counts)
}

/// Runs to the next breakpoint, if there is one before the end.
#[cfg(target_arch = "x86_64")]
fn runs(pid: Pid) -> Option<bool> {
    let mut signal = None;
    loop {
        ptrace::cont(pid, signal).ok()?;
        match waitpid(pid, None).ok()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => return Some(true),
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, 0) => return Some(false),
            _ => return None,
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn trace(_pid: Pid) -> Option<Counts> {
    None
}

/// Where the kernel's own code that reads the clock is: how long it tries is chance.
fn clock(pid: Pid) -> Option<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let Some(line) = maps.lines().find(|line| line.ends_with("[vdso]")) else {
        return Some(0..0);
    };
    let (low, high) = line.split(' ').next()?.split_once('-')?;
    Some(u64::from_str_radix(low, 16).ok()?..u64::from_str_radix(high, 16).ok()?)
}
