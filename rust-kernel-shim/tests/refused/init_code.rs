// SPDX-License-Identifier: GPL-2.0-only

//! Code between fields would not compile with pinned-init.

use kernel::prelude::*;

struct S {
    a: u32,
}

fn main() {
    let _ = init!(S {
        a: 1,
        _: { let _ = 2; },
    });
}
