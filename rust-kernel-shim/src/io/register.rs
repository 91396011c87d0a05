// SPDX-License-Identifier: GPL-2.0-only

//! Registers with names, places and fields.
//!
//! C header: none.
//!
//! [`register!`](crate::register) declares them, each a type of its own. There are those of a fixed place,
//! those of a place from a base, of which there may be several, and arrays of both.
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     faux,
//!     io::{register, register::{Array, RegisterBase, WithBase}, Io},
//!     prelude::*,
//!     sync::{atomic::{Atomic, Relaxed}, Arc},
//!     testing::{IoRegion, Registers},
//! };
//!
//! register! {
//!     /// What is to be done.
//!     pub COMMAND(u32) @ 0x0 {
//!         31:31 start => bool;
//!         7:4 ring;
//!         3:0 kind;
//!     }
//!
//!     /// The same, as one number.
//!     pub COMMAND_RAW(u32) => COMMAND {
//!         31:0 all;
//!     }
//!
//!     /// What each engine does.
//!     pub STATE(u32)[2] @ Engines + 0x4 {
//!         0:0 busy => bool;
//!     }
//! }
//!
//! /// Whose registers are in several places.
//! pub struct Engines;
//!
//! struct Copy;
//!
//! impl RegisterBase<Engines> for Copy {
//!     const BASE: usize = 0x8;
//! }
//!
//! /// Memory.
//! struct Device([Atomic<u32>; 5]);
//!
//! impl Registers for Device {
//!     fn read(&self, offset: usize, _size: usize) -> u64 {
//!         self.0[offset / 4].load(Relaxed).into()
//!     }
//!
//!     fn write(&self, offset: usize, _size: usize, value: u64) {
//!         self.0[offset / 4].store(value as u32, Relaxed);
//!     }
//! }
//!
//! let device = Arc::new(Device([const { Atomic::new(0) }; 5]), GFP_KERNEL)?;
//! let faux = faux::Registration::new(c"gpu", None)?;
//! let region = IoRegion::new(20, device)?;
//! let io = &region.request(faux.as_ref().as_ref()).iomap_sized::<20>()?;
//!
//! io.write_reg(COMMAND::zeroed().with_start(true).with_const_ring::<3>().try_with_kind(9_u32)?);
//! assert_eq!(io.read(COMMAND_RAW).all().get(), 0x8000_0039);
//! io.update(COMMAND, |command| command.with_start(false));
//! assert_eq!(io.read(COMMAND).ring().get(), 3);
//! assert_eq!(COMMAND::zeroed().try_with_kind(16_u32), Err(EOVERFLOW));
//!
//! io.write(STATE::of::<Copy>().at(1), STATE::zeroed().with_busy(true));
//! assert_eq!(io.read32(0x10), 1);
//! assert!(STATE::of::<Copy>().try_at(2).is_none());
//! # Ok::<(), Error>(())
//! ```

use super::{IoLoc, Region};
use crate::build_assert::build_assert;
use core::marker::PhantomData;

/// A register.
pub trait Register: Sized {
    /// The integer that it is.
    type Storage: Into<Self> + From<Self>;

    /// Its offset: from the base, if it has one; of the first, if it is an array.
    const OFFSET: usize;
}

/// A register of a fixed place.
pub trait FixedRegister: Register {}

/// What a family of registers is relative to.
pub trait RegisterBase<T> {
    /// The offset from which theirs count.
    const BASE: usize;
}

/// Registers relative to a base.
pub trait WithBase {
    /// The family of bases.
    type BaseFamily;

    /// The place from the base `B`.
    #[inline(always)]
    fn of<B: RegisterBase<Self::BaseFamily>>() -> RelativeRegisterLoc<Self, B>
    where
        Self: Register,
    {
        RelativeRegisterLoc::new()
    }
}

/// A register relative to a base.
pub trait RelativeRegister: Register + WithBase {}

/// An array of registers.
pub trait RegisterArray: Register {
    /// How many.
    const SIZE: usize;
    /// How many bytes there are from one to the next.
    const STRIDE: usize;
}

/// An array of registers of a fixed place.
pub trait Array {
    /// The place of one; the build fails unless the index is known to be within.
    #[inline(always)]
    fn at(idx: usize) -> RegisterArrayLoc<Self>
    where
        Self: RegisterArray,
    {
        RegisterArrayLoc::new(idx)
    }

    /// The place of one, if there are so many.
    #[inline(always)]
    fn try_at(idx: usize) -> Option<RegisterArrayLoc<Self>>
    where
        Self: RegisterArray,
    {
        RegisterArrayLoc::try_new(idx)
    }
}

/// An array of registers relative to a base.
pub trait RelativeRegisterArray: RegisterArray + WithBase {}

/// Implements a place in registers of any size.
macro_rules! location {
    ({$($generics:tt)*} $location:ty, $register:ident: $bound:path, |$this:ident| $offset:expr) => {
        impl<const SIZE: usize, $register: $bound, $($generics)*> IoLoc<Region<SIZE>, $register> for $location {
            type IoType = $register::Storage;

            #[inline(always)]
            fn offset(self) -> usize {
                let $this = self;
                $offset
            }
        }
    };
}

