// SPDX-License-Identifier: GPL-2.0-only

//! An implementation of a `#[vtable]` trait needs the attribute too.

use kernel::prelude::*;

#[vtable]
trait Ops {
    fn run(&self) {}
}

struct S;

impl Ops for S {}

fn main() {}
