// SPDX-License-Identifier: GPL-2.0-only

//! A build error in a constant fails the build.

use kernel::prelude::*;

const fn checked(value: u32) -> u32 {
    build_assert!(value > 1, "too small");
    value
}

const TWO: u32 = checked(2);
const ONE: u32 = checked(1);

fn main() {
    let _ = (ONE, TWO);
}
