// SPDX-License-Identifier: GPL-2.0-only
//! Arrays: one fence for the signals of several.
//!
//! C header: [`include/linux/dma-fence-array.h`](srctree/include/linux/dma-fence-array.h)
//!
//! An array signals once all of its members have. It looks at them when it is asked for its state;
//! only when its own signal is wanted does it add a callback to each, and counts those that are still
//! to come. Neither a callback nor the op that adds them, which both run under the lock of another
//! fence, may signal: the last one queues work that does.
//!
//! Until then `error` has [`PENDING_ERROR`]: the first error of a member takes its place, and if none
//! comes it is cleared before the signal.

use super::super::{
    super::contract,
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_free, dma_fence_get, dma_fence_init,
    dma_fence_is_array, dma_fence_is_container, dma_fence_is_signaled, dma_fence_ops,
    dma_fence_put, dma_fence_set_deadline, dma_fence_signal, dma_fence_spinlock,
    fence::{live, ENABLE_SIGNAL},
};
use core::{
    mem::offset_of,
    ptr::{addr_of_mut, null_mut},
    slice,
};
use kernel::{
    bindings::{
        init_irq_work, irq_work, irq_work_queue, kfree, ktime_t, kzalloc_flex, lock_class_key,
        lockdep_set_class, GFP_KERNEL,
    },
    ffi::{c_char, c_int, c_uint},
    str::CStrExt as _,
    sync::atomic::{Acquire, Atomic, Full},
    WARN_ON,
};

/// A callback on a member of an array.
#[repr(C)]
pub struct dma_fence_array_cb {
    /// The callback.
    pub cb: dma_fence_cb,
    /// The array, to which it has a reference while it is pending.
    pub array: *mut dma_fence_array,
}

/// A fence that signals once all of its members have.
///
/// # Invariants
///
/// - There are `num_fences` fences at `fences`, and as many callbacks behind the structure. The array
///   has a reference to each, and owns the memory; neither changes.
/// - `num_pending` counts down from `num_fences`, by one for each member that is known to have
///   signalled since signalling was enabled; the task that brings it to 0 has the array signal.
#[repr(C)]
pub struct dma_fence_array {
    /// The fence.
    pub base: dma_fence,
    /// The number of members.
    pub num_fences: c_uint,
    /// How many of them are still to signal.
    pub num_pending: Atomic<c_int>,
    /// The members.
    pub fences: *mut *mut dma_fence,
    /// Signals the fence; has a reference to it while it is queued.
    pub work: irq_work,
    /// A callback for each member.
    pub callbacks: [dma_fence_array_cb; 0],
}

/// The error of an array that has neither signalled nor an error.
const PENDING_ERROR: c_int = 1;

/// The ops of arrays.
#[no_mangle]
pub static dma_fence_array_ops: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(dma_fence_array_get_driver_name),
    get_timeline_name: Some(dma_fence_array_get_timeline_name),
    enable_signaling: Some(dma_fence_array_enable_signaling),
    signaled: Some(dma_fence_array_signaled),
    release: Some(dma_fence_array_release),
    set_deadline: Some(dma_fence_array_set_deadline),
    ..pin_init::zeroed()
};

/// Returns the array that the fence is; null if it is none, or null. From any context.
///
/// # Safety
///
/// `fence` may be null.
#[inline]
pub unsafe fn to_dma_fence_array(fence: *mut dma_fence) -> *mut dma_fence_array {
    // SAFETY: The caller has a reference to the fence, unless it is null.
    if fence.is_null() || !unsafe { dma_fence_is_array(fence) } {
        return null_mut();
    }
    fence.cast()
}

/// Returns the members of an array.
///
/// # Safety
///
/// The array is initialised, and lives for `'a`.
unsafe fn members<'a>(array: *mut dma_fence_array) -> &'a [*mut dma_fence] {
    // SAFETY: By the type invariants; neither is written again.
    unsafe {
        match (*array).num_fences {
            0 => &[],
            count => slice::from_raw_parts((*array).fences, count as usize),
        }
    }
}

