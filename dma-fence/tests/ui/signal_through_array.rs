// SPDX-License-Identifier: GPL-2.0-only
//! An array signals by itself, once its members have.

use dma_fence::FenceArray;

fn signal(array: &FenceArray) {
    array.signal(Ok(()));
}

fn main() {
    let _ = signal;
}
