// SPDX-License-Identifier: GPL-2.0-only

//! Types of which all zeroes are a value.
//!
//! C header: none.

use crate::{init_from_closure, Init};
use core::{
    cell::UnsafeCell,
    marker::{PhantomData, PhantomPinned},
    mem::{self, MaybeUninit},
    num::{NonZero, Wrapping},
    ptr::NonNull,
};

/// A type of which all zeroes are a value.
///
/// # Safety
///
/// A value may be made of bytes that are all zero.
pub unsafe trait Zeroable {
    /// An initialiser that makes all bytes zero.
    #[inline]
    fn init_zeroed() -> impl Init<Self>
    where
        Self: Sized,
    {
        init_zeroed()
    }

    /// The value whose bytes are all zero.
    #[inline]
    fn zeroed() -> Self
    where
        Self: Sized,
    {
        zeroed()
    }
}

/// A type `T` such that all zeroes are a value of `Option<T>`.
///
/// # Safety
///
/// An `Option` of it may be made of bytes that are all zero.
pub unsafe trait ZeroableOption {}

// SAFETY: That is what the trait says.
unsafe impl<T: ZeroableOption> Zeroable for Option<T> {}

/// An initialiser that makes all bytes zero.
#[inline]
pub fn init_zeroed<T: Zeroable>() -> impl Init<T> {
    let closure = |slot: *mut T| {
        // SAFETY: `slot` is valid for writes and aligned, as that of any initialiser.
        unsafe { slot.write_bytes(0, 1) };
        Ok(())
    };
    // SAFETY: All zeroes are a `T`, which nothing points to.
    unsafe { init_from_closure(closure) }
}

/// The value whose bytes are all zero.
#[inline]
pub const fn zeroed<T: Zeroable>() -> T {
    // SAFETY: All zeroes are a `T`.
    unsafe { mem::zeroed() }
}

macro_rules! all_zeroable {
    ($trait:ident: $($({$($generics:tt)*})? $type:ty,)*) => {
        // SAFETY: The comments at the types say it.
        $(unsafe impl $(<$($generics)*>)? $trait for $type {})*
    };
}

all_zeroable! { Zeroable:
    // SAFETY: Zero is a number, `false`, and the character of that number.
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, char,
    // SAFETY: There is one value, of no bytes.
    (), PhantomPinned, {T: ?Sized} PhantomData<T>,
    // SAFETY: Any bytes are a value.
    {T} MaybeUninit<T>,
    // SAFETY: In memory they are what is in them.
    {T: Zeroable + ?Sized} UnsafeCell<T>, {T: Zeroable} Wrapping<T>, {T: Zeroable, const N: usize} [T; N],
    // SAFETY: Pointers may be null; the length of a slice may be zero. (Those to traits are left
    // out: the address of a vtable may not.)
    {T} *const T, {T} *mut T, {T} *const [T], {T} *mut [T], *const str, *mut str,
}

all_zeroable! { ZeroableOption:
    // SAFETY: The language promises that the `None` of these is a null pointer.
    {T: ?Sized} &T, {T: ?Sized} &mut T, {T: ?Sized} NonNull<T>,
    // SAFETY: The language promises that the `None` of these is zero.
    NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>,
    NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>,
}

macro_rules! zeroable_tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        // SAFETY: Each part may be zero.
        unsafe impl<$first: Zeroable, $($rest: Zeroable),*> Zeroable for ($first, $($rest,)*) {}
        zeroable_tuples!($($rest)*);
    };
}

zeroable_tuples!(A B C D E F G H I J);

macro_rules! zeroable_functions {
    ($return:ident) => {};
    ($return:ident $first:ident $($rest:ident)*) => {
        all_zeroable! { ZeroableOption:
            // SAFETY: The language promises that the `None` of a function is a null pointer.
            {$return, $first, $($rest),*} fn($first, $($rest),*) -> $return,
            {$return, $first, $($rest),*} unsafe fn($first, $($rest),*) -> $return,
            {$return, $first, $($rest),*} extern "C" fn($first, $($rest),*) -> $return,
            {$return, $first, $($rest),*} unsafe extern "C" fn($first, $($rest),*) -> $return,
        }
        zeroable_functions!($return $($rest)*);
    };
}

zeroable_functions!(Return A B C D E F G H I J K L M N O P Q R S T);