/// Returns the count of those that are still to signal.
///
/// # Safety
///
/// The array is initialised, and lives for `'a`.
unsafe fn num_pending<'a>(array: *mut dma_fence_array) -> &'a Atomic<c_int> {
    // SAFETY: The array is initialised.
    unsafe { &*addr_of_mut!((*array).num_pending) }
}

/// Another member has signalled; true if it was the last. `atomic_dec_and_test()`.
///
/// # Safety
///
/// As of [`num_pending`].
unsafe fn last_signaled(array: *mut dma_fence_array) -> bool {
    // Pairs with the decrements of the other members, whose errors were stored before, and with the
    // load in `dma_fence_array_signaled`.
    // SAFETY: The array is initialised.
    unsafe { num_pending(array) }.fetch_sub(1, Full) == 1
}

/// Takes over the error of a member, unless there is none, or there is one already.
///
/// # Safety
///
/// The array is initialised.
unsafe fn dma_fence_array_set_pending_error(array: *mut dma_fence_array, error: c_int) {
    if error != 0 {
        // Of several, one is first. Comes before the decrement in `last_signaled()`.
        // SAFETY: The array is initialised.
        let _ = unsafe { live(array.cast()) }
            .error
            .cmpxchg(PENDING_ERROR, error, Full);
    }
}

/// No member has had an error, if none was taken over until now.
///
/// # Safety
///
/// The array is initialised.
unsafe fn dma_fence_array_clear_pending_error(array: *mut dma_fence_array) {
    // Comes before the signal that a reader of the error has seen.
    // SAFETY: The array is initialised.
    let _ = unsafe { live(array.cast()) }
        .error
        .cmpxchg(PENDING_ERROR, 0, Full);
}

extern "C" fn dma_fence_array_get_driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"dma_fence_array".as_char_ptr()
}

extern "C" fn dma_fence_array_get_timeline_name(_fence: *mut dma_fence) -> *const c_char {
    c"unbound".as_char_ptr()
}

/// # Safety
///
/// `work` is that of an array, and has a reference to it.
unsafe extern "C" fn irq_dma_fence_array_work(work: *mut irq_work) {
    // SAFETY: The work is a member of an array, whose reference goes last. This is an interrupt, whose
    // task holds no lock of the array's.
    unsafe {
        let array: *mut dma_fence_array = work.byte_sub(offset_of!(dma_fence_array, work)).cast();
        dma_fence_array_clear_pending_error(array);
        dma_fence_signal(array.cast());
        dma_fence_put(array.cast());
    }
}

/// A member has signalled.
///
/// # Safety
///
/// `cb` is that of a [`dma_fence_array_cb`], and `fence` the member that it was added to.
unsafe extern "C" fn dma_fence_array_cb_func(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is the first member of the array's, which has a reference to the array. The
    // work takes it over, or another that is still to come has one.
    unsafe {
        let array = (*cb.cast::<dma_fence_array_cb>()).array;
        dma_fence_array_set_pending_error(array, live(fence).error());
        if last_signaled(array) {
            irq_work_queue(addr_of_mut!((*array).work));
        } else {
            dma_fence_put(array.cast());
        }
    }
}

/// # Safety
///
/// `fence` is that of an array, and the caller holds its lock.
unsafe extern "C" fn dma_fence_array_enable_signaling(fence: *mut dma_fence) -> bool {
    let array: *mut dma_fence_array = fence.cast();
    // SAFETY: It is an array, with as many callbacks as members, and this op is called once. A callback
    // may be called as soon as it was added, and has a reference to the array then.
    unsafe {
        let callbacks = addr_of_mut!((*array).callbacks).cast::<dma_fence_array_cb>();
        for (n, &member) in members(array).iter().enumerate() {
            let callback = callbacks.add(n);
            (*callback).array = array;
            dma_fence_get(fence);
            let cb = addr_of_mut!((*callback).cb);
            if dma_fence_add_callback(member, cb, Some(dma_fence_array_cb_func)) == 0 {
                continue;
            }
            dma_fence_array_set_pending_error(array, live(member).error());
            dma_fence_put(fence);
            if last_signaled(array) {
                dma_fence_array_clear_pending_error(array);
                return false;
            }
        }
    }
    true
}

