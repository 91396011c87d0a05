// SPDX-License-Identifier: GPL-2.0-only

//! A load is never fully ordered.

use kernel::sync::atomic::{Atomic, Full};

fn main() {
    let _ = Atomic::new(1u32).load(Full);
}
