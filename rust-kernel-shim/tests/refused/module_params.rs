// SPDX-License-Identifier: GPL-2.0-only

//! A parameter of a module is an integer or a bool.

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
