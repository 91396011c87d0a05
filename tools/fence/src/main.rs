// SPDX-License-Identifier: GPL-2.0-only
//! The command `fence`.
#![forbid(unsafe_code)]

fn main() {}
