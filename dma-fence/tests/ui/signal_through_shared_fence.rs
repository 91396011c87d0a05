// SPDX-License-Identifier: GPL-2.0-only
//! Only the issuer signals: who shares a fence can wait for it and ask it, no more.

use dma_fence::Fence;

fn finish(fence: &Fence) {
    fence.signal(Ok(()));
}

fn main() {
    let _ = finish;
}
