// SPDX-License-Identifier: GPL-2.0-only
//! Links the kernel's C, of which `scripts/bench` makes a library.

fn main() {
    println!("cargo:rerun-if-env-changed=FENCE_BENCH_PEER");
    if std::env::var_os("CARGO_FEATURE_PEER").is_none() {
        return;
    }
    let library = std::env::var("FENCE_BENCH_PEER").expect("scripts/bench names the library");
    println!("cargo:rustc-link-search=native={library}");
    println!("cargo:rerun-if-changed={library}/libpeer.a");
    println!("cargo:rustc-link-lib=static=peer");
    for path in std::env::var("FENCE_BENCH_URCU").iter() {
        println!("cargo:rustc-link-search=native={path}");
    }
    println!("cargo:rustc-link-lib=static=urcu-memb");
    println!("cargo:rustc-link-lib=static=urcu-common");
}
