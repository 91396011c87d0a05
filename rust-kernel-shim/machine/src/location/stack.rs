// SPDX-License-Identifier: GPL-2.0-only
//! The innermost frame of the stack that is not in the kernel.
//!
//! It is asked for whenever a reference is taken or dropped, and to unwind a stack takes thousands of
//! instructions. But a frame has one size for each place in its function from which it calls, and at
//! its end stands where that was called from. So what the unwinder has told once of a return address
//! is remembered: how large its frame is, and whose it is. A function that aligns its frame has frames
//! of more than one size: then the unwinder is asked each time. Nothing else is of a size that is not
//! known before: Rust allocates no variables like that, nor does C in the kernel, where they are forbidden.

use super::{is_core, keep, Site, ASKED};
use crate::lock;
use core::{cell::Cell, hint::black_box, ptr};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// What is known of a return address.
#[derive(Clone, Copy)]
struct Frame {
    ip: usize,
    /// The size of its frame, or one of those below.
    size: usize,
    /// Where it is, unless that is in the kernel.
    site: Option<&'static Site>,
}

/// That is not known yet.
const UNKNOWN: usize = 0;
/// It has more than one.
const VARIES: usize = 1;
/// There is no frame beyond it.
const LAST: usize = 2;

/// Stands for the return address of the function that looks.
const HERE: usize = 1;

/// Frames that a thread remembers.
const KNOWN: usize = 256;

/// All frames that were ever seen.
static FRAMES: Mutex<BTreeMap<usize, Frame>> = Mutex::new(BTreeMap::new());

crate::per_thread! {
    /// Those that this thread has seen last.
    static SEEN: [Cell<Frame>; KNOWN] = [const { Cell::new(Frame { ip: 0, size: UNKNOWN, site: None }) }; KNOWN];
}

#[cfg(test)]
crate::per_thread! {
    /// How often the unwinder was asked.
    static UNWOUND: Cell<usize> = Cell::new(0);
}

fn slot(ip: usize) -> usize {
    ip.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & (KNOWN - 1)
}

/// Where the stack ends that belongs to what runs, see [`asked_at`](super::asked_at).
fn border() -> usize {
    ASKED.get().map_or(usize::MAX, |(border, _)| border)
}

/// The innermost frame of the stack that is not in the kernel.
#[inline(never)]
pub(super) fn driver_site() -> Option<&'static Site> {
    let sp = stack_pointer();
    match walk(sp) {
        Ok(site) => site,
        // What is done with it here has the frame of this function stay: it is where the walk begins.
        Err(()) => black_box(unwind(sp)),
    }
}

/// As [`driver_site`], from what is known; an error if that is not enough.
fn walk(mut sp: usize) -> Result<Option<&'static Site>, ()> {
    let (mut ip, border) = (HERE, border());
    while sp <= border {
        let frame = SEEN.with(|seen| {
            let slot = &seen[slot(ip)];
            if slot.get().ip != ip {
                slot.set(*lock(&FRAMES).get(&ip)?);
            }
            Some(slot.get())
        });
        let frame = frame.ok_or(())?;
        match frame.size {
            _ if frame.site.is_some() => return Ok(frame.site),
            LAST => return Ok(None),
            UNKNOWN | VARIES => return Err(()),
            size => sp += size,
        }
        let word: *const usize = ptr::with_exposed_provenance(sp - size_of::<usize>());
        // SAFETY: The stack has this frame, which is as large as the unwinder has said of its return
        // address; so this is in it, and the thread's own.
        ip = unsafe { word.read_volatile() };
    }
    Ok(None)
}

/// As [`driver_site`], from the unwinder; what that tells is remembered.
#[cold]
fn unwind(here: usize) -> Option<&'static Site> {
    #[cfg(test)]
    UNWOUND.set(UNWOUND.get() + 1);
    let border = border();
    let (mut site, mut beyond) = (None, false);
    let mut before: Option<(Frame, usize)> = None;
    backtrace::trace(|frame| {
        let (ip, sp) = (frame.ip().addr(), frame.sp().addr());
        if ip == 0 {
            return false;
        }
        if let Some((before, at)) = before {
            remember(before, sp.wrapping_sub(at));
        }
        beyond = sp > border;
        if beyond {
            return false;
        }
        let known = lock(&FRAMES).get(&ip).copied();
        let known = known.unwrap_or_else(|| Frame {
            ip,
            size: match aligns_its_frame(frame.symbol_address().addr(), ip) {
                true => VARIES,
                false => UNKNOWN,
            },
            site: look_up(frame),
        });
        // Whose it is takes longer to tell than how large it is.
        lock(&FRAMES).entry(ip).or_insert(known);
        // What comes before is what looks.
        let ip = if sp == here { HERE } else { ip };
        before = (before.is_some() || ip == HERE).then_some((Frame { ip, ..known }, sp));
        site = known.site;
        site.is_none()
    });
    match before {
        Some((frame, _)) if site.is_some() => remember(frame, UNKNOWN),
        Some((frame, _)) if !beyond => remember(frame, LAST),
        _ => {}
    }
    site
}

