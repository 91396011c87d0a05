// SPDX-License-Identifier: GPL-2.0-only

//! Zeroes are for what may be zero, in each field.

use pin_init::Zeroable;

#[derive(Zeroable)]
struct S {
    a: u32,
    b: Box<u32>,
}

#[derive(Zeroable)]
enum Enum {
    A,
}

fn main() {}
