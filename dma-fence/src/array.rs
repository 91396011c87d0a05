// SPDX-License-Identifier: GPL-2.0-only
//! Arrays: one fence for the signals of several.
//!
//! C header: [`include/linux/dma-fence-array.h`](srctree/include/linux/dma-fence-array.h)

use super::{
    bindings,
    fence::{
        kinds_of_fences,
        Fence, //
    },
};
use core::{
    iter::successors,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted as _, //
    },
};

kinds_of_fences! {
    /// A fence that signals once all of its members have.
    ///
    /// Its error is that of a member: the first that was seen to fail since its signal was wanted. It has a
    /// reference to each member, which goes with the last one to the array.
    ///
    /// # Invariants
    ///
    /// The fence is an array.
    ///
    /// # Examples
    ///
    /// ```
    /// use dma_fence::{FenceArray, FenceContext, FenceContextOps};
    /// use kernel::prelude::*;
    ///
    /// struct Ring;
    ///
    /// impl FenceContextOps for Ring {
    ///     type FenceDataType = ();
    /// }
    ///
    /// let ring = KBox::pin_init(FenceContext::new(1, c"driver", c"ring0", Ring), GFP_KERNEL)?;
    /// let draw = ring.new_fence_allocation(())?.new_fence();
    /// let copy = ring.new_fence_allocation(())?.new_fence();
    ///
    /// let both = FenceArray::new(&[draw.as_fence(), copy.as_fence()])?;
    /// assert_eq!(both.members().map(|fence| fence.seqno()).max(), Some(2));
    /// draw.signal(Ok(()));
    /// assert_eq!(both.status(), None);
    /// copy.signal(Ok(()));
    /// assert_eq!(both.status(), Some(Ok(())));
    ///
    /// // What is itself made of others is not a member: merge() takes it apart.
    /// assert_eq!(FenceArray::new(&[&both]).err(), Some(EINVAL));
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "dma_fence_array")]
    FenceArray;
}

impl Fence {
    /// The fence as an array, if it is one. From any context.
    #[doc(alias("dma_fence_is_array", "to_dma_fence_array"))]
    pub fn as_array(&self) -> Option<&FenceArray> {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_is_array(self.as_raw()) }.then(|| {
            // INVARIANT: Just asked. The ops of an array stay attached.
            // SAFETY: The type is transparent, and its invariant holds.
            unsafe { &*ptr::from_ref(self).cast() }
        })
    }

    /// True if the fence, or each member if it is an array, is of this context. From any context.
    #[doc(alias = "dma_fence_match_context")]
    pub fn match_context(&self, context: u64) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_match_context(self.as_raw(), context) }
    }
}

impl FenceArray {
    /// A new array, in a context of its own. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL without fences, or if one of them is itself made of others; ENOMEM.
    #[doc(alias = "dma_fence_array_create")]
    #[track_caller]
    pub fn new(fences: &[&Fence]) -> Result<ARef<Self>> {
        FenceArrayAllocation::new(fences.len())?.new_array(fences)
    }

    /// The members, in the order in which they were given. From any context.
    #[doc(alias(
        "dma_fence_array_first",
        "dma_fence_array_next",
        "dma_fence_array_for_each"
    ))]
    pub fn members(&self) -> impl Iterator<Item = &Fence> {
        let mut index = 0;
        // SAFETY: By the type invariant.
        let first = unsafe { bindings::dma_fence_array_first(self.as_raw()) };
        let members = successors(NonNull::new(first), move |_| {
            index += 1;
            // SAFETY: By the type invariant.
            NonNull::new(unsafe { bindings::dma_fence_array_next(self.as_raw(), index) })
        });
        // SAFETY: A member has a reference as long as the array is there.
        members.map(|member| unsafe { Fence::from_raw(member.as_ptr()) })
    }
}

/// Memory for an array that does not exist yet.
///
/// Having one tells you that there is memory for the array: it is taken before the point of no return of
/// a submission. Rule [no-alloc-at-submit](../../book/rules/no-alloc-at-submit.html).
///
/// # Invariants
///
/// There is room for `room` members, in `array` and in `members`. `array` is this value's, and not
/// initialised.
#[doc(alias = "dma_fence_array_alloc")]
pub struct FenceArrayAllocation {
    array: NonNull<bindings::dma_fence_array>,
    room: c_int,
    members: KVec<*mut bindings::dma_fence>,
}

// SAFETY: It owns its memory, which may be freed or initialised by any thread, and has no members yet.
unsafe impl Send for FenceArrayAllocation {}
// SAFETY: Nothing can be done with a shared one.
unsafe impl Sync for FenceArrayAllocation {}

impl FenceArrayAllocation {
    /// Allocates the memory of an array of at most `capacity` fences. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL if there cannot be so many.
    #[track_caller]
    pub fn new(capacity: usize) -> Result<Self> {
        let room = c_int::try_from(capacity)?;
        let members = KVec::with_capacity(capacity, GFP_KERNEL)?;
        // SAFETY: Allocating has no preconditions.
        let array = NonNull::new(unsafe { bindings::dma_fence_array_alloc(room) });
        let array = array.ok_or(ENOMEM)?;
        // INVARIANT: Both have room for as many.
        Ok(Self {
            array,
            room,
            members,
        })
    }

    /// Creates the array, in a context of its own. Allocates nothing; from any context.
    ///
    /// # Errors
    ///
    /// EINVAL without fences or with more than there is room for, or if one of them is itself made of
    /// others.
    #[doc(alias = "dma_fence_array_init")]
    #[track_caller]
    pub fn new_array(mut self, fences: &[&Fence]) -> Result<ARef<FenceArray>> {
        let is_container = |fence: &&Fence| {
            // SAFETY: By the type invariant.
            unsafe { bindings::dma_fence_is_container(fence.as_raw()) }
        };
        let count = c_int::try_from(fences.len())?;
        if !(1..=self.room).contains(&count) || fences.iter().any(is_container) {
            return Err(EINVAL);
        }
        for fence in fences {
            self.members.push_within_capacity(fence.as_raw())?;
        }
        for fence in fences {
            fence.inc_ref();
        }
        let array = self.array;
        let (members, _, _) = core::mem::take(&mut self.members).into_raw_parts();
        core::mem::forget(self);
        // INVARIANT: The fence is an array from here on.
        // SAFETY: By the invariant, with as many members, each with a reference that the array takes over,
        // as it does their memory; its own reference becomes ours.
        unsafe {
            let context = bindings::dma_fence_context_alloc(1);
            bindings::dma_fence_array_init(array.as_ptr(), count, members, context, 1);
            Ok(ARef::from_raw(array.cast()))
        }
    }
}

impl Drop for FenceArrayAllocation {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and this goes.
        unsafe { bindings::kfree(self.array.as_ptr().cast()) };
    }
}
