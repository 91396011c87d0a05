// SPDX-License-Identifier: GPL-2.0-only

//! There are no bitwise operations.

use kernel::sync::atomic::{Atomic, Full};

fn main() {
    let _ = Atomic::new(1u32).fetch_or(1, Full);
}
