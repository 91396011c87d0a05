// SPDX-License-Identifier: GPL-2.0-only

//! Integers.
//!
//! C header: none.

use core::ops;

mod bounded;

pub use bounded::{Bounded, TryIntoBounded};

/// Of integers without a sign.
pub enum Unsigned {}

/// Of integers with a sign.
pub enum Signed {}

mod private {
    pub trait Sealed {}
}

macro_rules! integer {
    ($($bound:path),*; $($signedness:ident: $($type:ty)*;)*) => {
        /// An integer of the language.
        pub trait Integer:
            private::Sealed + Copy + Ord $(+ $bound)* + ops::Not
        {
            /// [`Signed`] or [`Unsigned`].
            type Signedness;

            /// The number of bits.
            const BITS: u32;
        }

        $($(
            impl private::Sealed for $type {}

            impl Integer for $type {
                type Signedness = $signedness;

                const BITS: u32 = <$type>::BITS;
            }
        )*)*
    };
}

integer! {
    ops::Add<Output = Self>, ops::AddAssign, ops::Sub<Output = Self>, ops::SubAssign,
    ops::Mul<Output = Self>, ops::MulAssign, ops::Div<Output = Self>, ops::DivAssign,
    ops::Rem<Output = Self>, ops::RemAssign,
    ops::BitAnd<Output = Self>, ops::BitAndAssign, ops::BitOr<Output = Self>, ops::BitOrAssign,
    ops::BitXor<Output = Self>, ops::BitXorAssign,
    ops::Shl<u32, Output = Self>, ops::ShlAssign<u32>, ops::Shr<u32, Output = Self>, ops::ShrAssign<u32>;
    Unsigned: u8 u16 u32 u64 u128 usize;
    Signed: i8 i16 i32 i64 i128 isize;
}
