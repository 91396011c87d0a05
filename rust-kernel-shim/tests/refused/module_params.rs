// SPDX-License-Identifier: GPL-2.0-only

//! Parameters of a module are the kernel's only, so far.

use kernel::prelude::*;

struct M;

module! {
    type: M,
    name: "m",
    license: "GPL",
    params: {},
}

fn main() {}
