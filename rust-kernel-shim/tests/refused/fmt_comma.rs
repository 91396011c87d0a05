// SPDX-License-Identifier: GPL-2.0-only

//! A comma ends an argument wherever it stands.

use kernel::prelude::*;

fn pair<A, B>() -> u32 {
    1
}

fn main() {
    let _ = fmt!("{}", pair::<u8, u8>());
}
