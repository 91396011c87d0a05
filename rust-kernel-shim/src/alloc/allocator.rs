// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's allocators.
//!
//! C headers: [`include/linux/slab.h`](srctree/include/linux/slab.h) and [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h).
//!
//! All three take their memory from the same slab here: there are no physical pages that could be
//! contiguous or not. They differ by their alignment.

use super::Allocator;
use core::alloc::Layout;

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

macro_rules! allocator {
    ($name:ident, $min_align:expr) => {
        // SAFETY: C's slab returns memory of the size and alignment asked for until it is freed.
        unsafe impl Allocator for $name {
            const MIN_ALIGN: usize = $min_align;
        }
    };
}

allocator!(Kmalloc, KMALLOC_MIN_ALIGN);
allocator!(Vmalloc, PAGE_SIZE);
allocator!(KVmalloc, KMALLOC_MIN_ALIGN);

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
