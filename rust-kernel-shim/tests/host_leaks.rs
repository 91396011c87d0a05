// SPDX-License-Identifier: GPL-2.0-only
//! Tasks are freed with their last reference; alone in its process, as it counts all allocations.

use kernel::{
    current,
    sync::aref::ARef,
    task::Task,
    testing::{spawn, vcpu},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

struct Counting;

static BLOCKS: AtomicIsize = AtomicIsize::new(0);

// SAFETY: The blocks are the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Relaxed);
        // SAFETY: The layout is not empty: the caller's guarantee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        BLOCKS.fetch_sub(1, Relaxed);
        // SAFETY: The block is the system's, of this layout: the caller's guarantee.
        unsafe { System.dealloc(ptr, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The blocks that so many machines leave behind, of two tasks each.
fn left_by(machines: usize) -> isize {
    let before = BLOCKS.load(Relaxed);
    for _ in 0..machines {
        let end = vcpu::fifo(|| {
            let me: ARef<Task> = (&**current!()).into();
            drop((me.clone(), me, spawn(|| ())));
        });
        assert_eq!(end, Ok(()));
    }
    BLOCKS.load(Relaxed) - before
}

#[test]
fn tasks_go_with_their_last_reference() {
    left_by(5);
    // What threads leave behind for a moment is less than a block for each machine.
    assert!(left_by(100) < 50);
}
