// SPDX-License-Identifier: GPL-2.0-only
//! Sizes that have a name.
//!
//! C header: [`include/linux/sizes.h`](srctree/include/linux/sizes.h)

use crate::ffi::c_uint;

macro_rules! sizes {
    ($($name:ident = $value:expr, $text:literal;)*) => {$(
        #[doc = concat!($text, ", in bytes.")]
        pub const $name: c_uint = $value;
    )*};
}

sizes! {
    SZ_1K = 1 << 10, "One KiB";
    SZ_2K = 2 << 10, "Two KiB";
    SZ_4K = 4 << 10, "Four KiB";
    SZ_8K = 8 << 10, "Eight KiB";
    SZ_16K = 16 << 10, "16 KiB";
    SZ_32K = 32 << 10, "32 KiB";
    SZ_64K = 64 << 10, "64 KiB";
    SZ_128K = 128 << 10, "128 KiB";
    SZ_256K = 256 << 10, "256 KiB";
    SZ_512K = 512 << 10, "512 KiB";
    SZ_1M = 1 << 20, "One MiB";
    SZ_2M = 2 << 20, "Two MiB";
    SZ_4M = 4 << 20, "Four MiB";
    SZ_8M = 8 << 20, "Eight MiB";
    SZ_16M = 16 << 20, "16 MiB";
    SZ_32M = 32 << 20, "32 MiB";
    SZ_64M = 64 << 20, "64 MiB";
    SZ_128M = 128 << 20, "128 MiB";
    SZ_256M = 256 << 20, "256 MiB";
    SZ_512M = 512 << 20, "512 MiB";
    SZ_1G = 1 << 30, "One GiB";
    SZ_2G = 2 << 30, "Two GiB";
}
