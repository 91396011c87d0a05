// SPDX-License-Identifier: GPL-2.0-only

//! The type given to `module!` is a module.

use kernel::prelude::*;

struct M;

module! {
    type: M,
    name: "m",
    license: "GPL",
}

fn main() {}
