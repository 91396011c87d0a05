// SPDX-License-Identifier: GPL-2.0-only
//! Walking through containers, and merging what is in them.
//!
//! C header: [`include/linux/dma-fence-unwrap.h`](srctree/include/linux/dma-fence-unwrap.h)
//!
//! A walk goes to the members of an array, from node to node of a chain, and through an array that a
//! node contains; what contains neither is found once. It collects the chain on its way.

use super::super::{
    super::contract,
    dma_fence, dma_fence_allocate_private_stub, dma_fence_array_create, dma_fence_array_first,
    dma_fence_array_next, dma_fence_chain_contained, dma_fence_chain_walk, dma_fence_context_alloc,
    dma_fence_get, dma_fence_is_later, dma_fence_is_signaled, dma_fence_put, dma_fence_timestamp,
    fence::{live, SEQNO64},
};
use core::{
    ptr::{addr_of_mut, null_mut},
    slice,
};
use kernel::{
    bindings::{kfree, kmalloc_objs, ktime_t, sort, GFP_KERNEL, GFP_NOWAIT},
    ffi::{c_int, c_uint},
    WARN_ON,
};

/// A place in containers.
///
/// # Invariants
///
/// The walk has a reference to `chain`, if that is not null, which keeps `array` and its members.
#[repr(C)]
pub struct dma_fence_unwrap {
    /// The node of a chain, or another fence.
    pub chain: *mut dma_fence,
    /// What it contains: an array, or another fence.
    pub array: *mut dma_fence,
    /// The member of the array.
    pub index: c_uint,
}

impl Default for dma_fence_unwrap {
    fn default() -> Self {
        Self {
            chain: null_mut(),
            array: null_mut(),
            index: 0,
        }
    }
}

/// Goes to the first fence of what the node contains.
///
/// # Safety
///
/// `cursor` is valid, and has a reference to its chain.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn array(cursor: *mut dma_fence_unwrap) -> *mut dma_fence {
    // SAFETY: The cursor is valid, and has a reference to the node, which has one to what it contains.
    unsafe {
        (*cursor).array = dma_fence_chain_contained((*cursor).chain);
        (*cursor).index = 0;
        dma_fence_array_first((*cursor).array)
    }
}

/// Returns the first fence in `head`; null if there is none. From any context.
///
/// The walk goes on with [`dma_fence_unwrap_next`], until that returns null; until then it has a
/// reference, and a walk that ends early has to drop that itself. The fence that is returned lives until
/// the next step. Without a member in the array where it begins a walk is over, and keeps the reference.
///
/// # Safety
///
/// `head` may be null; `cursor` is valid for writes.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_unwrap_first(
    head: *mut dma_fence,
    cursor: *mut dma_fence_unwrap,
) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the fence, unless it is null; the cursor may be written.
    unsafe {
        (*cursor).chain = dma_fence_get(head);
        array(cursor)
    }
}

/// Returns the next fence of a walk; null, and the walk is over, if there is none. From any context;
/// polls as [`dma_fence_is_signaled`] does.
///
/// # Safety
///
/// The walk has begun, and is not over; no lock of a fence of the chain is held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_unwrap_next(cursor: *mut dma_fence_unwrap) -> *mut dma_fence {
    // SAFETY: By the type invariant; the reference goes from node to node.
    unsafe {
        (*cursor).index += 1;
        let member = dma_fence_array_next((*cursor).array, (*cursor).index);
        if !member.is_null() {
            return member;
        }
        (*cursor).chain = dma_fence_chain_walk((*cursor).chain);
        array(cursor)
    }
}

/// Calls `body` with each fence in `head`, none if that is null. From any context; polls those of a chain.
///
/// C has a macro for this.
///
/// # Safety
///
/// As of [`dma_fence_unwrap_first`]; no lock of a fence of the chain is held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_unwrap_for_each(
    head: *mut dma_fence,
    cursor: *mut dma_fence_unwrap,
    mut body: impl FnMut(*mut dma_fence),
) {
    // SAFETY: The caller's guarantees; the walk goes to its end.
    unsafe {
        let mut fence = dma_fence_unwrap_first(head, cursor);
        while !fence.is_null() {
            body(fence);
            fence = dma_fence_unwrap_next(cursor);
        }
    }
}

