// SPDX-License-Identifier: GPL-2.0-only
//! Objects in memory that is freed, or in which something is dropped.
#![cfg(feature = "debug")]

use kernel::bindings::{
    debugobjects::{
        debug_check_no_obj_dropped, debug_obj, debug_obj_descr, debug_object_in_block, Freeing,
    },
    kfree, kzalloc_obj, GFP_KERNEL,
};
use std::cell::RefCell;

thread_local! {
    /// The addresses of those that were found.
    static FOUND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn freed(obj: &debug_obj, _freeing: &Freeing) {
    FOUND.with_borrow_mut(|found| found.push(obj.addr));
}

static ONE: debug_obj_descr = debug_obj_descr { name: "one", freed };
static OTHER: debug_obj_descr = debug_obj_descr {
    name: "other",
    freed,
};

fn found() -> Vec<usize> {
    FOUND.take()
}

/// Calls `f` with the address of a block, and then frees that.
fn in_a_block<const WORDS: usize>(f: fn(usize)) -> usize {
    // SAFETY: The block is ours, and goes once.
    unsafe {
        let block = kzalloc_obj::<[usize; WORDS]>(GFP_KERNEL);
        f(block.addr());
        kfree(block.cast());
        block.addr()
    }
}

#[test]
fn all_that_begin_in_a_block_are_found_once() {
    fn kept(at: usize) {
        assert!(debug_object_in_block(at + 8, &ONE));
        assert!(debug_object_in_block(at + 8, &OTHER));
        assert!(debug_object_in_block(at, &ONE));
        // It is there.
        assert!(debug_object_in_block(at + 8, &ONE));
    }
    // One of a few words, and one of more than two pages.
    for block in [in_a_block::<4>, in_a_block::<2000>] {
        let at = block(kept);
        assert_eq!(found(), [at, at + 8, at + 8]);
        block(|_| {});
        assert_eq!(found(), []);
    }
    assert!(!debug_object_in_block((&raw const ONE).addr(), &ONE));
}

/// Where there is no room it is kept elsewhere, and stays there when there is.
#[test]
fn what_is_registered_again_is_found_once() {
    let at = in_a_block::<4>(|at| {
        debug_object_in_block(at, &ONE);
        debug_object_in_block(at + 8, &ONE);
        debug_check_no_obj_dropped(at, 8);
        assert_eq!(found(), [at]);
        debug_object_in_block(at + 8, &ONE);
    });
    assert_eq!(found(), [at + 8]);
    // In other blocks that are at that address next.
    for _ in 0..10 {
        in_a_block::<4>(|_| {});
    }
    assert_eq!(found(), []);
}

#[test]
fn what_is_dropped_is_not_there_when_its_block_is_freed() {
    let at = in_a_block::<4>(|at| {
        debug_object_in_block(at + 8, &ONE);
        debug_object_in_block(at + 16, &ONE);
        debug_check_no_obj_dropped(at, 8);
        assert_eq!(found(), []);
        debug_check_no_obj_dropped(at + 8, 8);
        assert_eq!(found(), [at + 8]);
    });
    assert_eq!(found(), [at + 16]);
}
