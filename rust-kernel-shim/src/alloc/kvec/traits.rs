// SPDX-License-Identifier: GPL-2.0-only

//! What a vector has in common with a slice.

use super::Vec;
use crate::{
    alloc::{Allocator, Box},
    fmt,
};
use core::{
    borrow::{Borrow, BorrowMut},
    ops::{Deref, DerefMut, Index, IndexMut},
    slice::{self, SliceIndex},
};

impl<T, A: Allocator, const N: usize> From<Box<[T; N], A>> for Vec<T, A> {
    fn from(b: Box<[T; N], A>) -> Vec<T, A> {
        let elements = Box::into_raw(b);
        // SAFETY: The box passed on `N` initialised elements in memory for `N`.
        unsafe { Vec::from_raw_parts(elements.cast(), N, N) }
    }
}

impl<T, A: Allocator> Default for Vec<T, A> {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug, A: Allocator> fmt::Debug for Vec<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T, A: Allocator> Deref for Vec<T, A> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: By the invariants, that many are initialised and ours.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }
}

impl<T, A: Allocator> DerefMut for Vec<T, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let len = self.len();
        // SAFETY: By the invariants, that many are initialised and ours.
        unsafe { slice::from_raw_parts_mut(self.as_mut_ptr(), len) }
    }
}

impl<T, A: Allocator> Borrow<[T]> for Vec<T, A> {
    fn borrow(&self) -> &[T] {
        self
    }
}

impl<T, A: Allocator> BorrowMut<[T]> for Vec<T, A> {
    fn borrow_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T, I: SliceIndex<[T]>, A: Allocator> Index<I> for Vec<T, A> {
    type Output = I::Output;

    #[inline]
    fn index(&self, index: I) -> &Self::Output {
        &(**self)[index]
    }
}

impl<T, I: SliceIndex<[T]>, A: Allocator> IndexMut<I> for Vec<T, A> {
    #[inline]
    fn index_mut(&mut self, index: I) -> &mut Self::Output {
        &mut (**self)[index]
    }
}

impl<T: Eq, A: Allocator> Eq for Vec<T, A> {}

macro_rules! equal {
    ($([$($generics:tt)*] $left:ty, $right:ty;)*) => {$(
        impl<T: PartialEq<U>, U, $($generics)*> PartialEq<$right> for $left {
            #[inline]
            fn eq(&self, other: &$right) -> bool {
                self[..] == other[..]
            }
        }
    )*};
}

equal! {
    [A1: Allocator, A2: Allocator] Vec<T, A1>, Vec<U, A2>;
    [A: Allocator] Vec<T, A>, &[U];
    [A: Allocator] Vec<T, A>, &mut [U];
    [A: Allocator] &[T], Vec<U, A>;
    [A: Allocator] &mut [T], Vec<U, A>;
    [A: Allocator] Vec<T, A>, [U];
    [A: Allocator] [T], Vec<U, A>;
    [A: Allocator, const N: usize] Vec<T, A>, [U; N];
    [A: Allocator, const N: usize] Vec<T, A>, &[U; N];
}

impl<'a, T, A: Allocator> IntoIterator for &'a Vec<T, A> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T, A: Allocator> IntoIterator for &'a mut Vec<T, A> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
