// SPDX-License-Identifier: GPL-2.0-only

//! Every key of `module!` ends with a comma.

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
    license: "GPL"
}

fn main() {}
