// SPDX-License-Identifier: GPL-2.0-only
//! A process that dies says what it was doing: each in a process of its own.

#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use ::dma_fence::bindings::{
    dma_fence, dma_fence_allocate_private_stub, dma_fence_get, dma_fence_put,
};
use kernel::testing::{test_alone, vcpu};

/// Calls two functions of the fence API: they are in the two lines after this one.
fn calls() -> *mut dma_fence {
    // SAFETY: Allocating has no preconditions, and the references are ours.
    let fence = unsafe { dma_fence_allocate_private_stub(0) };
    // SAFETY: The references are ours.
    unsafe { dma_fence_put(dma_fence_get(fence)) };
    fence
}

const LAST: u32 = 16;

#[test]
#[ignore = "dies: run by last_words_name_the_last_calls()"]
fn page_fault() {
    calls();
    // SAFETY: None: this is what a driver does by mistake.
    unsafe { core::ptr::without_provenance::<u8>(0xdead).read_volatile() };
}

#[test]
#[ignore = "dies: run by last_words_name_the_last_calls()"]
fn page_fault_in_a_machine() {
    let _ = vcpu::fifo(page_fault);
}

#[test]
#[ignore = "dies: run by last_words_name_the_last_calls()"]
fn abort() {
    calls();
    std::process::abort();
}

#[test]
#[ignore = "dies: run by last_words_name_the_last_calls()"]
fn bug() {
    calls();
    kernel::bindings::BUG!("this is one");
}

#[test]
fn last_words_name_the_last_calls() {
    for (test, words, task) in [
        (
            "page_fault",
            "BUG: unable to handle page fault for address: 0x000000000000dead",
            "page_fault/",
        ),
        (
            "page_fault_in_a_machine",
            "BUG: unable to handle page fault for address",
            "init/",
        ),
        ("abort", "Oops: aborted", "abort/"),
        ("bug", "this is one", "bug/"),
    ] {
        let (passed, said) = test_alone(test, &[]);
        assert!(!passed);
        let after = said.split_once(words).expect(&said).1;
        let call =
            format!("  last call dma_fence_put() at dma-fence/tests/oops.rs:{LAST}, fence 0:0");
        for line in [format!("  task {task}"), call] {
            assert_eq!(after.matches(line.as_str()).count(), 1, "{line}: {said}");
        }
    }
}
