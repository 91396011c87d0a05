// SPDX-License-Identifier: GPL-2.0-only
//! Memory that a machine leaves behind: where it was allocated is said, in the driver's words.

#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use core::mem::forget;
use kernel::{
    faux,
    prelude::*,
    sync::{Arc, Completion},
    testing::{console, vcpu, IoRegion, Registers},
    workqueue,
};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `leak` in a machine, which has to fail; true if the log says that `count` blocks which were
/// allocated at `line` of this file were left behind.
fn said(leak: impl FnOnce() + Send + 'static, count: usize, line: u32) -> bool {
    let panic = catch_unwind(AssertUnwindSafe(|| vcpu::fifo(leak))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("left behind, see above"), "{message}");
    (1..200).any(|size| {
        let at = format!("allocated at rust-kernel-shim/tests/left_behind.rs:{line}");
        console::said(&format!("  {count} of {size} bytes {at}")) == 1
    })
}

#[test]
fn every_way_to_allocate_says_where() {
    assert!(said(|| forget(KBox::new(1, GFP_KERNEL)), 1, line!()));
    assert!(said(|| forget(KBox::<u64>::zeroed(GFP_KERNEL)), 1, line!()));
    assert!(said(|| forget(Arc::new(1, GFP_KERNEL)), 1, line!()));
    assert!(said(|| forget(kernel::kvec![1, 2, 3]), 1, line!()));
    let vec = || forget(KVec::<u8>::with_capacity(7, GFP_KERNEL));
    assert!(said(vec, 1, line!() - 1));
    let pinned = || forget(KBox::pin_init(Completion::new(), GFP_KERNEL));
    assert!(said(pinned, 1, line!() - 1));
    let shared = || forget(Arc::pin_init(Completion::new(), GFP_KERNEL));
    assert!(said(shared, 1, line!() - 1));
}

struct Zeroes;

impl Registers for Zeroes {
    fn read(&self, _offset: usize, _size: usize) -> u64 {
        0
    }

    fn write(&self, _offset: usize, _size: usize, _value: u64) {}
}

#[test]
fn what_is_still_mapped_is_said() {
    let map = || {
        let device = faux::Registration::new(c"device", None).unwrap();
        let region = IoRegion::new(4, Arc::new(Zeroes, GFP_KERNEL).unwrap()).unwrap();
        let request = region.request(device.as_ref().as_ref());
        forget(request.iomap());
    };
    assert!(said(map, 1, line!() - 2));
}

#[test]
fn what_is_alike_is_counted() {
    let leaks = || {
        for _ in 0..5 {
            let mut vec = KVec::new();
            vec.push(1, GFP_KERNEL).unwrap();
            forget(vec);
        }
    };
    assert!(said(leaks, 5, line!() - 4));
}

#[test]
fn what_the_kernel_allocates_is_its_callers() {
    let work = || {
        let work = || forget(KBox::new(1, GFP_KERNEL));
        workqueue::system().try_spawn(GFP_KERNEL, work).unwrap();
    };
    assert!(said(work, 1, line!() - 3));
}

#[test]
fn what_a_machine_returns_is_not_left_behind() {
    let kept = vcpu::fifo(|| KBox::new(1, GFP_KERNEL).unwrap());
    assert_eq!(kept.map(|kept| *kept), Ok(1));
    assert_eq!(vcpu::fifo(|| drop(KBox::new(1, GFP_KERNEL))), Ok(()));
}
