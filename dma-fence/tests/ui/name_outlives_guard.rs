// SPDX-License-Identifier: GPL-2.0-only
//! Rule `names-in-one-rcu-section`: a name is used inside the section in which it was asked for.

use dma_fence::Fence;
use kernel::{prelude::*, sync::rcu};

fn driver(fence: &Fence) -> usize {
    let name: &CStr = {
        let guard = rcu::read_lock();
        fence.driver_name(&guard)
    };
    name.count_bytes()
}

fn main() {
    let _ = driver;
}
