// SPDX-License-Identifier: GPL-2.0-only

//! Bits, and masks of bits that stand together.
//!
//! C header: [`include/linux/bits.h`](srctree/include/linux/bits.h).
//!
//! # Examples
//!
//! ```
//! use kernel::bits::{bit_u32, genmask_checked_u8, genmask_u32};
//!
//! const BUSY: u32 = bit_u32(31);
//! const LEVEL: u32 = genmask_u32(4..=6);
//! assert_eq!(BUSY | LEVEL, 0x8000_0070);
//! assert_eq!(genmask_checked_u8(3..=8), None);
//! ```
//!
//! A bit that the type does not have fails the build:
//!
//! ```compile_fail
//! const NONE: u8 = kernel::bits::bit_u8(8);
//! ```

use crate::prelude::*;
use core::ops::RangeInclusive;

macro_rules! bits {
    ($($type:ident: $checked_bit:ident, $bit:ident, $checked_mask:ident, $mask:ident;)*) => {$(
        #[doc = concat!("Bit `n` of a [`", stringify!($type), "`]; `None` if there is no such bit.")]
        #[inline]
        pub fn $checked_bit(n: u32) -> Option<$type> {
            (1 as $type).checked_shl(n)
        }

        #[doc = concat!("Bit `n` of a [`", stringify!($type), "`], which has it.")]
        #[doc(alias = "BIT")]
        #[inline(always)]
        pub const fn $bit(n: u32) -> $type {
            build_assert!(n < $type::BITS);
            1 << n
        }

        #[doc = concat!("The bits of a [`", stringify!($type), "`] in a range, its end among them; ")]
        /// `None` if it is empty, or there is one that does not exist.
        #[inline]
        pub fn $checked_mask(range: RangeInclusive<u32>) -> Option<$type> {
            let (start, end) = (*range.start(), *range.end());
            (start <= end && end < $type::BITS).then(|| mask(start, end) as $type)
        }

        #[doc = concat!("The bits of a [`", stringify!($type), "`] in a range, its end among them, ")]
        /// which is not empty and has no others.
        #[doc(alias = "GENMASK")]
        #[inline(always)]
        pub const fn $mask(range: RangeInclusive<u32>) -> $type {
            let (start, end) = (*range.start(), *range.end());
            build_assert!(start <= end);
            build_assert!(end < $type::BITS);
            mask(start, end) as $type
        }
    )*};
}

/// The bits from `start` to `end`, which is below 64.
#[inline(always)]
const fn mask(start: u32, end: u32) -> u64 {
    u64::MAX << start & u64::MAX >> (63 - end)
}

bits! {
    u64: checked_bit_u64, bit_u64, genmask_checked_u64, genmask_u64;
    u32: checked_bit_u32, bit_u32, genmask_checked_u32, genmask_u32;
    u16: checked_bit_u16, bit_u16, genmask_checked_u16, genmask_u16;
    u8: checked_bit_u8, bit_u8, genmask_checked_u8, genmask_u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_masks_of_a_byte() {
        for start in 0..10 {
            for end in 0..10 {
                let bits = || (start..=end).map(checked_bit_u8);
                let expected = bits().try_fold(0, |sum, bit| Some(sum | bit?));
                let expected = expected.filter(|_| start <= end);
                assert_eq!(genmask_checked_u8(start..=end), expected, "{start}..={end}");
                if let Some(mask) = expected {
                    assert_eq!(genmask_u8(start..=end), mask);
                }
            }
        }
        assert_eq!(genmask_u64(0..=63), u64::MAX);
        assert_eq!(bit_u64(63), 1 << 63);
    }
}