/// The place of a register that is fixed.
pub struct FixedRegisterLoc<T: FixedRegister>(PhantomData<T>);

impl<T: FixedRegister> FixedRegisterLoc<T> {
    /// The place of `T`.
    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

// A value, or nothing at all, says the place of its type.
location!({} FixedRegisterLoc<T>, T: FixedRegister, |_this| T::OFFSET);
location!({} T, T: FixedRegister, |_this| T::OFFSET);
location!({} (), T: FixedRegister, |_this| T::OFFSET);

/// The place of a register, or of an array, from the base `B`.
pub struct RelativeRegisterLoc<T: WithBase + ?Sized, B: ?Sized>(PhantomData<T>, PhantomData<B>);

impl<T: Register + WithBase, B: RegisterBase<T::BaseFamily> + ?Sized> RelativeRegisterLoc<T, B> {
    const OFFSET: usize = B::BASE + T::OFFSET;

    /// The place of `T`.
    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData, PhantomData)
    }
}

impl<T: RelativeRegisterArray, B: RegisterBase<T::BaseFamily> + ?Sized> RelativeRegisterLoc<T, B> {
    /// The place of one; the build fails unless the index is known to be within.
    #[inline(always)]
    pub fn at(self, idx: usize) -> RelativeRegisterArrayLoc<T, B> {
        RelativeRegisterArrayLoc::new(idx)
    }

    /// The place of one, if there are so many.
    #[inline(always)]
    pub fn try_at(self, idx: usize) -> Option<RelativeRegisterArrayLoc<T, B>> {
        RelativeRegisterArrayLoc::try_new(idx)
    }
}

location!({B: RegisterBase<T::BaseFamily> + ?Sized} RelativeRegisterLoc<T, B>, T: RelativeRegister, |_this| Self::OFFSET);

/// The place of one register of an array.
pub struct RegisterArrayLoc<T: RegisterArray>(usize, PhantomData<T>);

impl<T: RegisterArray> RegisterArrayLoc<T> {
    /// The place of one; the build fails unless the index is known to be within.
    #[inline(always)]
    pub fn new(idx: usize) -> Self {
        build_assert!(idx < T::SIZE);
        Self(idx, PhantomData)
    }

    /// The place of one, if there are so many.
    #[inline(always)]
    pub fn try_new(idx: usize) -> Option<Self> {
        (idx < T::SIZE).then_some(Self(idx, PhantomData))
    }
}

location!({} RegisterArrayLoc<T>, T: RegisterArray, |this| T::OFFSET + this.0 * T::STRIDE);

/// The place of one register of an array, from the base `B`.
pub struct RelativeRegisterArrayLoc<
    T: RelativeRegisterArray,
    B: RegisterBase<T::BaseFamily> + ?Sized,
>(usize, RelativeRegisterLoc<T, B>);

impl<T: RelativeRegisterArray, B: RegisterBase<T::BaseFamily> + ?Sized>
    RelativeRegisterArrayLoc<T, B>
{
    /// The place of one; the build fails unless the index is known to be within.
    #[inline(always)]
    pub fn new(idx: usize) -> Self {
        build_assert!(idx < T::SIZE);
        Self(idx, RelativeRegisterLoc::new())
    }

    /// The place of one, if there are so many.
    #[inline(always)]
    pub fn try_new(idx: usize) -> Option<Self> {
        (idx < T::SIZE).then_some(Self(idx, RelativeRegisterLoc::new()))
    }
}

location!(
    {B: RegisterBase<T::BaseFamily> + ?Sized} RelativeRegisterArrayLoc<T, B>,
    T: RelativeRegisterArray,
    |this| RelativeRegisterLoc::<T, B>::OFFSET + this.0 * T::STRIDE
);

/// A value with the place where it is to be written.
pub trait LocatedRegister<Base: ?Sized> {
    /// The value.
    type Value: Register;
    /// The place.
    type Location: IoLoc<Base, Self::Value>;

    /// Both.
    fn into_io_op(self) -> (Self::Location, Self::Value);
}

impl<const SIZE: usize, T: FixedRegister> LocatedRegister<Region<SIZE>> for T {
    type Value = T;
    type Location = FixedRegisterLoc<T>;

    #[inline(always)]
    fn into_io_op(self) -> (FixedRegisterLoc<T>, T) {
        (FixedRegisterLoc::new(), self)
    }
}

