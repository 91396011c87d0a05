// SPDX-License-Identifier: GPL-2.0-only

//! Sizes that have a name.
//!
//! C header: [`include/linux/sizes.h`](srctree/include/linux/sizes.h).
//!
//! # Examples
//!
//! ```
//! use kernel::sizes::{SizeConstants, SZ_1M, SZ_4K};
//!
//! assert_eq!(SZ_1M / SZ_4K, 256);
//! assert_eq!(u64::SZ_1M, 1 << 20);
//! ```

use crate::bindings;

/// Declares the constants, and [`SizeConstants`] for types.
macro_rules! sizes {
    ([$($type:ty)*] $($name:ident, $text:literal;)*) => {
        $(
            #[doc = concat!($text, ", in bytes.")]
            // CAST: It fits.
            pub const $name: usize = bindings::$name as usize;
        )*

        /// The sizes as constants of a type that has room for all of them.
        pub trait SizeConstants {
            $(
                #[doc = concat!($text, ", in bytes.")]
                const $name: Self;
            )*
        }

        sizes!(@impl [$($type)*] [$($name)*]);
    };
    (@impl [$($type:ty)*] $names:tt) => {$( sizes!(@one $type, $names); )*};
    (@one $type:ty, [$($name:ident)*]) => {
        impl SizeConstants for $type {
            // CAST: The largest fits into 32 bits.
            $( const $name: Self = $name as $type; )*
        }
    };
}

sizes! {
    [u32 u64 usize]
    SZ_1K, "One KiB";
    SZ_2K, "Two KiB";
    SZ_4K, "Four KiB";
    SZ_8K, "Eight KiB";
    SZ_16K, "16 KiB";
    SZ_32K, "32 KiB";
    SZ_64K, "64 KiB";
    SZ_128K, "128 KiB";
    SZ_256K, "256 KiB";
    SZ_512K, "512 KiB";
    SZ_1M, "One MiB";
    SZ_2M, "Two MiB";
    SZ_4M, "Four MiB";
    SZ_8M, "Eight MiB";
    SZ_16M, "16 MiB";
    SZ_32M, "32 MiB";
    SZ_64M, "64 MiB";
    SZ_128M, "128 MiB";
    SZ_256M, "256 MiB";
    SZ_512M, "512 MiB";
    SZ_1G, "One GiB";
    SZ_2G, "Two GiB";
}
