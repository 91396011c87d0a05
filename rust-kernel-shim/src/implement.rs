// SPDX-License-Identifier: GPL-2.0-only

//! Implementations that several types have in common.
//!
//! They stand apart from the files of the types, because the kernel's own files take those files' place
//! (`scripts/upstream`).
//!
//! C header: none.

use crate::alloc::Allocator;
use core::{alloc::Layout, marker::PhantomData, ptr::NonNull};

/// Lets a type, in which C's is all that there is, go to other threads and be shared by them.
macro_rules! c_synchronises {
    ($ty:ty $(, $($generics:tt)*)?) => {
        // SAFETY: C synchronises all access, and no type parameter has a value in it.
        unsafe impl$(<$($generics)*>)? Send for $ty {}

        // SAFETY: C synchronises all access, and no type parameter has a value in it.
        unsafe impl$(<$($generics)*>)? Sync for $ty {}
    };
}
/// Declares a kind of lock by C's functions.
macro_rules! lock_backend {
    (
        $(#[$doc:meta])* $backend:ident, $state:ident:
        $init:ident, $lock:ident, $trylock:ident, $unlock:ident, $assert:ident
    ) => {
        $(#[$doc])*
        pub struct $backend;

        // SAFETY: C's lock excludes others until it is released, and is taken again as before.
        unsafe impl $crate::sync::lock::Backend for $backend {
            type State = $crate::bindings::$state;
            type GuardState = ();

            #[inline]
            unsafe fn init(
                ptr: *mut Self::State,
                name: *const $crate::ffi::c_char,
                key: *mut $crate::bindings::lock_class_key,
            ) {
                // SAFETY: The caller says that `ptr` is valid for writes, and the others forever.
                unsafe { $crate::bindings::$init(ptr, name, key) }
            }

            #[inline]
            #[track_caller]
            unsafe fn lock(ptr: *mut Self::State) {
                // SAFETY: The caller says that the lock is initialised.
                unsafe { $crate::bindings::$lock(ptr) }
            }

            #[inline]
            unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
                // SAFETY: The caller says that the lock is initialised.
                (unsafe { $crate::bindings::$trylock(ptr) } != 0).then_some(())
            }

            #[inline]
            unsafe fn unlock(ptr: *mut Self::State, (): &()) {
                // SAFETY: The caller says that this thread holds the lock.
                unsafe { $crate::bindings::$unlock(ptr) }
            }

            #[inline]
            unsafe fn assert_is_held(ptr: *mut Self::State) {
                // SAFETY: The caller says that the lock is initialised.
                unsafe { $crate::bindings::$assert(ptr) }
            }
        }
    };
}

/// Implements for the owner of a `T` what its `Deref` leads to.
macro_rules! owner {
    ($owner:ident $(, $a:ident)?) => {
        impl<T: ?Sized $(, $a: $crate::alloc::Allocator)?> core::borrow::Borrow<T>
            for $owner<T $(, $a)?>
        {
            fn borrow(&self) -> &T {
                self
            }
        }

        $crate::implement::owner!(@fmt Display $owner $(, $a)?);
        $crate::implement::owner!(@fmt Debug $owner $(, $a)?);
    };
    (@fmt $trait:ident $owner:ident $(, $a:ident)?) => {
        impl<T: ?Sized + $crate::fmt::$trait $(, $a: $crate::alloc::Allocator)?>
            $crate::fmt::$trait for $owner<T $(, $a)?>
        {
            fn fmt(&self, f: &mut $crate::fmt::Formatter<'_>) -> $crate::fmt::Result {
                $crate::fmt::$trait::fmt(&**self, f)
            }
        }
    };
}

/// Implements [`owner!`], and initialisation in place, for the only owner of a `T`.
macro_rules! only_owner {
    ($owner:ident $(, $a:ident)?) => {
        $crate::implement::owner!($owner $(, $a)?);

        impl<T: ?Sized $(, $a: $crate::alloc::Allocator)?> core::borrow::BorrowMut<T>
            for $owner<T $(, $a)?>
        {
            fn borrow_mut(&mut self) -> &mut T {
                self
            }
        }

        impl<T: ?Sized $(, $a: $crate::alloc::Allocator)?> From<$owner<T $(, $a)?>>
            for Pin<$owner<T $(, $a)?>>
        {
            fn from(owner: $owner<T $(, $a)?>) -> Self {
                // SAFETY: Moving the owner does not move the value.
                unsafe { Pin::new_unchecked(owner) }
            }
        }

        impl<T $(, $a: $crate::alloc::Allocator + 'static)?> InPlaceWrite<T>
            for $owner<MaybeUninit<T> $(, $a)?>
        {
            type Initialized = $owner<T $(, $a)?>;

            #[inline]
            fn write_init<E>(mut self, init: impl Init<T, E>) -> Result<Self::Initialized, E> {
                // SAFETY: The memory is this owner's alone; on failure `self` is dropped as
                // `MaybeUninit`, which frees without dropping a `T`.
                unsafe { pin_init::raw_try_init(self.as_mut_ptr(), init)? };
                // SAFETY: Just initialised.
                Ok(unsafe { self.assume_init() })
            }

            #[inline]
            fn write_pin_init<E>(
                mut self,
                init: impl PinInit<T, E>,
            ) -> Result<Pin<Self::Initialized>, E> {
                // SAFETY: As above; the memory is pinned below.
                unsafe { pin_init::raw_try_init(self.as_mut_ptr(), init)? };
                // SAFETY: Just initialised.
                Ok(unsafe { self.assume_init() }.into())
            }
        }

        impl<T $(, $a: $crate::alloc::Allocator + 'static)?> InPlaceInit<T>
            for $owner<T $(, $a)?>
        {
            type PinnedSelf = Pin<Self>;

            #[inline]
            fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>, E>
            where
                E: From<AllocError>,
            {
                Self::new_uninit(flags)?.write_pin_init(init)
            }

            #[inline]
            fn try_init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self, E>
            where
                E: From<AllocError>,
            {
                Self::new_uninit(flags)?.write_init(init)
            }
        }
    };
}

/// Frees memory when it is dropped, after its contents, even if a destructor of those panics.
///
/// # Invariants
///
/// The pointer is from `A` with the layout, and nothing but this frees it.
pub(crate) struct Memory<A: Allocator>(NonNull<u8>, Layout, PhantomData<A>);

impl<A: Allocator> Memory<A> {
    /// # Safety
    ///
    /// `ptr` is from `A` with this layout, and is not used after the result is dropped.
    pub(crate) unsafe fn new<T: ?Sized>(ptr: NonNull<T>, layout: Layout) -> Self {
        // INVARIANT: The caller says that it is from `A`, and frees it nowhere else.
        Self(ptr.cast(), layout, PhantomData)
    }
}

impl<A: Allocator> Drop for Memory<A> {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is from `A` with this layout, and is not used again.
        unsafe { A::free(self.0, self.1) };
    }
}

pub(crate) use {c_synchronises, lock_backend, only_owner, owner};

/// The address of a field of `Self`, with the compiler's word that it is one: not one of a value that it
/// leads to, and aligned.
#[macro_export]
#[doc(hidden)]
macro_rules! __own_field {
    ($mutability:ident $ptr:ident $(.$field:ident)*) => {{
        if false {
            let _: usize = ::core::mem::offset_of!(Self, $($field).*);
            // SAFETY: Never runs.
            let _ = unsafe { &(*$ptr)$(.$field)* };
        }
        // SAFETY: The caller says that the pointer is valid.
        unsafe { &raw $mutability (*$ptr)$(.$field)* }
    }};
}
