// SPDX-License-Identifier: GPL-2.0-only

//! What the user writes in a macro is the user's.

#![forbid(unsafe_code)]

use kernel::prelude::*;

struct S {
    a: u32,
}

fn main() {
    let _ = init!(S {
        // SAFETY: All zeroes are a `u32`; but this file forbids what it does not need.
        a: unsafe { core::mem::zeroed() },
    });
}
