// SPDX-License-Identifier: GPL-2.0-only

//! The pages that memory of [`Vmalloc`] is made of.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h).

use super::Vmalloc;
use crate::page::{BorrowedPage, PAGE_SIZE};
use core::{marker::PhantomData, ptr::NonNull};

/// Goes over the pages of memory of [`Vmalloc`].
///
/// # Invariants
///
/// `buf` is memory of [`Vmalloc`] with `size` bytes, and is valid during `'a`.
pub struct VmallocPageIter<'a> {
    buf: NonNull<u8>,
    size: usize,
    /// The page that is next.
    index: usize,
    _pages: PhantomData<BorrowedPage<'a>>,
}

impl<'a> VmallocPageIter<'a> {
    /// Goes over the pages of `buf`, which has `size` bytes.
    ///
    /// # Safety
    ///
    /// It is memory of [`Vmalloc`], with as many bytes, and is valid during `'a`.
    pub unsafe fn new(buf: NonNull<u8>, size: usize) -> Self {
        // INVARIANT: The caller says so.
        let (index, _pages) = (0, PhantomData);
        VmallocPageIter {
            buf,
            size,
            index,
            _pages,
        }
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of pages.
    #[inline]
    pub fn page_count(&self) -> usize {
        self.size.div_ceil(PAGE_SIZE)
    }
}

impl<'a> Iterator for VmallocPageIter<'a> {
    type Item = BorrowedPage<'a>;

    fn next(&mut self) -> Option<BorrowedPage<'a>> {
        if self.index == self.page_count() {
            return None;
        }
        // SAFETY: It starts within the memory.
        let page = unsafe { self.buf.add(self.index * PAGE_SIZE) };
        self.index += 1;
        // SAFETY: By the invariant it is in memory of `Vmalloc`, which is valid during `'a`.
        Some(unsafe { Vmalloc::to_page(page) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.page_count() - self.index;
        (left, Some(left))
    }
}
