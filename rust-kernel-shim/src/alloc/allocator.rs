// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's allocators.
//!
//! C headers: [`include/linux/slab.h`](srctree/include/linux/slab.h) and [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h).
//!
//! All three take their memory from the same slab here: there are no physical
//! pages that could be contiguous or not. They differ as far as a caller can
//! tell, by their alignment.

use super::{dangling_from_layout, AllocError, Allocator, Flags, NumaNode};
use crate::bindings;
use core::{
    alloc::Layout,
    ptr::{self, NonNull},
};

/// `ARCH_KMALLOC_MINALIGN` of x86: the least alignment C code relies on.
const KMALLOC_MIN_ALIGN: usize = 8;

/// The size of a page of x86, in bytes.
const PAGE_SIZE: usize = 4096;

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

/// The body of every `realloc()`.
///
/// # Safety
///
/// As [`Allocator::realloc`].
unsafe fn krealloc(
    ptr: Option<NonNull<u8>>,
    layout: Layout,
    old_layout: Layout,
    flags: Flags,
    nid: NumaNode,
) -> Result<NonNull<[u8]>, AllocError> {
    // An empty allocation dangles, C knows nothing of it.
    let old = match ptr {
        Some(ptr) if old_layout.size() != 0 => ptr.as_ptr(),
        _ => ptr::null_mut(),
    };

    if layout.size() == 0 {
        // SAFETY: `old` is null or the caller's to free.
        unsafe { bindings::kfree(old.cast()) };
        return Ok(NonNull::slice_from_raw_parts(
            dangling_from_layout(layout),
            0,
        ));
    }

    // SAFETY: `old` is null or the caller's; the size is not zero.
    let new = unsafe {
        bindings::krealloc_node_align(
            old.cast(),
            layout.size(),
            layout.align(),
            flags.as_raw(),
            nid.0,
        )
    };
    let new = NonNull::new(new.cast()).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(new, layout.size()))
}

macro_rules! allocator {
    ($name:ident, $min_align:expr) => {
        // SAFETY: C's allocator returns memory of the size and alignment asked
        // for until it is freed.
        unsafe impl Allocator for $name {
            const MIN_ALIGN: usize = $min_align;

            #[inline]
            unsafe fn realloc(
                ptr: Option<NonNull<u8>>,
                layout: Layout,
                old_layout: Layout,
                flags: Flags,
                nid: NumaNode,
            ) -> Result<NonNull<[u8]>, AllocError> {
                let layout = match layout.size() {
                    0 => layout,
                    _ => Kmalloc::aligned_layout(
                        layout.align_to(Self::MIN_ALIGN).map_err(|_| AllocError)?,
                    ),
                };
                // SAFETY: The old memory is the caller's: its guarantee. A larger alignment fits.
                unsafe { krealloc(ptr, layout, old_layout, flags, nid) }
            }
        }
    };
}

allocator!(Kmalloc, KMALLOC_MIN_ALIGN);
allocator!(Vmalloc, PAGE_SIZE);
allocator!(KVmalloc, KMALLOC_MIN_ALIGN);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

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
