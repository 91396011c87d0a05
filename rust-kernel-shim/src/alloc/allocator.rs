// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's allocators.
//!
//! C headers: [`include/linux/slab.h`](srctree/include/linux/slab.h) and [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h).
//!
//! All three take their memory from the same slab here: there are no physical pages that could be
//! contiguous or not. They differ by their alignment.

use super::{AllocError, Allocator, Flags, NumaNode};
use crate::{
    bindings,
    page::{BorrowedPage, PAGE_SIZE},
};
use core::{
    alloc::Layout,
    ptr::{self, NonNull},
};

mod iter;

pub use iter::VmallocPageIter;

/// Contiguous memory.
#[doc(alias = "kmalloc")]
pub struct Kmalloc;

/// Whole pages, contiguous by address only.
#[doc(alias = "vmalloc")]
pub struct Vmalloc;

/// Contiguous memory if there is some, else whole pages.
#[doc(alias = "kvmalloc")]
pub struct KVmalloc;

impl Kmalloc {
    /// The layout with its size rounded up to a multiple of its alignment.
    pub fn aligned_layout(layout: Layout) -> Layout {
        layout.pad_to_align()
    }
}

impl Vmalloc {
    /// Returns the page that an address is in.
    ///
    /// # Safety
    ///
    /// It is in memory of this allocator, which is valid during `'a`.
    #[doc(alias = "vmalloc_to_page")]
    pub unsafe fn to_page<'a>(ptr: NonNull<u8>) -> BorrowedPage<'a> {
        // SAFETY: The caller says that it is such an address, of which there is a page; it is valid as long.
        unsafe {
            let page = bindings::vmalloc_to_page(ptr.as_ptr().cast());
            BorrowedPage::from_raw(NonNull::new_unchecked(page))
        }
    }
}

macro_rules! allocator {
    ($name:ident, $min_align:expr, $realloc:ident) => {
        // SAFETY: C's slab returns memory of the size and alignment asked for until it is freed.
        unsafe impl Allocator for $name {
            const MIN_ALIGN: usize = $min_align;

            // Most is known where the layout is.
            #[cfg_attr(not(feature = "debug"), inline)]
            #[cfg_attr(feature = "debug", track_caller)]
            unsafe fn realloc(
                ptr: Option<NonNull<u8>>,
                layout: Layout,
                old_layout: Layout,
                flags: Flags,
                nid: NumaNode,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // An empty allocation dangles, and C does not know it.
                let old = match ptr {
                    Some(ptr) if old_layout.size() != 0 => ptr.as_ptr().cast(),
                    _ => ptr::null_mut(),
                };
                if layout.size() == 0 {
                    // SAFETY: `old` is null or the caller's to free.
                    unsafe { bindings::kfree(old) };
                    return Ok(NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0));
                }
                let layout = layout.align_to(Self::MIN_ALIGN).map_err(|_| AllocError)?;
                let (size, align) = (layout.pad_to_align().size(), layout.align());
                // SAFETY: `old` is null or the caller's; the size is not zero.
                let new = unsafe { bindings::$realloc(old, size, align, flags.as_raw(), nid.0) };
                let new = NonNull::new(new.cast()).ok_or(AllocError)?;
                Ok(NonNull::slice_from_raw_parts(new, size))
            }
        }
    };
}

allocator!(
    Kmalloc,
    bindings::ARCH_KMALLOC_MINALIGN,
    krealloc_node_align
);
allocator!(Vmalloc, PAGE_SIZE, kvrealloc_node_align);
allocator!(
    KVmalloc,
    bindings::ARCH_KMALLOC_MINALIGN,
    kvrealloc_node_align
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alloc::NumaNode, prelude::*};

    #[repr(align(128))]
    struct Aligned(#[expect(dead_code)] [u8; 1000]);

    #[repr(align(8192))]
    struct MoreThanAPage(#[expect(dead_code)] u8);

    fn address<T, A: Allocator>() -> usize {
        let memory = Box::<T, A>::new_uninit(GFP_KERNEL).unwrap();
        memory.as_ptr().addr()
    }

    #[test]
    fn memory_is_aligned() {
        assert_eq!(address::<u8, Kmalloc>() % 8, 0);
        assert_eq!(address::<u8, Vmalloc>() % 4096, 0);
        assert_eq!(address::<Aligned, Kmalloc>() % 128, 0);
        assert_eq!(address::<MoreThanAPage, Kmalloc>() % 8192, 0);
        assert_eq!(address::<MoreThanAPage, KVmalloc>() % 8192, 0);
        assert_eq!(address::<(), Kmalloc>(), 1);
    }

    #[test]
    fn kmalloc_has_no_larger_blocks() {
        const MOST: usize = bindings::KMALLOC_MAX_SIZE;
        assert!(KBox::<[u8; MOST]>::new_uninit(GFP_KERNEL).is_ok());
        assert!(KBox::<[u8; MOST + 1]>::new_uninit(GFP_KERNEL).is_err());
        assert!(KVBox::<[u8; MOST + 1]>::new_uninit(GFP_KERNEL).is_ok());
        assert!(VBox::<[u8; MOST + 1]>::new_uninit(GFP_KERNEL).is_ok());
    }

    #[test]
    fn contents_survive_growing_and_shrinking() {
        let old = Layout::from_size_align(4, 1).unwrap();
        let new = Layout::from_size_align(4000, 1).unwrap();
        let mut memory = Kmalloc::alloc(old, GFP_KERNEL, NumaNode::NO_NODE).unwrap();
        // SAFETY: Four bytes were just allocated.
        unsafe { memory.as_mut()[..4].copy_from_slice(b"abcd") };
        for (from, to) in [(old, new), (new, old)] {
            // SAFETY: The memory is ours, with the layout `from`.
            memory = unsafe {
                Kmalloc::realloc(Some(memory.cast()), to, from, GFP_KERNEL, NumaNode::NO_NODE)
            }
            .unwrap();
            // SAFETY: At least four bytes are ours.
            assert_eq!(unsafe { &memory.as_ref()[..4] }, b"abcd");
        }
        // SAFETY: The memory is ours, with the layout `old`.
        unsafe { Kmalloc::free(memory.cast(), old) };
    }
}
