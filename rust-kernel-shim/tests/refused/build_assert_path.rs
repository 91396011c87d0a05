// SPDX-License-Identifier: GPL-2.0-only

//! `build_assert!` is in its module, not at the root.

fn main() {
    kernel::build_assert!(true);
}
