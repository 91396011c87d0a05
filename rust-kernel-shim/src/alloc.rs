// SPDX-License-Identifier: GPL-2.0-only

//! Memory: which allocator it comes from, and under which conditions.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h) and [`include/linux/slab.h`](srctree/include/linux/slab.h).
//!
//! Nothing here aborts when memory is short: every allocation returns a `Result`. Its [`Flags`] say
//! whether it may sleep, which C's allocator checks.

pub mod allocator;
pub mod kbox;
pub mod kvec;
pub mod layout;

pub use self::kbox::{Box, KBox, KVBox, VBox};
pub use self::kvec::{IntoIter, KVVec, KVec, VVec, Vec};

use crate::{
    bindings,
    error::{code::EINVAL, Result},
};
use core::{alloc::Layout, ptr::NonNull};

/// An allocation failed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct AllocError;

/// Flags of an allocation; see [`flags`].
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// let quiet = GFP_KERNEL | __GFP_NOWARN;
/// assert!(quiet.contains(GFP_KERNEL));
/// assert!(!quiet.contains(__GFP_ZERO));
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Flags(u32);

impl Flags {
    /// As C has them.
    pub(crate) fn as_raw(self) -> u32 {
        self.0
    }

    /// Returns whether all of `flags` are among these.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn contains(self, flags: Flags) -> bool {
        (self & flags) == flags
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, rhs: Self) -> Self {
        Flags(self.0 | rhs.0)
    }
}

impl core::ops::BitAnd for Flags {
    type Output = Self;

    fn bitand(self, rhs: Self) -> Self {
        Flags(self.0 & rhs.0)
    }
}

impl core::ops::Not for Flags {
    type Output = Self;

    fn not(self) -> Self {
        Flags(!self.0)
    }
}

/// The flags an allocation can have.
pub mod flags {
    use super::{bindings, Flags};

    /// Zero the memory.
    pub const __GFP_ZERO: Flags = Flags(bindings::__GFP_ZERO);

    /// Allow memory that is not always mapped.
    pub const __GFP_HIGHMEM: Flags = Flags(bindings::__GFP_HIGHMEM);

    /// For atomic context: does not sleep, may use reserves.
    pub const GFP_ATOMIC: Flags = Flags(bindings::GFP_ATOMIC);

    /// For process context: may sleep until there is memory.
    pub const GFP_KERNEL: Flags = Flags(bindings::GFP_KERNEL);

    /// As [`GFP_KERNEL`], on the account of the process's memory group.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags(bindings::GFP_KERNEL_ACCOUNT);

    /// For atomic context: does not sleep, leaves the reserves alone.
    pub const GFP_NOWAIT: Flags = Flags(bindings::GFP_NOWAIT);

    /// Do not warn if the allocation fails.
    pub const __GFP_NOWARN: Flags = Flags(bindings::__GFP_NOWARN);
}

/// The node of a machine with several memories; here there is one.
#[derive(Clone, Copy, PartialEq)]
pub struct NumaNode(i32);

impl NumaNode {
    /// No preference.
    pub const NO_NODE: NumaNode = NumaNode(bindings::NUMA_NO_NODE);

    /// The node with the number `node`, which is 0; any other is `EINVAL`.
    pub fn new(node: i32) -> Result<Self> {
        if node == 0 {
            Ok(NumaNode(node))
        } else {
            Err(EINVAL)
        }
    }
}

/// A source of memory.
///
/// # Safety
///
/// Memory that [`Self::realloc`] returns fits the layout, and is the caller's alone until freed.
pub unsafe trait Allocator {
    /// The least alignment of any allocation that is not empty, in bytes.
    const MIN_ALIGN: usize;

    /// Allocates memory; may sleep if `flags` say so. An empty layout needs none and cannot fail.
    #[cfg_attr(feature = "debug", track_caller)]
    fn alloc(layout: Layout, flags: Flags, nid: NumaNode) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: There is no old memory that would have to be this allocator's.
        unsafe { Self::realloc(None, layout, Layout::new::<()>(), flags, nid) }
    }

    /// Allocates, grows, shrinks or, if `layout` is empty, frees; may sleep if `flags` say so.
    ///
    /// The contents are copied as far as both the old and the new memory reach. On an error the
    /// old memory is as it was.
    ///
    /// # Safety
    ///
    /// A `ptr` is from this allocator with the layout `old_layout`, and not used after success.
    #[cfg_attr(feature = "debug", track_caller)]
    unsafe fn realloc(
        ptr: Option<NonNull<u8>>,
        layout: Layout,
        old_layout: Layout,
        flags: Flags,
        nid: NumaNode,
    ) -> Result<NonNull<[u8]>, AllocError>;

    /// Frees.
    ///
    /// # Safety
    ///
    /// `ptr` is from this allocator with this layout, and not used again.
    unsafe fn free(ptr: NonNull<u8>, layout: Layout) {
        let (empty, flags, nid) = (Layout::new::<()>(), Flags(0), NumaNode::NO_NODE);
        // SAFETY: The caller says that the memory is from this allocator, and not used again.
        let freed = unsafe { Self::realloc(Some(ptr), empty, layout, flags, nid) };
        debug_assert!(freed.is_ok(), "freeing needs no memory");
    }
}
