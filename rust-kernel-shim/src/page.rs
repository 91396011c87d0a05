// SPDX-License-Identifier: GPL-2.0-only

//! Pages of memory.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h).
//!
//! What user space maps is not here.

use crate::{
    alloc::{AllocError, Flags},
    bindings,
    error::{code::EINVAL, Result},
    uaccess::UserSliceReader,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{self, NonNull},
};

/// The size of a page is two to the power of this.
pub const PAGE_SHIFT: usize = bindings::PAGE_SHIFT as usize;

/// The size of a page, in bytes.
pub const PAGE_SIZE: usize = bindings::PAGE_SIZE;

/// The bits of an address that say in which page it is.
pub const PAGE_MASK: usize = !(PAGE_SIZE - 1);

/// The start of the next page, or the address itself if it is one; `None` if there is no such page.
///
/// # Examples
///
/// ```
/// use kernel::page::{page_align, PAGE_SIZE};
///
/// assert_eq!(page_align(1), Some(PAGE_SIZE));
/// assert_eq!(page_align(PAGE_SIZE), Some(PAGE_SIZE));
/// assert_eq!(page_align(usize::MAX), None);
/// ```
#[inline(always)]
pub const fn page_align(addr: usize) -> Option<usize> {
    match addr.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(sum & PAGE_MASK),
        None => None,
    }
}

/// A page of memory, which goes with this.
///
/// # Invariants
///
/// `page` is C's, and this is its owner.
///
/// # Examples
///
/// ```
/// use kernel::{page::Page, prelude::*};
///
/// let page = Page::alloc_page(GFP_KERNEL)?;
/// let (text, mut read) = (*b"text", [0; 4]);
/// // SAFETY: No other task uses the page.
/// unsafe {
///     page.write_raw(text.as_ptr(), 100, text.len())?;
///     page.read_raw(read.as_mut_ptr(), 100, read.len())?;
/// }
/// assert_eq!(read, text);
/// # Ok::<(), Error>(())
/// ```
pub struct Page {
    page: NonNull<bindings::page>,
}

// SAFETY: Any thread can free it.
unsafe impl Send for Page {}

// SAFETY: A reference reads and writes nothing, unless the caller says that no other does.
unsafe impl Sync for Page {}

impl Page {
    /// Allocates a page. May sleep if the flags say so.
    #[inline]
    #[track_caller]
    pub fn alloc_page(flags: Flags) -> Result<Self, AllocError> {
        // SAFETY: `alloc_pages()` has no preconditions.
        let page = unsafe { bindings::alloc_pages(flags.as_raw(), 0) };
        // INVARIANT: Allocated above.
        let page = NonNull::new(page).ok_or(AllocError)?;
        Ok(Self { page })
    }

    /// C's pointer.
    pub fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Returns the node of the memory.
    #[doc(alias = "page_to_nid")]
    #[inline]
    pub fn nid(&self) -> i32 {
        // SAFETY: By the invariant it is a page.
        unsafe { bindings::page_to_nid(self.as_ptr()) }
    }

    /// Calls `f` with the address of the bytes from `offset` while the page is mapped.
    ///
    /// # Errors
    ///
    /// EINVAL unless `len` of them are in the page.
    fn with_bytes<T>(&self, offset: usize, len: usize, f: impl FnOnce(*mut u8) -> T) -> Result<T> {
        if offset.checked_add(len).is_none_or(|end| end > PAGE_SIZE) {
            return Err(EINVAL);
        }
        // SAFETY: By the invariant it is a page.
        let addr = unsafe { bindings::kmap_local_page(self.as_ptr()) };
        let result = f(addr.cast::<u8>().wrapping_add(offset));
        // SAFETY: Mapped above; what `f` has mapped, it has unmapped.
        unsafe { bindings::kunmap_local(addr) };
        Ok(result)
    }

    /// Reads `len` bytes at `offset` to `dst`.
    ///
    /// # Errors
    ///
    /// EINVAL unless all of them are in the page.
    ///
    /// # Safety
    ///
    /// `dst` is valid for writes of as many, and no other task writes to them, or to the page's.
    pub unsafe fn read_raw(&self, dst: *mut u8, offset: usize, len: usize) -> Result {
        self.with_bytes(offset, len, |src| {
            // SAFETY: Within the page; the caller says the rest. They do not overlap, since the
            // page is the owner's only.
            unsafe { ptr::copy_nonoverlapping(src, dst, len) }
        })
    }

    /// Writes `len` bytes from `src` at `offset`.
    ///
    /// # Errors
    ///
    /// EINVAL unless all of them are in the page.
    ///
    /// # Safety
    ///
    /// `src` is valid for reads of as many, and no other task reads or writes the page's.
    pub unsafe fn write_raw(&self, src: *const u8, offset: usize, len: usize) -> Result {
        self.with_bytes(offset, len, |dst| {
            // SAFETY: As in `read_raw()`.
            unsafe { ptr::copy_nonoverlapping(src, dst, len) }
        })
    }

