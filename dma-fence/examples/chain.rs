// SPDX-License-Identifier: GPL-2.0-only
//! Makes a chain of so many nodes, and does one thing with it; `scripts/chain-cost` counts the
//! instructions.
//!
//!     chain LENGTH release | walk | collect
//!
//! In any case it is released in the end.

use dma_fence::{
    testing::{context, Plain},
    Fence, FenceChain, FenceChainAllocation,
};
use kernel::{prelude::*, sync::aref::ARef, testing::memory::rcu_barrier};

fn main() {
    let arguments: std::vec::Vec<String> = std::env::args().skip(1).collect();
    let (length, step) = match &arguments[..] {
        [length, step] => (length.parse().unwrap_or(0), step.as_str()),
        _ => (0, ""),
    };
    run(length, step).expect("memory");
    rcu_barrier();
}

fn run(length: u64, step: &str) -> Result {
    let context = context(Plain)?;
    let issued = context.new_fence_allocation(())?.new_fence();
    let node = |prev: Option<&Fence>, seqno| {
        let memory = FenceChainAllocation::new()?;
        Ok::<ARef<FenceChain>, Error>(memory.new_node(prev, issued.as_unchained(), seqno))
    };
    let mut last = node(None, 1)?;
    for seqno in 2..=length {
        last = node(Some(&last), seqno)?;
    }
    match step {
        "release" => drop(last),
        "walk" => assert_eq!(last.iter().count() as u64, length),
        "collect" => {
            issued.signal(Ok(()));
            assert!(last.prev().is_none());
            return Ok(());
        }
        _ => panic!("what is to be done: release, walk or collect?"),
    }
    issued.signal(Ok(()));
    Ok(())
}
