// SPDX-License-Identifier: GPL-2.0-only

//! A value of one type initialises no other.

use kernel::prelude::*;

fn main() {
    let _ = KBox::<u32>::init::<Error>(1u64, GFP_KERNEL);
}
