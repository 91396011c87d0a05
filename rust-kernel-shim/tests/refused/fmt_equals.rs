// SPDX-License-Identifier: GPL-2.0-only

//! The first `=` of an argument ends its name.

use kernel::prelude::*;

fn main() {
    let (a, b) = (1, 1);
    let _ = fmt!("{}", a == b);
}
