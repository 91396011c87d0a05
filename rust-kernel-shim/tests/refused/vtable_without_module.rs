// SPDX-License-Identifier: GPL-2.0-only

//! `#[vtable]` wants the type that `module!` defines.

use kernel::prelude::*;

#[vtable]
trait Ops {
    fn run(&self) {}
}

struct S;

#[vtable]
impl Ops for S {}

fn main() {}
