// SPDX-License-Identifier: GPL-2.0-only
//! Chains: nodes that each contain a fence and point to the node before.
//!
//! C header: [`include/linux/dma-fence-chain.h`](srctree/include/linux/dma-fence-chain.h)
//!
//! A node signals once its own fence and those of all nodes before it have. It waits for one of them
//! at a time: its callback is on the first that has not signalled, and when that has, the node looks
//! for the next. It does so from an interrupt that the callback sends, for the callback runs under
//! the lock of its fence, and the next one may have the same.
//!
//! A walk collects: a node before the current one whose fence has signalled is cut
//! out of the chain. So the link of a node changes while others read it, but only ever to a node
//! further back, and each node keeps the number that its first predecessor had.
//!
//! Nothing here recurses: walking, collecting and releasing take a chain of any length node by node.

use super::super::{
    super::contract, __dma_fence_is_later, dma_fence, dma_fence_add_callback, dma_fence_cb,
    dma_fence_context_alloc, dma_fence_free, dma_fence_get, dma_fence_get_rcu_safe,
    dma_fence_init64, dma_fence_is_chain, dma_fence_is_signaled, dma_fence_kref, dma_fence_ops,
    dma_fence_put, dma_fence_set_deadline, dma_fence_signal, dma_fence_spinlock, live,
};
use core::{
    mem::{offset_of, ManuallyDrop},
    ptr::{addr_of_mut, null_mut},
};
use kernel::{
    bindings::{
        init_irq_work, irq_work, irq_work_ends, irq_work_queue, kfree, kmalloc_obj, kref_read,
        ktime_t, lock_class_key, lockdep_set_class, rcu_read_lock, rcu_read_unlock, EINVAL,
        GFP_KERNEL,
    },
    ffi::{c_char, c_int},
    str::CStrExt as _,
    sync::atomic::{Acquire, Atomic, Full, Relaxed},
    WARN_ON,
};

/// What a node waits by: never both at the same time.
#[repr(C)]
pub union dma_fence_chain__bindgen_ty_1 {
    /// The callback on the fence that the node waits for.
    pub cb: ManuallyDrop<dma_fence_cb>,
    /// The interrupt that follows.
    pub work: ManuallyDrop<irq_work>,
}

/// A slot whose fence changes while others read it.
#[cfg(not(loom))]
type Slot = *mut dma_fence;
/// The model checker knows no plain memory.
#[cfg(loom)]
type Slot = Atomic<*mut dma_fence>;

/// A node of a chain: a fence that signals once the one that it contains has, and all before it.
///
/// # Invariants
///
/// - The node owns a reference to the fence before it, if there is one, and one to its own.
/// - `prev` changes to a fence further back, atomically, until the last reference to the node is
///   dropped; the other fields never change.
#[repr(C)]
pub struct dma_fence_chain {
    /// The fence.
    pub base: dma_fence,
    /// The fence before it, or null.
    pub prev: Slot,
    /// The number of the fence that was before it at first, or 0 if the node began a new context.
    pub prev_seqno: u64,
    /// The fence that it contains.
    pub fence: *mut dma_fence,
    /// What it waits by.
    pub __bindgen_anon_1: dma_fence_chain__bindgen_ty_1,
}

/// The node that a fence is, or null if it is none, or null itself. From any context.
pub unsafe fn to_dma_fence_chain(fence: *mut dma_fence) -> *mut dma_fence_chain {
    // SAFETY: The caller has a reference to the fence, unless it is null.
    if fence.is_null() || !unsafe { dma_fence_is_chain(fence) } {
        return null_mut();
    }
    // A node begins with its fence.
    fence.cast()
}

/// The fence that a node contains; any other fence itself, also null. From any context.
pub unsafe fn dma_fence_chain_contained(fence: *mut dma_fence) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the fence, unless it is null.
    unsafe {
        let chain = to_dma_fence_chain(fence);
        if chain.is_null() {
            return fence;
        }
        (*chain).fence
    }
}

/// Returns memory for a node, which is to be passed to [`dma_fence_chain_init`] or to
/// [`dma_fence_chain_free`]; null without memory. May sleep.
#[track_caller]
pub unsafe fn dma_fence_chain_alloc() -> *mut dma_fence_chain {
    // SAFETY: Allocating has no preconditions.
    unsafe { kmalloc_obj(GFP_KERNEL) }
}

