// SPDX-License-Identifier: GPL-2.0-only
//! What freeing an unrelated block costs beside many pending fences, and beside few.
//!
//! Prints the median of the ratios of pairs of measurements, one beside many and one beside few;
//! the arguments are how many are many, and how many pairs. No test depends on time: that it does
//! not grow is tested by counting, in `tests/freeing.rs`.

use ::dma_fence::bindings::{
    dma_fence, dma_fence_context_alloc, dma_fence_get, dma_fence_init, dma_fence_ops,
    dma_fence_put, dma_fence_signal,
};
use kernel::{
    bindings::{kfree, kzalloc_obj, rcu_barrier, GFP_KERNEL},
    ffi::c_char,
    str::CStrExt as _,
};
use std::{env, ptr::null_mut, time::Instant};

/// How many are few.
const FEW: u64 = 100;

/// Blocks that are freed for one measurement.
const BLOCKS: usize = 4096;

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"freeing".as_char_ptr()
}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    ..pin_init::zeroed()
};

/// A job's fence, as drivers written in C have them.
#[repr(C)]
struct JobFence {
    base: dma_fence,
    ring: *mut u64,
}

/// Pending fences that an importer has had, and the memory of their ring.
struct Pending(Vec<*mut dma_fence>, *mut u64);

impl Pending {
    fn new(count: u64) -> Self {
        // SAFETY: The memory is fresh, and of each fence it is freed with the last reference.
        unsafe {
            let ring = kzalloc_obj::<u64>(GFP_KERNEL);
            let context = dma_fence_context_alloc(1);
            let fence = |seqno| {
                let job = kzalloc_obj::<JobFence>(GFP_KERNEL);
                (*job).ring = ring;
                let base = &raw mut (*job).base;
                dma_fence_init(base, &OPS, null_mut(), context, seqno);
                dma_fence_put(dma_fence_get(base));
                base
            };
            Self((1..=count).map(fence).collect(), ring)
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // SAFETY: The fences are pending, these references are the last, and nothing uses the ring
        // after the grace period.
        unsafe {
            for fence in &self.0 {
                dma_fence_signal(*fence);
                dma_fence_put(*fence);
            }
            rcu_barrier();
            kfree(self.1.cast());
        }
    }
}

/// What freeing a block costs, in ns, beside so many pending fences.
fn cost(pending: u64, contents: [u8; 32]) -> f64 {
    let _pending = Pending::new(pending);
    let free = |_| {
        // SAFETY: The block is fresh, and not used.
        unsafe {
            let block = kzalloc_obj::<[u8; 32]>(GFP_KERNEL);
            block.write(contents);
            let begin = Instant::now();
            kfree(block.cast());
            begin.elapsed().as_nanos()
        }
    };
    median((0..BLOCKS).map(free)) as f64
}

fn median<T: PartialOrd + Copy>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).expect("an order"));
    values[values.len() / 2]
}

fn main() {
    let mut numbers = env::args()
        .skip(1)
        .map(|arg| arg.parse().expect("a number"));
    let many = numbers.next().unwrap_or(100_000);
    let pairs = numbers.next().unwrap_or(5);
    let mut text = [0; 32];
    text[..4].copy_from_slice(b"ring");
    for (what, contents) in [("zeroes", [0; 32]), ("text", text)] {
        let pair = |_| {
            let (few, many) = (cost(FEW, contents), cost(many, contents));
            println!("a block of {what}: {few:.0} ns beside few, {many:.0} ns beside many");
            many / few
        };
        println!(
            "a block of {what}: {:.2} times",
            median((0..pairs).map(pair))
        );
    }
}