/// # Safety
///
/// `fence` is that of an array.
unsafe extern "C" fn dma_fence_array_signaled(fence: *mut dma_fence) -> bool {
    let array: *mut dma_fence_array = fence.cast();
    // SAFETY: It is an array.
    unsafe {
        // Pairs with `last_signaled()`. What the op that enables signalling has counted down is older than
        // the bit that says that it was called, or this does not see it: the count is read first, so
        // that those members are not counted twice.
        let mut left = num_pending(array).load(Acquire);
        let done = if live(fence).test(ENABLE_SIGNAL) {
            left <= 0
        } else {
            members(array).iter().any(|&member| {
                let signaled = dma_fence_is_signaled(member);
                left -= c_int::from(signaled);
                signaled && left == 0
            })
        };
        if done {
            dma_fence_array_clear_pending_error(array);
        }
        done
    }
}

/// # Safety
///
/// `fence` is that of an array, whose last reference was dropped.
unsafe extern "C" fn dma_fence_array_release(fence: *mut dma_fence) {
    let array: *mut dma_fence_array = fence.cast();
    // SAFETY: The array has the references, and owns the memory; both are not used again.
    unsafe {
        for &member in members(array) {
            dma_fence_put(member);
        }
        kfree((*array).fences.cast());
        dma_fence_free(fence);
    }
}

/// # Safety
///
/// `fence` is that of an array.
unsafe extern "C" fn dma_fence_array_set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    // SAFETY: It is an array, which has references to its members.
    unsafe {
        for &member in members(fence.cast()) {
            dma_fence_set_deadline(member, deadline);
        }
    }
}

/// Returns zeroed memory for an array of this many fences; null without memory. May sleep.
#[track_caller]
pub unsafe fn dma_fence_array_alloc(num_fences: c_int) -> *mut dma_fence_array {
    let Ok(count) = usize::try_from(num_fences) else {
        return null_mut();
    };
    // SAFETY: Allocating has no preconditions.
    unsafe { kzalloc_flex::<_, dma_fence_array_cb>(count, GFP_KERNEL) }
}

/// Makes memory from [`dma_fence_array_alloc`] an array of these fences, whose references and memory it
/// takes over. From any context.
///
/// Warns without members, and about each that is a container. Rule
/// [no-nested-containers](../../../book/rules/no-nested-containers.html).
///
/// # Safety
///
/// `array` was allocated for this many fences. `fences` are as many, in a block from `kmalloc()`; the
/// caller has a reference to each.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_array_init(
    array: *mut dma_fence_array,
    num_fences: c_int,
    fences: *mut *mut dma_fence,
    context: u64,
    seqno: c_uint,
) {
    static mut KEY: lock_class_key = lock_class_key::new();
    WARN_ON!(num_fences == 0 || fences.is_null());
    let base: *mut dma_fence = array.cast();
    // SAFETY: The memory is the caller's alone, and the ops are static. The lock, that of the array
    // itself, is not held.
    unsafe {
        // CAST: It is not negative, since the memory was allocated.
        (*array).num_fences = num_fences as c_uint;
        dma_fence_init(
            base,
            &dma_fence_array_ops,
            null_mut(),
            context,
            seqno.into(),
        );
        init_irq_work(addr_of_mut!((*array).work), Some(irq_dma_fence_array_work));
        // Under it the locks of the members are taken.
        let name = c"&dma_fence_array_lock_key".as_char_ptr();
        lockdep_set_class(dma_fence_spinlock(base), name, &raw mut KEY);
        addr_of_mut!((*array).num_pending).write(Atomic::new(num_fences));
        (*array).fences = fences;
        live(base).set_error(PENDING_ERROR);
        contract::contains(live(base));
        for &member in members(array).iter().rev() {
            let is_container = dma_fence_is_container(member);
            contract::member(live(base), live(member), is_container);
            WARN_ON!(is_container);
        }
    }
}