/// Frees a node that was not initialised; one that was is put. From any context.
///
/// # Safety
///
/// `chain` is null or comes from [`dma_fence_chain_alloc`], and was not initialised.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_chain_free(chain: *mut dma_fence_chain) {
    // SAFETY: It is the caller's, and no reader can know it.
    unsafe { kfree(chain.cast()) }
}

/// The slot for the fence before a node.
///
/// # Safety
///
/// `chain` is valid, and as long as the slot is used.
unsafe fn prev_slot<'a>(chain: *mut dma_fence_chain) -> &'a Atomic<*mut dma_fence> {
    // SAFETY: The node is valid, and its slot is changed atomically.
    unsafe { Atomic::from_ptr(addr_of_mut!((*chain).prev).cast()) }
}

/// A reference to the fence before a node, or null.
#[cfg_attr(feature = "debug", track_caller)]
pub(crate) unsafe fn dma_fence_chain_get_prev(chain: *mut dma_fence_chain) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the node; what is found in its slot was published
    // there, and fences are freed RCU-safe.
    unsafe {
        rcu_read_lock();
        let prev = dma_fence_get_rcu_safe(addr_of_mut!((*chain).prev).cast());
        rcu_read_unlock();
        prev
    }
}

/// Goes from a fence to the one before it in its chain: takes over the caller's reference to
/// `fence`, and returns one to that, or null where the chain ends or `fence` is no node of one. From
/// any context.
///
/// Collects: cuts out of the chain, and puts, what is before the node and has signalled, as far as
/// the fence that is returned. Polls for that as [`dma_fence_is_signaled`] does.
///
/// # Safety
///
/// The caller owns a reference to `fence`, unless that is null; no lock of a fence of the chain is
/// held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_chain_walk(fence: *mut dma_fence) -> *mut dma_fence {
    // SAFETY: The caller owns a reference to the fence, and so has one to each that is found from
    // there. What is cut out was the slot's reference, and what comes in its place has one too.
    unsafe {
        let chain = to_dma_fence_chain(fence);
        if chain.is_null() {
            dma_fence_put(fence);
            return null_mut();
        }
        let prev = loop {
            let prev = dma_fence_chain_get_prev(chain);
            if prev.is_null() || !dma_fence_is_signaled(dma_fence_chain_contained(prev)) {
                break prev;
            }
            let prev_chain = to_dma_fence_chain(prev);
            let replacement = match prev_chain.is_null() {
                true => null_mut(),
                false => dma_fence_chain_get_prev(prev_chain),
            };
            // Pairs with the `Acquire` in `dma_fence_get_rcu_safe()`, and with that of a release.
            match prev_slot(chain).cmpxchg(prev, replacement, Full) {
                Ok(_) => dma_fence_put(prev),
                // Another walker was faster.
                Err(_) => dma_fence_put(replacement),
            }
            dma_fence_put(prev);
        };
        dma_fence_put(fence);
        prev
    }
}

/// Calls `body` with each fence of the chain that ends at `head`, from there back, until it says
/// true; returns that one, with a reference, or null if it never did. Collects as
/// [`dma_fence_chain_walk`] does.
///
/// C has a macro for this, whose caller drops the reference when it leaves the loop.
///
/// # Safety
///
/// The caller has a reference to `head`, unless that is null; no lock of a fence of the chain is
/// held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_chain_for_each(
    head: *mut dma_fence,
    mut body: impl FnMut(*mut dma_fence) -> bool,
) -> *mut dma_fence {
    // SAFETY: The caller has a reference to the head; each step takes over that to the one before.
    unsafe {
        let mut iter = dma_fence_get(head);
        while !iter.is_null() && !body(iter) {
            iter = dma_fence_chain_walk(iter);
        }
        iter
    }
}

