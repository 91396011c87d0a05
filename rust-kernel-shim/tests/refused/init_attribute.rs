// SPDX-License-Identifier: GPL-2.0-only

//! Attributes on initialised fields would not compile with pinned-init.

use kernel::prelude::*;

struct S {
    a: u32,
}

fn main() {
    let _ = init!(S {
        #[cfg(all())]
        a: 1,
    });
}
