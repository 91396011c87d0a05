// SPDX-License-Identifier: GPL-2.0-only

//! `{}` wants the kernel's `Display`.

use kernel::prelude::*;

struct D;

impl core::fmt::Display for D {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("D")
    }
}

fn main() {
    let _ = fmt!("{}", D);
}
