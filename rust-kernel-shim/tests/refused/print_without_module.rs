// SPDX-License-Identifier: GPL-2.0-only

//! The printing macros want the prefix that `module!` defines.

use kernel::prelude::*;

fn main() {
    pr_info!("hello\n");
}
