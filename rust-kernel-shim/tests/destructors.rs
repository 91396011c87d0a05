// SPDX-License-Identifier: GPL-2.0-only
//! A destructor that panics: each value is dropped once all the same, and the memory is freed.
#![forbid(unsafe_code)]

use kernel::{
    alloc::{
        allocator::{Kmalloc, Vmalloc},
        Allocator, Vec,
    },
    prelude::*,
    sync::{Arc, SetOnce, UniqueArc},
    testing::memory::live_blocks,
};
use std::{
    cell::Cell,
    panic::{catch_unwind, AssertUnwindSafe},
};

/// Counts that it was dropped, and the first one panics. What it owns is freed twice, or used
/// after that, if it is dropped twice.
struct Bomb<'a>(&'a Cell<usize>, #[expect(dead_code)] KBox<u64>);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() != 1, "on purpose");
    }
}

fn bombs<'a, A: Allocator>(dropped: &'a Cell<usize>) -> Vec<Bomb<'a>, A> {
    let mut bombs = Vec::with_capacity(3, GFP_KERNEL).unwrap();
    for n in 0..3 {
        let bomb = Bomb(dropped, KBox::new(n, GFP_KERNEL).unwrap());
        bombs.push(bomb, GFP_KERNEL).unwrap();
    }
    bombs
}

/// `body` drops `values`, of which the first panics, and leaves no memory behind.
fn drops(values: usize, body: impl FnOnce(&Cell<usize>)) {
    let (before, dropped) = (live_blocks(), Cell::new(0));
    let caught = catch_unwind(AssertUnwindSafe(|| body(&dropped)));
    assert!(caught.is_err());
    assert_eq!((dropped.get(), live_blocks() - before), (values, 0));
}

/// One test, since the blocks of all are counted.
#[test]
fn values_are_dropped_once_and_memory_is_freed() {
    fn bomb(dropped: &Cell<usize>) -> Bomb<'_> {
        Bomb(dropped, KBox::new(7, GFP_KERNEL).unwrap())
    }
    drops(1, |dropped| {
        let value = KBox::new(bomb(dropped), GFP_KERNEL).unwrap();
        drop(KBox::drop_contents(value));
    });
    drops(1, |dropped| {
        drop(KBox::new(bomb(dropped), GFP_KERNEL));
    });
    drops(1, |dropped| drop(Arc::new(bomb(dropped), GFP_KERNEL)));
    drops(1, |dropped| drop(UniqueArc::new(bomb(dropped), GFP_KERNEL)));
    drops(1, |dropped| {
        let place = SetOnce::new();
        place.populate(bomb(dropped));
    });
    drops(3, |dropped| drop(bombs::<Vmalloc>(dropped)));
    drops(3, |dropped| bombs::<Kmalloc>(dropped).truncate(0));
    drops(3, |dropped| {
        bombs::<Kmalloc>(dropped).retain(|_| false);
    });
    drops(3, |dropped| {
        drop(bombs::<Kmalloc>(dropped).drain_all());
    });
    drops(3, |dropped| {
        drop(bombs::<Kmalloc>(dropped).into_iter());
    });
    drops(3, |dropped| {
        let mut bombs = bombs::<Kmalloc>(dropped).into_iter();
        drop(bombs.next());
    });
}