/// By contexts, and in each the latest first.
///
/// # Safety
///
/// The caller has references to both fences.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn compare(a: *mut dma_fence, b: *mut dma_fence) -> c_int {
    // SAFETY: The caller has references to both fences.
    unsafe {
        if (*a).context != (*b).context {
            return if (*a).context < (*b).context { -1 } else { 1 };
        }
        if dma_fence_is_later(b, a) {
            1
        } else if dma_fence_is_later(a, b) {
            -1
        } else {
            0
        }
    }
}

/// Up to as many, a sort by keys is not worth their memory.
const FEW: usize = 32;

/// Sorts fences as [`sort`] does, by copies of their contexts; false, and they are as they were, without
/// memory for these, or if the fences of a context have no order of which there is but one result.
///
/// # Safety
///
/// The caller has references to them.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn sort_by_keys(fences: &mut [*mut dma_fence]) -> bool {
    // SAFETY: Allocating has no preconditions. There is room for as many, all of which are written.
    let keys = unsafe {
        let keys: *mut (u64, *mut dma_fence) = kmalloc_objs(fences.len(), GFP_NOWAIT);
        if keys.is_null() {
            return false;
        }
        for (n, &fence) in fences.iter().enumerate() {
            keys.add(n).write(((*fence).context, fence));
        }
        slice::from_raw_parts_mut(keys, fences.len())
    };
    keys.sort_unstable_by_key(|key| key.0);
    let sorted = keys.chunk_by_mut(|a, b| a.0 == b.0).all(|context| {
        // SAFETY: The caller has references to them.
        context.len() == 1
            || unsafe {
                sort(context, |a, b| compare(a.1, b.1));
                are_in_order(context)
            }
    });
    if sorted {
        for (fence, key) in fences.iter_mut().zip(&*keys) {
            *fence = key.1;
        }
    }
    // SAFETY: Allocated above.
    unsafe { kfree(keys.as_ptr().cast()) };
    sorted
}

/// True if no other order of these fences of one context has the latest first: they are all different, or
/// the same, and so near to each other that none comes both before and after another.
///
/// # Safety
///
/// The caller has references to them.
unsafe fn are_in_order(fences: &[(u64, *mut dma_fence)]) -> bool {
    let mut span = 0_u64;
    fences.windows(2).all(|pair| {
        let (later, earlier) = (pair[0].1, pair[1].1);
        // SAFETY: The caller has references to both.
        unsafe {
            let gap = (*later).seqno.wrapping_sub((*earlier).seqno);
            span = span.saturating_add(gap & u64::from(u32::MAX));
            let both = [later, earlier].map(|fence| live(fence).test(SEQNO64));
            later == earlier
                || both == [false; 2] && gap << 32 != 0 && span <= u64::from(u32::MAX >> 1)
        }
    })
}

/// Sorts fences by their contexts, and keeps the latest of each, those first; drops the references to
/// the others. Returns how many are kept. From any context that may drop them.
///
/// # Safety
///
/// There are `num_fences` of them, and the caller owns a reference to each.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_dedup_array(fences: *mut *mut dma_fence, num_fences: usize) -> usize {
    if num_fences == 0 {
        return 0;
    }
    // SAFETY: There are as many, to each of which the caller has a reference.
    unsafe {
        let fences = slice::from_raw_parts_mut(fences, num_fences);
        if num_fences <= FEW || !sort_by_keys(fences) {
            sort(fences, |&a, &b| compare(a, b));
        }
        let mut last = 0;
        for n in 1..num_fences {
            if (*fences[n]).context == (*fences[last]).context {
                dma_fence_put(fences[n]);
            } else {
                last += 1;
                fences[last] = fences[n];
            }
        }
        last + 1
    }
}

