// SPDX-License-Identifier: GPL-2.0-only

//! Implementations that the owners of a value, boxes and reference counts, have in common.
//!
//! C header: none.

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

        $crate::types::owner!(@fmt Display $owner $(, $a)?);
        $crate::types::owner!(@fmt Debug $owner $(, $a)?);
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
        $crate::types::owner!($owner $(, $a)?);

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

pub(crate) use {only_owner, owner};
