// SPDX-License-Identifier: GPL-2.0-only

//! There is no atomic byte without a sign.

use kernel::sync::atomic::Atomic;

fn main() {
    let _ = Atomic::new(1u8);
}
