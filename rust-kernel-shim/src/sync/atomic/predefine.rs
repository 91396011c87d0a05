// SPDX-License-Identifier: GPL-2.0-only

//! The types that can be atomic.
//!
//! As in the kernel there is no unsigned byte among them.

use super::{AtomicAdd, AtomicType};
use core::ffi::c_void;

macro_rules! atomic_types {
    ($($ty:ty as $repr:ty $(, $add:ident)?;)*) => {$(
        const _: () = assert!(size_of::<$ty>() == size_of::<$repr>());
        const _: () = assert!(align_of::<$ty>() == align_of::<$repr>());

        // SAFETY: As asserted above; any bytes are a value of the integer.
        unsafe impl AtomicType for $ty {
            type Repr = $repr;
        }

        $(
            // SAFETY: In two's complement the sum has the same bytes, with a sign or without.
            unsafe impl $add<$ty> for $ty {
                fn rhs_into_delta(rhs: $ty) -> $repr {
                    // CAST: Of the same bytes.
                    rhs as $repr
                }
            }
        )?
    )*};
}

atomic_types! {
    bool as i8;
    i8 as i8;
    i16 as i16;
    i32 as i32, AtomicAdd;
    i64 as i64, AtomicAdd;
    u32 as i32, AtomicAdd;
    u64 as i64, AtomicAdd;
    isize as i64, AtomicAdd;
    usize as i64, AtomicAdd;
}

// SAFETY: A thin pointer is a pointer.
unsafe impl<T: Sized> AtomicType for *mut T {
    type Repr = *const c_void;
}

// SAFETY: A thin pointer is a pointer.
unsafe impl<T: Sized> AtomicType for *const T {
    type Repr = *const c_void;
}

#[cfg(test)]
mod tests {
    use super::super::*;

    macro_rules! for_each_type {
        ([$($ty:ty)*] |$atomic:ident, $value:ident| $body:block) => {$({
            let $value: $ty = 42;
            let $atomic = Atomic::<$ty>::new($value);
            $body
        })*};
    }

    #[test]
    fn loads_and_stores() {
        for_each_type!([i8 i16 i32 i64 u32 u64 isize usize] |atomic, value| {
            assert_eq!(atomic.load(Relaxed), value);
            atomic.store(1, Release);
            assert_eq!(atomic.load(Acquire), 1);
        });
    }

    #[test]
    fn exchanges() {
        for_each_type!([i8 i16 i32 i64 u32 u64 isize usize] |atomic, value| {
            assert_eq!(atomic.xchg(1, Full), value);
            assert_eq!(atomic.cmpxchg(2, 3, Full), Err(1));
            assert_eq!(atomic.cmpxchg(1, 3, Acquire), Ok(1));
            assert_eq!(atomic.load(Relaxed), 3);
        });
    }

    #[test]
    fn adds_and_wraps() {
        for_each_type!([i32 i64 u32 u64 isize usize] |atomic, value| {
            assert_eq!(atomic.fetch_add(1, Full), value);
            atomic.add(1, Relaxed);
            assert_eq!(atomic.fetch_sub(2, Release), value + 2);
            assert_eq!(atomic.load(Relaxed), value);
        });
        let most = Atomic::new(u32::MAX);
        assert_eq!(most.fetch_add(2, Relaxed), u32::MAX);
        assert_eq!(most.load(Relaxed), 1);
    }

    #[test]
    fn flags_and_pointers() {
        let mut flag = AtomicFlag::new(false);
        *flag.get_mut() = true;
        assert_eq!(flag.cmpxchg(true, false, Full), Ok(true));
        assert_eq!(flag.cmpxchg(true, false, Full), Err(false));
        assert!(!flag.xchg(true, Relaxed));

        let boolean = Atomic::new(false);
        assert!(!boolean.xchg(true, Full));

        let (mut one, mut two) = (1, 2);
        let pointer = Atomic::new(&raw mut one);
        assert_eq!(pointer.xchg(&raw mut two, Full), &raw mut one);
        assert_eq!(pointer.load(Acquire), &raw mut two);
    }

    #[test]
    fn what_c_owns() {
        let mut value = 1u32;
        let ptr = &raw mut value;
        // SAFETY: The value outlives this, and no other thread knows of it.
        unsafe {
            atomic_store(ptr, 2, Release);
            assert_eq!(atomic_load(ptr, Acquire), 2);
            assert_eq!(xchg(ptr, 3, Full), 2);
            assert_eq!(cmpxchg(ptr, 3, 4, Full), Ok(3));
        }
        assert_eq!(value, 4);
    }
}
