// SPDX-License-Identifier: GPL-2.0-only

//! References to objects that count their own.
//!
//! C header: none; the counting is the object's affair.

use crate::{ffi::c_void, types::ForeignOwnable};
use core::{marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};

/// A type whose values always count the references to them.
///
/// # Safety
///
/// A value is not freed before as many references were dropped as taken, the first included.
pub unsafe trait AlwaysRefCounted {
    /// Takes a reference.
    fn inc_ref(&self);

    /// Drops a reference.
    ///
    /// # Safety
    ///
    /// The caller owns a reference, and does not use `obj` by it afterwards.
    unsafe fn dec_ref(obj: NonNull<Self>);
}

/// An owned reference to something that counts its references.
///
/// # Invariants
///
/// One of the references counted is this one.
pub struct ARef<T: AlwaysRefCounted> {
    ptr: NonNull<T>,
    _owns: PhantomData<T>,
}

// SAFETY: Sending a reference shares the value, and may drop it there.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Send for ARef<T> {}

// SAFETY: Sharing a reference allows cloning it, and sending the clone.
unsafe impl<T: AlwaysRefCounted + Sync + Send> Sync for ARef<T> {}

// Moving the reference does not move the value.
impl<T: AlwaysRefCounted> Unpin for ARef<T> {}

impl<T: AlwaysRefCounted> ARef<T> {
    /// Owns a reference that was counted already.
    ///
    /// # Safety
    ///
    /// The caller owns a reference, and passes it on.
    pub unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        // INVARIANT: The reference is the caller's, which hands it over.
        ARef {
            ptr,
            _owns: PhantomData,
        }
    }

    /// Passes the reference to the caller; [`Self::from_raw`] takes it back.
    pub fn into_raw(me: Self) -> NonNull<T> {
        ManuallyDrop::new(me).ptr
    }
}

impl<T: AlwaysRefCounted> Clone for ARef<T> {
    #[cfg_attr(feature = "debug", track_caller)]
    fn clone(&self) -> Self {
        ARef::from(&**self)
    }
}

impl<T: AlwaysRefCounted> Deref for ARef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant, the value is valid.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T: AlwaysRefCounted> From<&T> for ARef<T> {
    #[cfg_attr(feature = "debug", track_caller)]
    fn from(value: &T) -> Self {
        value.inc_ref();
        // SAFETY: Counted just now.
        unsafe { Self::from_raw(NonNull::from(value)) }
    }
}

impl<T: AlwaysRefCounted> Drop for ARef<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant there is one, and it is not used again.
        unsafe { T::dec_ref(self.ptr) };
    }
}

impl<T, U> PartialEq<ARef<U>> for ARef<T>
where
    T: AlwaysRefCounted + PartialEq<U>,
    U: AlwaysRefCounted,
{
    #[inline]
    fn eq(&self, other: &ARef<U>) -> bool {
        **self == **other
    }
}

impl<T: AlwaysRefCounted + Eq> Eq for ARef<T> {}

impl<T, U> PartialEq<&'_ U> for ARef<T>
where
    T: AlwaysRefCounted + PartialEq<U>,
{
    #[inline]
    fn eq(&self, other: &&U) -> bool {
        **self == **other
    }
}

// SAFETY: A reference is aligned and not null.
unsafe impl<T: AlwaysRefCounted> ForeignOwnable for ARef<T> {
    const FOREIGN_ALIGN: usize = align_of::<T>();

    type Borrowed<'a>
        = &'a T
    where
        Self: 'a;
    type BorrowedMut<'a>
        = &'a T
    where
        Self: 'a;

    #[inline]
    fn into_foreign(self) -> *mut c_void {
        ARef::into_raw(self).as_ptr().cast()
    }

    #[inline]
    unsafe fn from_foreign(ptr: *mut c_void) -> Self {
        // SAFETY: The pointer is from `into_foreign()`, so it is not null.
        let ptr = unsafe { NonNull::new_unchecked(ptr.cast()) };
        // SAFETY: The reference that C owned is the caller's again.
        unsafe { ARef::from_raw(ptr) }
    }

    #[inline]
    unsafe fn borrow<'a>(ptr: *mut c_void) -> &'a T {
        // SAFETY: The caller says that C owns the reference during 'a.
        unsafe { &*ptr.cast() }
    }

    #[inline]
    unsafe fn borrow_mut<'a>(ptr: *mut c_void) -> &'a T {
        // SAFETY: The caller says that C owns the reference during 'a.
        unsafe { <Self as ForeignOwnable>::borrow(ptr) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// Counts, and lives on the stack.
    #[derive(Debug, PartialEq)]
    struct Counted(Cell<i32>);

    // SAFETY: The tests keep it longer than any reference to it.
    unsafe impl AlwaysRefCounted for Counted {
        fn inc_ref(&self) {
            self.0.set(self.0.get() + 1);
        }

        unsafe fn dec_ref(obj: NonNull<Self>) {
            // SAFETY: It is on the stack of the test.
            let count = unsafe { &obj.as_ref().0 };
            count.set(count.get() - 1);
        }
    }

    #[test]
    fn counts_clones_and_drops() {
        let counted = Counted(Cell::new(1));
        let one = ARef::from(&counted);
        let two = one.clone();
        assert_eq!(counted.0.get(), 3);

        let raw = ARef::into_raw(two);
        assert_eq!(counted.0.get(), 3);
        // SAFETY: Given away above.
        drop(unsafe { ARef::from_raw(raw) });
        drop(one);
        assert_eq!(counted.0.get(), 1);
    }

    #[test]
    fn what_is_referred_to_is_compared() {
        let (one, same, other) = (
            Counted(Cell::new(1)),
            Counted(Cell::new(1)),
            Counted(Cell::new(5)),
        );
        let refs = [&one, &same, &other].map(ARef::from);
        assert!(refs[0] == refs[1] && refs[0] != refs[2]);
        assert!(refs[0] == &same && refs[0] != &other);
    }

    #[test]
    fn c_keeps_a_reference() {
        let counted = Counted(Cell::new(1));
        let foreign = ARef::from(&counted).into_foreign();
        // SAFETY: C keeps it until below.
        let borrow = unsafe { <ARef<Counted> as ForeignOwnable>::borrow(foreign) };
        assert_eq!(borrow.0.get(), 2);
        // SAFETY: Given away above.
        drop(unsafe { ARef::<Counted>::from_foreign(foreign) });
        assert_eq!(counted.0.get(), 1);
    }
}
