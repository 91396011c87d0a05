// SPDX-License-Identifier: GPL-2.0-only
//! The thread-locals of a thread that has run no task yet.

use crate::{
    cpu, heap,
    per_thread::{Slot, SLOTS},
};
use core::{
    ffi::{c_int, c_void},
    ptr,
};

/// Some of the thread-locals, and what was in them.
struct Range {
    start: *mut u8,
    was: Vec<u8>,
}

impl Range {
    /// # Safety
    ///
    /// So many bytes of this thread's are there, which nothing borrows exclusively.
    unsafe fn new(start: *mut u8, len: usize) -> Self {
        let mut was = vec![0; len];
        // SAFETY: Both are as long as that. Some may be padding, with which no more is done.
        unsafe { libc::memcpy(was.as_mut_ptr().cast(), start.cast(), len) };
        Self { start, was }
    }

    fn contains(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.start.addr()) < self.was.len()
    }
}

/// What the thread-locals of a thread were.
pub(super) struct Fresh {
    /// Those of the kernel.
    slots: Vec<Range>,
    /// Those of each program and library but C's.
    all: Vec<Range>,
}

impl Fresh {
    /// What those of this thread are.
    pub(super) fn new() -> Self {
        cpu::with(|cpu| cpu.reader());
        heap::begin_anew();
        let slot = |slot: &Slot| {
            let (start, len) = slot();
            // SAFETY: It is there as long as the thread, and is shared if anything.
            unsafe { Range::new(start, len) }
        };
        let slots = SLOTS.iter().map(slot).collect();
        let mut all: Vec<Range> = Vec::new();
        // SAFETY: `add` is called with that pointer, here.
        unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut all).cast()) };
        Self { slots, all }
    }

    /// Makes those of the kernel what they were: nothing uses them any more. True if all others still
    /// are, so that a task finds nothing of the one before.
    pub(super) fn restore(&self) -> bool {
        heap::begin_anew();
        for Range { start, was } in &self.slots {
            // SAFETY: Both are as long as that, and what they hold has nothing to drop.
            unsafe { libc::memcpy(start.cast(), was.as_ptr().cast(), was.len()) };
        }
        let same = |Range { start, was }: &Range| {
            // SAFETY: Both are as long as that.
            unsafe { libc::memcmp(start.cast(), was.as_ptr().cast(), was.len()) == 0 }
        };
        let cpu = cpu::with(|cpu| ptr::from_ref(cpu).addr());
        self.all.iter().any(|range| range.contains(cpu)) && self.all.iter().all(same)
    }
}

/// Adds the thread-locals of a program or library to `all`.
///
/// # Safety
///
/// For `dl_iterate_phdr()`, with a pointer to a list of ranges that no other has.
unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, all: *mut c_void) -> c_int {
    // SAFETY: What calls this passes both, and no other has the second.
    let (info, all) = unsafe { (&*info, &mut *all.cast::<Vec<Range>>()) };
    // SAFETY: There are so many.
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let of_thread = headers.iter().find(|header| header.p_type == libc::PT_TLS);
    if let (Some(header), false) = (of_thread, info.dlpi_tls_data.is_null()) {
        // SAFETY: That is where those of this thread are, and their length.
        let range = unsafe { Range::new(info.dlpi_tls_data.cast(), header.p_memsz as usize) };
        // SAFETY: The call has no preconditions.
        let errno = unsafe { libc::__errno_location() }.addr();
        // What C's library keeps there for itself does change, and no task sees it.
        if !range.contains(errno) {
            all.push(range);
        }
    }
    0
}