/// Calls `f` with each fence in these that has not signalled; the latest time at which one of the others
/// has is in `timestamp` then, if it is later.
///
/// # Safety
///
/// As of [`__dma_fence_unwrap_merge`].
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn for_each_pending(
    fences: &[*mut dma_fence],
    cursors: *mut dma_fence_unwrap,
    timestamp: &mut ktime_t,
    mut f: impl FnMut(*mut dma_fence),
) {
    for (n, &head) in fences.iter().enumerate() {
        // SAFETY: There are as many cursors; each walk goes to its end.
        unsafe {
            dma_fence_unwrap_for_each(head, cursors.add(n), |fence| {
                if dma_fence_is_signaled(fence) {
                    *timestamp = dma_fence_timestamp(fence).max(*timestamp);
                } else {
                    f(fence);
                }
            });
        }
    }
}

/// Returns a fence for all that is in these: the only one that has not signalled, or an array of the
/// latest of each context, or, if all have signalled, a stub with the time at which the last one has. Null
/// without memory. May sleep; polls each.
///
/// C: what is behind the macro `dma_fence_unwrap_merge()`, which has the cursors on the stack.
///
/// # Safety
///
/// There are `num_fences` of them, each null or with a reference of the caller's, and as many cursors,
/// which are valid for writes; no lock of a fence is held.
#[doc(alias = "dma_fence_unwrap_merge")]
#[track_caller]
pub unsafe fn __dma_fence_unwrap_merge(
    num_fences: usize,
    fences: *mut *mut dma_fence,
    cursors: *mut dma_fence_unwrap,
) -> *mut dma_fence {
    let heads: &[*mut dma_fence] = match num_fences {
        0 => &[],
        // SAFETY: There are as many.
        count => unsafe { slice::from_raw_parts(fences, count) },
    };
    for head in heads.iter().filter(|head| !head.is_null()) {
        contract::needs_fence!(*head, "dma_fence_unwrap_merge", null_mut());
    }
    // SAFETY: The caller has references to the heads, and the walks have them to what is found. What is
    // kept has a reference of its own, which the array takes over, or the caller.
    unsafe {
        let (mut timestamp, mut count) = (0, 0);
        let mut found = null_mut();
        for_each_pending(heads, cursors, &mut timestamp, |fence| {
            if count == 0 {
                found = dma_fence_get(fence);
            }
            count += 1;
        });
        match count {
            0 => return dma_fence_allocate_private_stub(timestamp),
            // Most merges are of one that has not signalled.
            1 => return found,
            _ => dma_fence_put(found),
        }

        // Some may have signalled since, but containers get no more.
        let (members, room): (*mut *mut dma_fence, _) = (kmalloc_objs(count, GFP_KERNEL), count);
        if members.is_null() {
            return null_mut();
        }
        count = 0;
        for_each_pending(heads, cursors, &mut timestamp, |fence| {
            if WARN_ON!(count == room) {
                return;
            }
            members.add(count).write(dma_fence_get(fence));
            count += 1;
        });
        if count > 1 {
            count = dma_fence_dedup_array(members, count);
        }
        if count > 1 {
            let context = dma_fence_context_alloc(1);
            // There is no memory for an array of less than none, either.
            let many = c_int::try_from(count).unwrap_or(-1);
            let array = dma_fence_array_create(many, members, context, 1);
            if !array.is_null() {
                return addr_of_mut!((*array).base);
            }
            for n in 0..count {
                dma_fence_put(*members.add(n));
            }
        }
        let merged = match count {
            0 => dma_fence_allocate_private_stub(timestamp),
            1 => *members,
            _ => null_mut(),
        };
        kfree(members.cast());
        merged
    }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::dma_fence_unwrap;
    use core::mem::offset_of;
    use static_assertions::const_assert_eq;

    const_assert_eq!(size_of::<dma_fence_unwrap>(), 24);
    const_assert_eq!(offset_of!(dma_fence_unwrap, chain), 0);
    const_assert_eq!(offset_of!(dma_fence_unwrap, array), 8);
    const_assert_eq!(offset_of!(dma_fence_unwrap, index), 16);
}
