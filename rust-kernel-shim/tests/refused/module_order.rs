// SPDX-License-Identifier: GPL-2.0-only

//! The keys of `module!` have an order.

use kernel::prelude::*;

struct M;

impl kernel::Module for M {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(M)
    }
}

module! {
    type: M,
    name: "m",
    license: "GPL",
    description: "out of order",
}

fn main() {}