/// Declares registers.
///
/// Each is `NAME(integer) PLACE { fields }`, with the fields of [`bitfield!`](crate::bitfield). The place
/// is one of these, where `[size]` may be `[size, stride = bytes]`:
///
/// - `@ 0x10`: fixed; `[4] @ 0x10`: an array.
/// - `@ Base + 0x10`, `[4] @ Base + 0x10`: from each type that is a [`RegisterBase<Base>`](RegisterBase).
/// - `=> OTHER`, `=> OTHER[2]`, `=> Base + OTHER`, `=> Base + OTHER[2]`: that of another one, with other
///   fields.
///
/// See [`io::register`](mod@crate::io::register) for examples.
#[macro_export]
macro_rules! register {
    // Done.
    () => {};

    // An array's stride is the size of its integer unless it is given.
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty) [$size:expr] @ $($rest:tt)*
    ) => {
        $crate::register! {
            $(#[$attr])* $vis $name($storage)
                [$size, stride = ::core::mem::size_of::<$storage>()] @ $($rest)*
        }
    };

    // Arrays.
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty) [$size:expr, stride = $stride:expr]
            @ $offset:literal { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@type [$(#[$attr])*] $vis $name $storage { $($fields)* } $offset);
        $crate::register!(@array $name $storage [$size, $stride]);
        impl $crate::io::register::Array for $name {}
        $crate::register! { $($rest)* }
    };
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty) [$size:expr, stride = $stride:expr]
            @ $base:ident + $offset:literal { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@type [$(#[$attr])*] $vis $name $storage { $($fields)* } $offset);
        $crate::register!(@array $name $storage [$size, $stride]);
        impl $crate::io::register::WithBase for $name {
            type BaseFamily = $base;
        }
        impl $crate::io::register::RelativeRegisterArray for $name {}
        $crate::register! { $($rest)* }
    };

    // Places of their own.
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            @ $offset:literal { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@fixed [$(#[$attr])*] $vis $name $storage { $($fields)* } $offset);
        $crate::register! { $($rest)* }
    };
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            @ $base:ident + $offset:literal { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@relative [$(#[$attr])*] $vis $name $storage { $($fields)* } $base, $offset);
        $crate::register! { $($rest)* }
    };

    // Places of others.
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            => $base:ident + $other:ident [$idx:expr] { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@relative [$(#[$attr])*] $vis $name $storage { $($fields)* }
            $base, $crate::register!(@place $other [$idx]));
        $crate::register!(@index $other [$idx]);
        $crate::register! { $($rest)* }
    };
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            => $base:ident + $other:ident { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@relative [$(#[$attr])*] $vis $name $storage { $($fields)* }
            $base, <$other as $crate::io::register::Register>::OFFSET);
        $crate::register! { $($rest)* }
    };
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            => $other:ident [$idx:expr] { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@fixed [$(#[$attr])*] $vis $name $storage { $($fields)* }
            $crate::register!(@place $other [$idx]));
        $crate::register!(@index $other [$idx]);
        $crate::register! { $($rest)* }
    };
    (
        $(#[$attr:meta])* $vis:vis $name:ident($storage:ty)
            => $($other:ident)::+ { $($fields:tt)* } $($rest:tt)*
    ) => {
        $crate::register!(@fixed [$(#[$attr])*] $vis $name $storage { $($fields)* }
            <$($other)::+ as $crate::io::register::Register>::OFFSET);
        $crate::register! { $($rest)* }
    };

    (@index $array:ident [$idx:expr]) => {
        const _: () =
            ::core::assert!($idx < <$array as $crate::io::register::RegisterArray>::SIZE);
    };

    (@place $array:ident [$idx:expr]) => {{
        <$array as $crate::io::register::Register>::OFFSET
            + $idx * <$array as $crate::io::register::RegisterArray>::STRIDE
    }};

    (@type [$($attr:tt)*] $vis:vis $name:ident $storage:ty { $($fields:tt)* } $offset:expr) => {
        $crate::bitfield! { $($attr)* $vis struct $name($storage) { $($fields)* } }

        impl $crate::io::register::Register for $name {
            type Storage = $storage;

            const OFFSET: usize = $offset;
        }
    };

    (@fixed [$($attr:tt)*] $vis:vis $name:ident $storage:ty { $($fields:tt)* } $offset:expr) => {
        $crate::register!(@type [$($attr)*] $vis $name $storage { $($fields)* } $offset);

        impl $crate::io::register::FixedRegister for $name {}

        $($attr)*
        #[allow(dead_code)]
        $vis const $name: $crate::io::register::FixedRegisterLoc<$name> =
            $crate::io::register::FixedRegisterLoc::new();
    };

    (@relative [$($attr:tt)*] $vis:vis $name:ident $storage:ty { $($fields:tt)* } $base:ident, $offset:expr) => {
        $crate::register!(@type [$($attr)*] $vis $name $storage { $($fields)* } $offset);

        impl $crate::io::register::WithBase for $name {
            type BaseFamily = $base;
        }

        impl $crate::io::register::RelativeRegister for $name {}
    };

    (@array $name:ident $storage:ty [$size:expr, $stride:expr]) => {
        const _: () = ::core::assert!(::core::mem::size_of::<$storage>() <= $stride);

        impl $crate::io::register::RegisterArray for $name {
            const SIZE: usize = $size;
            const STRIDE: usize = $stride;
        }
    };
}
