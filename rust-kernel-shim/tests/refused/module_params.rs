// SPDX-License-Identifier: GPL-2.0-only

//! Parameters of a module are the kernel's only, so far.

use kernel::prelude::*;

struct M;

module! {
    type: M,
    name: "m",
    license: "GPL",
    params: {
        rate: f32 {
            default: 1.0,
            description: "Has no operations",
        },
    },
}

fn main() {}