/// Moves the caller's reference in `pfence` back to the node that signals `seqno`: the oldest of its
/// context whose number is not less. 0 is no number, and does nothing. From any context.
///
/// What has signalled may have been collected; then this is the next node, or null where there is
/// none. -EINVAL, and nothing is done, if the fence is no node or its number is less than `seqno`.
///
/// # Safety
///
/// `pfence` is valid, and the caller owns the reference in it; no lock of a fence of the chain is
/// held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_chain_find_seqno(pfence: *mut *mut dma_fence, seqno: u64) -> c_int {
    if seqno == 0 {
        return 0;
    }
    // SAFETY: The caller owns a reference to the head, which stays until the loop is over.
    unsafe {
        let head = *pfence;
        if to_dma_fence_chain(head).is_null() || (*head).seqno < seqno {
            return -(EINVAL as c_int);
        }
        *pfence = dma_fence_chain_for_each(head, |fence| {
            let chain = to_dma_fence_chain(fence);
            // C takes any fence of the context for a node.
            (*fence).context != (*head).context || chain.is_null() || (*chain).prev_seqno < seqno
        });
        dma_fence_put(head);
        0
    }
}

extern "C" fn dma_fence_chain_get_driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"dma_fence_chain".as_char_ptr()
}

extern "C" fn dma_fence_chain_get_timeline_name(_fence: *mut dma_fence) -> *const c_char {
    c"unbound".as_char_ptr()
}

/// The offset of what a node waits by.
const WAITS_BY: usize = offset_of!(dma_fence_chain, __bindgen_anon_1);

/// The fence that a node waited for has signalled, and its callback is over.
unsafe extern "C" fn dma_fence_chain_irq_work(work: *mut irq_work) {
    // The callback takes the place of the work.
    irq_work_ends();
    // SAFETY: The work is in a node, to which it has a reference.
    unsafe {
        let fence: *mut dma_fence = work.byte_sub(WAITS_BY).cast();
        if !dma_fence_chain_enable_signaling(fence) {
            dma_fence_signal(fence);
        }
        dma_fence_put(fence);
    }
}

/// The fence that a node waits for signals. The work inherits the callback's reference to the node.
unsafe extern "C" fn dma_fence_chain_cb(f: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is in a node, and no longer on a list, so that the work can take its
    // place. The reference to the fence is the callback's.
    unsafe {
        let chain: *mut dma_fence_chain = cb.byte_sub(WAITS_BY).cast();
        let work: *mut irq_work = addr_of_mut!((*chain).__bindgen_anon_1).cast();
        init_irq_work(work, Some(dma_fence_chain_irq_work));
        irq_work_queue(work);
        dma_fence_put(f);
    }
}

/// Waits for the first fence of the chain that has not signalled; false if there is none.
unsafe extern "C" fn dma_fence_chain_enable_signaling(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the node, whose callback is on no fence: it is enabled
    // once, and then only by its own work. The callback has a reference to the node and one to the
    // fence that it is on.
    unsafe {
        let chain: *mut dma_fence_chain = fence.cast();
        let cb: *mut dma_fence_cb = addr_of_mut!((*chain).__bindgen_anon_1).cast();
        dma_fence_get(fence);
        let pending = dma_fence_chain_for_each(fence, |fence| {
            let f = dma_fence_get(dma_fence_chain_contained(fence));
            let added = dma_fence_add_callback(f, cb, Some(dma_fence_chain_cb)) == 0;
            if !added {
                dma_fence_put(f);
            }
            added
        });
        match pending.is_null() {
            true => dma_fence_put(fence),
            false => dma_fence_put(pending),
        }
        !pending.is_null()
    }
}

/// Has all of the chain signalled?
unsafe extern "C" fn dma_fence_chain_signaled(fence: *mut dma_fence) -> bool {
    // SAFETY: The caller has a reference to the node.
    unsafe {
        let pending = dma_fence_chain_for_each(fence, |fence| {
            !dma_fence_is_signaled(dma_fence_chain_contained(fence))
        });
        dma_fence_put(pending);
        pending.is_null()
    }
}

/// The last reference to a node is gone.
///
/// The node before it may lose its last reference with it, and so may the next. Each of these loses
/// its link before it is put, and so ends by itself.
unsafe extern "C" fn dma_fence_chain_release(fence: *mut dma_fence) {
    let chain: *mut dma_fence_chain = fence.cast();
    // SAFETY: The node is this function's, and with it its references. A node before it whose only
    // reference this is can be found by no other task.
    unsafe {
        let mut prev = prev_slot(chain).load(Relaxed);
        while !prev.is_null() && kref_read(dma_fence_kref(prev)) == 1 {
            let prev_chain = to_dma_fence_chain(prev);
            if prev_chain.is_null() {
                break;
            }
            // That the count is 1 says that no walker is there any more, but not what the last one
            // did before it dropped its reference: an exchange finds what that left in the slot,
            // where a plain read might not. Pairs with the `cmpxchg()` in `dma_fence_chain_walk()`.
            let next = match cfg!(fault = "stale") {
                false => prev_slot(prev_chain).xchg(null_mut(), Acquire),
                true => prev_slot(prev_chain).load(Relaxed),
            };
            dma_fence_put(prev);
            prev = next;
        }
        dma_fence_put(prev);
        dma_fence_put((*chain).fence);
        dma_fence_free(fence);
    }
}