    /// Sets `len` bytes at `offset` to zero.
    ///
    /// # Errors
    ///
    /// EINVAL unless all of them are in the page.
    ///
    /// # Safety
    ///
    /// No other task reads or writes them.
    pub unsafe fn fill_zero_raw(&self, offset: usize, len: usize) -> Result {
        self.with_bytes(offset, len, |dst| {
            // SAFETY: Within the page; the caller says the rest.
            unsafe { ptr::write_bytes(dst, 0, len) }
        })
    }

    /// Reads `len` bytes from user space to `offset`. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL unless all of them are in the page; otherwise as
    /// [`read_raw`](UserSliceReader::read_raw).
    ///
    /// # Safety
    ///
    /// No other task reads or writes them.
    pub unsafe fn copy_from_user_slice_raw(
        &self,
        reader: &mut UserSliceReader,
        offset: usize,
        len: usize,
    ) -> Result {
        self.with_bytes(offset, len, |dst| {
            // SAFETY: Within the page, of which any bytes will do; the caller says the rest.
            reader.read_raw(unsafe { core::slice::from_raw_parts_mut(dst.cast(), len) })
        })?
    }
}

impl Drop for Page {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner.
        unsafe { bindings::__free_pages(self.as_ptr(), 0) }
    }
}

/// A page that another owns.
pub struct BorrowedPage<'a>(ManuallyDrop<Page>, PhantomData<&'a Page>);

impl BorrowedPage<'_> {
    /// Sees C's page as one that another owns.
    ///
    /// # Safety
    ///
    /// It is valid as long as the result is used.
    pub unsafe fn from_raw(page: NonNull<bindings::page>) -> Self {
        // INVARIANT: Valid, says the caller; never freed by this.
        Self(ManuallyDrop::new(Page { page }), PhantomData)
    }
}

/// A value that is made of pages.
pub trait AsPageIter {
    /// Goes over them.
    type Iter<'a>: Iterator<Item = BorrowedPage<'a>>
    where
        Self: 'a;

    /// Goes over the pages that the value has.
    fn page_iter(&mut self) -> Self::Iter<'_>;
}

impl Deref for BorrowedPage<'_> {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::{
        flags::{__GFP_ZERO, GFP_KERNEL},
        VBox, VVec,
    };

    #[test]
    fn bytes_beyond_the_page_are_refused() -> Result {
        let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
        let mut bytes = [7; 8];
        let dst = bytes.as_mut_ptr();
        // SAFETY: The page and the bytes are this test's.
        unsafe {
            for (offset, len) in [(PAGE_SIZE - 7, 8), (PAGE_SIZE + 1, 0), (usize::MAX, 8)] {
                assert_eq!(page.read_raw(dst, offset, len), Err(EINVAL));
                assert_eq!(page.write_raw(dst, offset, len), Err(EINVAL));
                assert_eq!(page.fill_zero_raw(offset, len), Err(EINVAL));
            }
            page.write_raw(dst, PAGE_SIZE - 8, 8)?;
            page.fill_zero_raw(PAGE_SIZE - 4, 4)?;
            page.read_raw(dst, PAGE_SIZE - 8, 8)?;
            page.read_raw(dst, PAGE_SIZE, 0)?;
        }
        assert_eq!(bytes, [7, 7, 7, 7, 0, 0, 0, 0]);
        assert_eq!(page.as_ptr().addr() & !PAGE_MASK, 0);
        Ok(())
    }

    #[test]
    fn vmalloc_is_made_of_pages() -> Result {
        let mut boxed = VBox::new([1u8; PAGE_SIZE + 1], GFP_KERNEL)?;
        let mut vec = VVec::new();
        assert_eq!(vec.page_iter().count(), 0);
        vec.resize(2 * PAGE_SIZE + 1, 2u8, GFP_KERNEL)?;
        let addr = boxed.as_ptr().addr();
        let pages = boxed.page_iter();
        assert_eq!((pages.size(), pages.page_count()), (PAGE_SIZE + 1, 2));
        let mut at = addr;
        for page in pages {
            let mut byte = 0;
            // SAFETY: The box is this test's.
            unsafe { page.read_raw(&raw mut byte, 0, 1)? };
            assert_eq!((byte, page.as_ptr().addr()), (1, at));
            at += PAGE_SIZE;
        }
        assert_eq!(at, addr + 2 * PAGE_SIZE);
        assert_eq!(vec.page_iter().size_hint(), (3, Some(3)));
        Ok(())
    }
}
