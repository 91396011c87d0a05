// SPDX-License-Identifier: GPL-2.0-only
//! Makes a chain of so many nodes, and does one thing with it; `scripts/chain-cost` counts the
//! instructions.
//!
//!     chain LENGTH build | walk | collect | release

use dma_fence::{
    testing::{context, Plain},
    Fence, FenceChain, FenceChainAllocation, FenceContext,
};
use kernel::{prelude::*, sync::aref::ARef, testing::memory::rcu_barrier};

fn main() {
    let arguments: std::vec::Vec<String> = std::env::args().skip(1).collect();
    let (length, step) = match &arguments[..] {
        [length, step] => (length.parse().unwrap_or(0), step.as_str()),
        _ => (0, ""),
    };
    run(length, step).expect("memory");
}

fn run(length: u64, step: &str) -> Result {
    let context = context(Plain)?;
    let issued = FenceContext::new_arc_fence_allocation(&context, ())?.new_fence();
    let node = |prev: Option<&Fence>, seqno| {
        let memory = FenceChainAllocation::new()?;
        Ok::<ARef<FenceChain>, Error>(memory.new_node(prev, issued.as_unchained(), seqno))
    };
    let mut last = node(None, 1)?;
    for seqno in 2..=length {
        last = node(Some(&last), seqno)?;
    }
    match step {
        // What is not released is not freed.
        "build" => core::mem::forget((issued, last)),
        "walk" => {
            assert_eq!(last.iter().count() as u64, length);
            core::mem::forget((issued, last));
        }
        "collect" => {
            issued.signal(Ok(()));
            assert!(last.prev().is_none());
            rcu_barrier();
        }
        "release" => {
            drop(last);
            rcu_barrier();
            issued.signal(Ok(()));
        }
        _ => panic!("what is to be done: build, walk, collect or release?"),
    }
    Ok(())
}
