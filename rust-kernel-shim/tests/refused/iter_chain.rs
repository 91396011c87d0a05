// SPDX-License-Identifier: GPL-2.0-only

//! `Iterator::chain` is not the only `chain` where the prelude is: the page of it says so.

use kernel::prelude::*;

fn main() {
    let (old, new) = ([1, 2], [3]);
    let _ = old.iter().chain(&new).count();
}
