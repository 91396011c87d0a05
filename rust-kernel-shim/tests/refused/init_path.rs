// SPDX-License-Identifier: GPL-2.0-only

//! A path as the type would not compile with pinned-init.

use kernel::prelude::*;

mod m {
    pub struct S {
        pub a: u32,
    }
}

fn main() {
    let _ = init!(m::S { a: 1 });
}
