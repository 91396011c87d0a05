// SPDX-License-Identifier: GPL-2.0-only
//! Tells the machine whether it is built for a sanitizer, which no stable `cfg` does.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_CFG_SANITIZE").is_some() {
        println!("cargo::rustc-cfg=sanitized");
    }
}