/// Returns a new array of these fences, whose references and memory it takes over; null without
/// memory, and then it takes over nothing. May sleep. Warns as [`dma_fence_array_init`].
///
/// # Safety
///
/// `fences` are this many, in a block from `kmalloc()`; the caller has a reference to each.
#[track_caller]
pub unsafe fn dma_fence_array_create(
    num_fences: c_int,
    fences: *mut *mut dma_fence,
    context: u64,
    seqno: c_uint,
) -> *mut dma_fence_array {
    // SAFETY: The memory is allocated for as many fences; the rest is the caller's guarantee.
    unsafe {
        let array = dma_fence_array_alloc(num_fences);
        if !array.is_null() {
            dma_fence_array_init(array, num_fences, fences, context, seqno);
        }
        array
    }
}

/// True if the fence, or each member if it is an array, is of this context. From any context.
pub unsafe fn dma_fence_match_context(fence: *mut dma_fence, context: u64) -> bool {
    contract::needs_fence!(fence, "dma_fence_match_context", false);
    // SAFETY: The caller has a reference to the fence, and an array to its members.
    unsafe {
        match to_dma_fence_array(fence) {
            array if array.is_null() => (*fence).context == context,
            array => members(array)
                .iter()
                .all(|&member| (*member).context == context),
        }
    }
}

/// Returns the first member of an array, null if it has none; a fence that is no array is its own first
/// member, and its only one. From any context.
///
/// # Safety
///
/// `head` may be null.
#[doc(alias = "dma_fence_array_for_each")]
pub unsafe fn dma_fence_array_first(head: *mut dma_fence) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the fence, unless it is null.
    unsafe {
        match to_dma_fence_array(head) {
            array if array.is_null() => head,
            array => members(array).first().copied().unwrap_or(null_mut()),
        }
    }
}

/// Returns the member with this index; null if there is none, or if the fence is no array. From any
/// context.
///
/// # Safety
///
/// `head` may be null.
#[doc(alias = "dma_fence_array_for_each")]
pub unsafe fn dma_fence_array_next(head: *mut dma_fence, index: c_uint) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the fence, unless it is null.
    unsafe {
        match to_dma_fence_array(head) {
            array if array.is_null() => null_mut(),
            array => {
                let member = members(array).get(index as usize);
                member.copied().unwrap_or(null_mut())
            }
        }
    }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::{dma_fence_array, dma_fence_array_cb};
    use core::mem::offset_of;
    use kernel::bindings::irq_work;
    use static_assertions::const_assert_eq;

    const_assert_eq!(size_of::<irq_work>(), 32);
    const_assert_eq!(size_of::<dma_fence_array_cb>(), 32);
    const_assert_eq!(offset_of!(dma_fence_array_cb, array), 24);
    const_assert_eq!(size_of::<dma_fence_array>(), 112);
    const_assert_eq!(align_of::<dma_fence_array>(), 8);
    const_assert_eq!(offset_of!(dma_fence_array, base), 0);
    const_assert_eq!(offset_of!(dma_fence_array, num_fences), 64);
    const_assert_eq!(offset_of!(dma_fence_array, num_pending), 68);
    const_assert_eq!(offset_of!(dma_fence_array, fences), 72);
    const_assert_eq!(offset_of!(dma_fence_array, work), 80);
    const_assert_eq!(offset_of!(dma_fence_array, callbacks), 112);
}
