// SPDX-License-Identifier: GPL-2.0-only

//! Values as bytes, and bytes as values.
//!
//! C header: none.

/// A type of which all bytes make a value.
///
/// # Safety
///
/// Each sequence of initialised bytes that is as long as a value is one, and the type has no
/// interior mutability.
///
/// # Examples
///
/// ```
/// use kernel::transmute::FromBytes;
///
/// let bytes = [1, 0, 0, 0, 7];
/// let (header, rest) = u32::from_bytes_copy_prefix(&bytes).ok_or(EINVAL)?;
/// assert_eq!((header.to_le(), rest), (1, &[7][..]));
/// assert!(u32::from_bytes_copy(&bytes).is_none());
/// # use kernel::prelude::*;
/// # Ok::<(), Error>(())
/// ```
pub unsafe trait FromBytes {
    /// The bytes as a value; `None` if they are more or fewer, or not aligned for it.
    fn from_bytes(bytes: &[u8]) -> Option<&Self>
    where
        Self: Sized,
    {
        let value = bytes.as_ptr().cast::<Self>();
        (bytes.len() == size_of::<Self>() && value.is_aligned()).then(|| {
            // SAFETY: Aligned, and as long as a value; so it is one, says the trait.
            unsafe { &*value }
        })
    }

    /// The first bytes as a value, and the others; `None` if there are too few, or they are not
    /// aligned for it.
    fn from_bytes_prefix(bytes: &[u8]) -> Option<(&Self, &[u8])>
    where
        Self: Sized,
    {
        let (value, rest) = bytes.split_at_checked(size_of::<Self>())?;
        Some((Self::from_bytes(value)?, rest))
    }

    /// As [`from_bytes`](Self::from_bytes), to be changed: what is written through the value are
    /// bytes again.
    fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut Self>
    where
        Self: AsBytes + Sized,
    {
        let value = bytes.as_mut_ptr().cast::<Self>();
        (bytes.len() == size_of::<Self>() && value.is_aligned()).then(|| {
            // SAFETY: Aligned, and as long as a value; so it is one, says the trait. What takes its
            // place has no uninitialised bytes, says the other.
            unsafe { &mut *value }
        })
    }

    /// As [`from_bytes_prefix`](Self::from_bytes_prefix), to be changed.
    fn from_bytes_mut_prefix(bytes: &mut [u8]) -> Option<(&mut Self, &mut [u8])>
    where
        Self: AsBytes + Sized,
    {
        let (value, rest) = bytes.split_at_mut_checked(size_of::<Self>())?;
        Some((Self::from_bytes_mut(value)?, rest))
    }

    /// A copy of the bytes as a value, aligned or not; `None` if they are more or fewer.
    fn from_bytes_copy(bytes: &[u8]) -> Option<Self>
    where
        Self: Sized,
    {
        (bytes.len() == size_of::<Self>()).then(|| {
            // SAFETY: As long as a value; so it is one, says the trait.
            unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
        })
    }

    /// A copy of the first bytes as a value, and the others; `None` if there are too few.
    fn from_bytes_copy_prefix(bytes: &[u8]) -> Option<(Self, &[u8])>
    where
        Self: Sized,
    {
        let (value, rest) = bytes.split_at_checked(size_of::<Self>())?;
        Some((Self::from_bytes_copy(value)?, rest))
    }
}

/// A type whose values are initialised bytes throughout: without padding.
///
/// # Safety
///
/// No byte of a value is ever uninitialised, and the type has no interior mutability.
///
/// # Examples
///
/// ```
/// use kernel::transmute::AsBytes;
///
/// let mut words = [0u16; 2];
/// words.as_bytes_mut()[..2].fill(0xff);
/// assert_eq!(words, [0xffff, 0]);
/// assert_eq!(words.as_bytes().len(), 4);
/// ```
pub unsafe trait AsBytes {
    /// The bytes of a value.
    fn as_bytes(&self) -> &[u8] {
        let bytes = core::ptr::from_ref(self).cast();
        // SAFETY: A value has so many bytes, which are initialised and do not change, says the trait.
        unsafe { core::slice::from_raw_parts(bytes, size_of_val(self)) }
    }

    /// The bytes of a value, to be changed: whatever they become, it is a value.
    fn as_bytes_mut(&mut self) -> &mut [u8]
    where
        Self: FromBytes,
    {
        let (bytes, len) = (core::ptr::from_mut(self).cast(), size_of_val(self));
        // SAFETY: As in `as_bytes()`; and what is written is a value too, says the other trait.
        unsafe { core::slice::from_raw_parts_mut(bytes, len) }
    }
}

macro_rules! implement {
    ($trait:ident: $($({$($generics:tt)*})? $type:ty;)*) => {
        // SAFETY: Stated where the types are listed.
        $( unsafe impl$(<$($generics)+>)? $trait for $type {} )*
    };
}

// The first two have no bytes, an integer has no padding and takes all, and an array has no more
// than its elements.
implement! {
    FromBytes:
    ();
    {T} core::marker::PhantomData<T>;
    u8; u16; u32; u64; usize;
    i8; i16; i32; i64; isize;
    {T: FromBytes} [T];
    {T: FromBytes, const N: usize} [T; N];
    // Of integers, without padding.
    uapi::drm_nova_getparam; uapi::drm_nova_gem_create; uapi::drm_nova_gem_info;
}

// The same, and those that do not take all bytes.
implement! {
    AsBytes:
    ();
    {T} core::marker::PhantomData<T>;
    u8; u16; u32; u64; usize;
    i8; i16; i32; i64; isize;
    bool; char; str;
    {T: AsBytes} [T];
    {T: AsBytes, const N: usize} [T; N];
    uapi::drm_nova_getparam; uapi::drm_nova_gem_create; uapi::drm_nova_gem_info;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_bytes_that_fit() {
        #[repr(align(4))]
        struct Aligned([u8; 8]);
        let mut memory = Aligned([0xff; 8]);
        let bytes = &mut memory.0;
        assert_eq!(u32::from_bytes(&bytes[..4]), Some(&u32::MAX));
        assert_eq!(u32::from_bytes(&bytes[1..5]), None);
        assert_eq!(u32::from_bytes(&bytes[..5]), None);
        assert_eq!(u32::from_bytes_copy(&bytes[1..5]), Some(u32::MAX));
        assert_eq!(u64::from_bytes_copy_prefix(&bytes[1..]), None);
        let (value, rest) = u32::from_bytes_mut_prefix(bytes).unwrap();
        *value = 0;
        assert_eq!(rest, [0xff; 4]);
        assert_eq!(bytes[..5], [0, 0, 0, 0, 0xff]);
        assert!(u32::from_bytes_mut(&mut bytes[2..6]).is_none());
        assert!(u32::from_bytes_prefix(&bytes[..3]).is_none());
        assert_eq!(<str as AsBytes>::as_bytes("ab"), [97, 98]);
    }
}