/// The frame has this size.
fn remember(frame: Frame, size: usize) {
    let mut frames = lock(&FRAMES);
    let known = frames.entry(frame.ip).or_insert(frame);
    known.size = match known.size {
        UNKNOWN => size,
        known if size == UNKNOWN || size == known => known,
        _ => VARIES,
    };
    SEEN.with(|seen| seen[slot(frame.ip)].set(*known));
}

/// True if the function that begins at `start` may align its stack before it comes to `ip`: if these
/// bytes have "and $..., %rsp" in them.
fn aligns_its_frame(start: usize, ip: usize) -> bool {
    if ip
        .checked_sub(start)
        .is_none_or(|size| start == 0 || size > 1 << 16)
    {
        return true;
    }
    // SAFETY: A part of the function, since it calls at its end; code can be read.
    let code = unsafe {
        core::slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(start), ip - start)
    };
    let aligns = |code: &[u8]| matches!(code, [0x48, 0x81 | 0x83, 0xe4]);
    code.windows(3).any(aligns)
}

/// The file's name, forever: each is kept once.
fn named(file: String) -> &'static str {
    static FILES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut files = lock(&FILES);
    if let Some(known) = files.get(file.as_str()) {
        return known;
    }
    let file = file.leak();
    files.insert(file);
    file
}

/// Where the frame is, unless that is in the kernel.
fn look_up(frame: &backtrace::Frame) -> Option<&'static Site> {
    // The library has a lock for it, in which ThreadSanitizer does not see how std sleeps.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = lock(&ALONE);
    let mut found = None;
    backtrace::resolve_frame(frame, |symbol| {
        let file = symbol.filename().map(|file| format!("{}", file.display()));
        if let (None, Some(file), Some(line)) = (found, file, symbol.lineno()) {
            if !is_core(&file) {
                let file = named(file);
                found = Some(keep(Site { file, line }));
            }
        }
    });
    found
}

/// Where the stack of the function ends that this is inlined into; or none, where that is not known.
#[inline(always)]
fn stack_pointer() -> usize {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let sp: usize;
        // SAFETY: It reads a register.
        unsafe {
            core::arch::asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags));
        }
        sp
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    0
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use super::{super::asked_at, *};

    /// How often the unwinder is asked while `f` looks as it did before.
    fn unwound(f: impl Fn()) -> usize {
        let mut last = 0;
        // A loop that is not unrolled, which would call it from places of their own.
        for _ in 0..black_box(3) {
            let before = UNWOUND.get();
            f();
            last = UNWOUND.get() - before;
        }
        last
    }

    /// All frames of this test are in the kernel, or in libraries.
    fn look() {
        assert_eq!(driver_site(), None);
    }

    #[inline(never)]
    fn aligned(look: fn()) {
        #[repr(align(64))]
        struct Aligned([u8; 64]);

        let mut there = Aligned([1; 64]);
        black_box(&mut there);
        look();
        black_box(&there.0);
    }

    /// With so many bytes more on the stack.
    #[inline(never)]
    fn above<const BYTES: usize>(look: fn()) {
        let mut there = [1; BYTES];
        black_box(&mut there);
        aligned(look);
        black_box(&there);
    }

    #[test]
    fn a_stack_is_unwound_once() {
        // Not as far as where threads begin, which align theirs.
        asked_at(None, || {
            assert_eq!(unwound(|| (0..100).for_each(|_| look())), 0);
        });
    }

    #[test]
    fn frames_of_more_than_one_size_are_unwound_each_time() {
        let all = [above::<16>, above::<32>, above::<48>, above::<64>];
        assert_eq!(unwound(|| all.iter().for_each(|above| above(look))), 4);
    }
}