/// All of the chain is wanted by then.
unsafe extern "C" fn dma_fence_chain_set_deadline(fence: *mut dma_fence, deadline: ktime_t) {
    // SAFETY: The caller has a reference to the node.
    unsafe {
        dma_fence_chain_for_each(fence, |fence| {
            dma_fence_set_deadline(dma_fence_chain_contained(fence), deadline);
            false
        });
    }
}

/// The ops of nodes of chains, by whose address they are known.
#[no_mangle]
pub static dma_fence_chain_ops: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(dma_fence_chain_get_driver_name),
    get_timeline_name: Some(dma_fence_chain_get_timeline_name),
    enable_signaling: Some(dma_fence_chain_enable_signaling),
    signaled: Some(dma_fence_chain_signaled),
    wait: None,
    release: Some(dma_fence_chain_release),
    set_deadline: Some(dma_fence_chain_set_deadline),
};

/// Initialises a node that contains `fence`, behind `prev` if that is not null, with one reference,
/// which is the caller's. Takes over the caller's references to both. From any context.
///
/// The node is of the context of a node before it whose number is less than `seqno`. Else it begins
/// a context of its own, and its number is not less than that of the node before it.
///
/// Warns if `fence` is itself a node of a chain: an array of the fences of that does it.
///
/// # Safety
///
/// `chain` is valid for writes and known to the caller alone, who owns the references to `fence` and
/// `prev`; it comes from [`dma_fence_chain_alloc`] or is otherwise a block of `kmalloc()`.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_chain_init(
    chain: *mut dma_fence_chain,
    prev: *mut dma_fence,
    fence: *mut dma_fence,
    mut seqno: u64,
) {
    static mut dma_fence_chain_lock_key: lock_class_key = lock_class_key::new();
    // SAFETY: The node is the caller's alone, and so are the references.
    unsafe {
        addr_of_mut!((*chain).prev)
            .cast::<Atomic<_>>()
            .write(Atomic::new(prev));
        (*chain).fence = fence;
        (*chain).prev_seqno = 0;

        let context;
        let follows = !to_dma_fence_chain(prev).is_null();
        if follows && __dma_fence_is_later(prev, seqno, (*prev).seqno) {
            context = (*prev).context;
            (*chain).prev_seqno = (*prev).seqno;
        } else {
            context = dma_fence_context_alloc(1);
            if follows {
                seqno = seqno.max((*prev).seqno);
            }
        }
        let base: *mut dma_fence = chain.cast();
        dma_fence_init64(base, &dma_fence_chain_ops, null_mut(), context, seqno);
        // The lock of a node is held while those of the fences in its chain are taken.
        let name = c"&dma_fence_chain_lock_key".as_char_ptr();
        let key = &raw mut dma_fence_chain_lock_key;
        lockdep_set_class(dma_fence_spinlock(base), name, key);
        contract::contains(live(base));
        let is_chain = dma_fence_is_chain(fence);
        contract::member(live(base), live(fence), is_chain);
        WARN_ON!(is_chain);
    }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::{dma_fence_chain, offset_of};
    use static_assertions::const_assert_eq;

    const_assert_eq!(size_of::<dma_fence_chain>(), 120);
    const_assert_eq!(align_of::<dma_fence_chain>(), 8);
    const_assert_eq!(offset_of!(dma_fence_chain, base), 0);
    const_assert_eq!(offset_of!(dma_fence_chain, prev), 64);
    const_assert_eq!(offset_of!(dma_fence_chain, prev_seqno), 72);
    const_assert_eq!(offset_of!(dma_fence_chain, fence), 80);
    const_assert_eq!(offset_of!(dma_fence_chain, __bindgen_anon_1), 88);
}
