// SPDX-License-Identifier: GPL-2.0-only
//! Reservation objects: the fences that all users of a buffer wait for, and a lock.
//!
//! C header: [`include/linux/dma-resv.h`](srctree/include/linux/dma-resv.h)
//!
//! A reservation object has a list of fences, each with a usage in the low bits of its address. The
//! list is changed under the lock, and read under it or inside an RCU read-side section alone. Adding
//! a fence cannot fail, since it comes behind a point of no return: a slot is reserved before. A list
//! that is too short is replaced, and freed after a grace period.
//!
//! A reader without the lock takes a reference to each fence that it finds, and begins anew if a
//! fence has none left or if the list has been replaced meanwhile. It knows the list by a number, where
//! C has its address, which [another list may have](../../../../book/found-upstream/resv-reused.html).
//!
//! # Safety
//!
//! A reservation object that is passed in was initialised by [`dma_resv_init`], and stays until
//! [`dma_resv_fini`].

mod iter;
mod query;

pub use self::{iter::*, query::*};

use super::{
    super::contract, dma_fence, dma_fence_get, dma_fence_is_container, dma_fence_is_later_or_same,
    dma_fence_put, signalling::prime, state::is_signaled_in_section,
};
use core::ptr::{addr_of_mut, null_mut, without_provenance_mut};
use kernel::{
    bindings::{
        callback_head, kfree_rcu, kmalloc_size_roundup, kvrealloc_node_align, rcu_access_pointer,
        rcu_assign_pointer, rcu_dereference, rcu_pointer, rule::checking, ww_acquire_ctx,
        ww_acquire_fini, ww_acquire_init, ww_mutex, ww_mutex_ctx, ww_mutex_destroy, ww_mutex_init,
        ww_mutex_is_held, ww_mutex_is_locked, ww_mutex_lock, ww_mutex_lock_interruptible,
        ww_mutex_lock_slow, ww_mutex_lock_slow_interruptible, ww_mutex_trylock, ww_mutex_unlock,
        DEFINE_WD_CLASS, EINVAL, ENOMEM, GFP_KERNEL, NUMA_NO_NODE,
    },
    ffi::{c_int, c_uint},
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        rcu,
    },
    types::Opaque,
    BUG_ON, WARN_ON,
};

DEFINE_WD_CLASS! {
    /// The locks of all reservation objects.
    #[no_mangle]
    pub reservation_ww_class,
    c"reservation_ww_class_acquire",
    c"reservation_ww_class_mutex"
}

/// C: `enum dma_resv_usage`. A query for one finds those before it as well.
pub type dma_resv_usage = c_uint;
/// For the kernel's own management of memory; all wait for it.
pub const dma_resv_usage_DMA_RESV_USAGE_KERNEL: dma_resv_usage = 0;
/// Writes of userspace.
pub const dma_resv_usage_DMA_RESV_USAGE_WRITE: dma_resv_usage = 1;
/// Reads of userspace.
pub const dma_resv_usage_DMA_RESV_USAGE_READ: dma_resv_usage = 2;
/// No implicit synchronisation.
pub const dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP: dma_resv_usage = 3;

/// The most that `kmalloc()` has.
const KMALLOC_MAX_SIZE: usize = 4 << 20;

/// The bits of a slot that have the usage.
const USAGE: usize = 3;

/// Returns the usage that a new write, or a new read, has to wait for.
pub const fn dma_resv_usage_rw(write: bool) -> dma_resv_usage {
    if write {
        dma_resv_usage_DMA_RESV_USAGE_READ
    } else {
        dma_resv_usage_DMA_RESV_USAGE_WRITE
    }
}

/// The fences of a buffer, and its lock.
#[repr(C)]
pub struct dma_resv {
    /// Held while the fences change.
    pub lock: ww_mutex,
    fences: rcu_pointer<dma_resv_list>,
}

/// The list of a reservation object; its slots follow.
///
/// # Invariants
///
/// There are `max` slots. The first `num_fences` have a fence each, to which they have a reference.
#[repr(C)]
pub struct dma_resv_list {
    rcu: callback_head,
    num_fences: Atomic<u32>,
    /// How many fences it may have: the slots, or less if these are not reserved any more.
    max_fences: u32,
    /// No other list that was published has it, or ever had. Not in C.
    number: usize,
    table: [Atomic<*mut dma_fence>; 0],
}

kernel::bindings::global! {
    /// Where the numbers of the next object's lists begin: 0 is that of none.
    static list_number: Atomic<usize> = Atomic::new(NUMBERS);
}

/// The numbers that an object gets at a time, so that not each list costs a locked operation.
const NUMBERS: usize = 1 << (usize::BITS / 2);

impl dma_resv_list {
    /// Returns new memory for so many fences, and as many more as there is room for; it has none. Null
    /// without memory. May sleep.
    ///
    /// # Safety
    ///
    /// `old` is null, or the list of the object that it is for, and the caller's alone to change.
    #[track_caller]
    unsafe fn alloc(max_fences: u32, old: *mut Self) -> *mut Self {
        const SLOT: usize = size_of::<Atomic<*mut dma_fence>>();
        // As many slots as in C: the number comes on top of the block that is rounded up there.
        const NUMBER: usize = size_of::<usize>();
        const HEAD: usize = size_of::<dma_resv_list>() - NUMBER;
        let slots = SLOT.checked_mul(max_fences as usize);
        let size = slots.and_then(|slots| slots.checked_add(HEAD));
        let Some(size) = size.filter(|size| *size <= KMALLOC_MAX_SIZE) else {
            return null_mut();
        };
        let size = kmalloc_size_roundup(size);
        // CAST: Less than twice what was asked for, and that fits.
        let max_fences = ((size - HEAD) / SLOT) as u32;
        // SAFETY: There is no block to replace. The memory is as large as is written.
        unsafe {
            let (none, align) = (null_mut(), align_of::<Self>());
            let size = size + NUMBER;
            let list = kvrealloc_node_align(none, size, align, GFP_KERNEL, NUMA_NO_NODE);
            let list: *mut Self = list.cast();
            if !list.is_null() {
                addr_of_mut!((*list).num_fences).write(Atomic::new(0));
                (*list).max_fences = max_fences;
                (*list).number = match old.as_ref().map_or(0, |old| (old.number + 1) % NUMBERS) {
                    // Pairs with nothing: all that counts is that no two objects get the same.
                    // 0 is that of none, also when they begin anew.
                    0 => list_number.fetch_add(NUMBERS, Relaxed).max(1),
                    _ => (*old).number + 1,
                };
                let table = addr_of_mut!((*list).table).cast::<Atomic<*mut dma_fence>>();
                for n in 0..max_fences as usize {
                    table.add(n).write(Atomic::new(null_mut()));
                }
            }
            list
        }
    }

    /// What a reader keeps of the list while it is in no section: the memory may be another list's then, at
    /// the same address. It is no address, but is kept where C has one; null if there is no list.
    ///
    /// # Safety
    ///
    /// The list is null or valid.
    unsafe fn number(this: *mut Self) -> *mut Self {
        // SAFETY: The caller's guarantee.
        without_provenance_mut(unsafe { this.as_ref() }.map_or(0, |list| list.number))
    }

    /// Drops the references, and frees the memory after a grace period. From any context.
    ///
    /// # Safety
    ///
    /// The list is null, or no reader finds it that has not found it already.
    #[cfg_attr(feature = "debug", track_caller)]
    unsafe fn free(this: *mut Self) {
        if this.is_null() {
            return;
        }
        // SAFETY: The list is the caller's: its guarantee. Readers are in a section.
        unsafe {
            for n in 0..(*this).num_fences.load(Relaxed) {
                dma_fence_put(Self::entry(this, n).0);
            }
            kfree_rcu!(this, dma_resv_list, rcu);
        }
    }

    /// # Safety
    ///
    /// The list is valid, and has this slot.
    unsafe fn slot<'a>(this: *mut Self, index: u32) -> &'a Atomic<*mut dma_fence> {
        // SAFETY: The slots follow the structure.
        unsafe {
            let table = addr_of_mut!((*this).table).cast::<Atomic<*mut dma_fence>>();
            &*table.add(index as usize)
        }
    }

    /// Returns the fence in a slot, and its usage.
    ///
    /// # Safety
    ///
    /// The slot is one of the first `num_fences`.
    unsafe fn entry(this: *mut Self, index: u32) -> (*mut dma_fence, dma_resv_usage) {
        // Pairs with `set()`.
        // SAFETY: The slot has a fence: the caller's guarantee.
        let fence = unsafe { Self::slot(this, index) }.load(Acquire);
        debug_assert!(!fence.is_null(), "a slot is counted ahead of its fence");
        // CAST: Two bits.
        let usage = (fence.addr() & USAGE) as dma_resv_usage;
        (fence.map_addr(|addr| addr & !USAGE), usage)
    }

    /// Puts a fence, with its reference, into a slot.
    ///
    /// # Safety
    ///
    /// The list is valid, and the caller's alone to change.
    unsafe fn set(this: *mut Self, index: u32, fence: *mut dma_fence, usage: dma_resv_usage) {
        let fence = fence.map_addr(|addr| addr | usage as usize);
        // Pairs with `entry()`: a reader without the lock finds what the fence was initialised to.
        // SAFETY: The list has this slot: the caller's guarantee.
        unsafe { Self::slot(this, index) }.store(fence, Release);
    }
}

/// Calls `inside` as under the lock of a reservation object, for lockdep.
pub(super) fn primed(inside: impl FnOnce()) {
    let (ctx, obj) = (Opaque::uninit(), Opaque::uninit());
    let (ctx, obj): (*mut ww_acquire_ctx, *mut dma_resv) = (ctx.get(), obj.get());
    // SAFETY: Both stay here until they have ended, and no other task knows the object.
    unsafe {
        init(obj);
        dma_resv_acquire_init(ctx);
        ww_mutex_trylock(addr_of_mut!((*obj).lock), ctx);
        inside();
        ww_mutex_unlock(addr_of_mut!((*obj).lock));
        ww_acquire_fini(ctx);
    }
}

/// Makes `ctx` a context of this task for the locks of reservation objects.
///
/// C: `ww_acquire_init(ctx, &reservation_ww_class)`.
///
/// # Safety
///
/// As of [`ww_acquire_init`].
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_acquire_init(ctx: *mut ww_acquire_ctx) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { ww_acquire_init(ctx, &reservation_ww_class) };
}

/// Makes `obj` a reservation object without fences, which is not locked.
///
/// # Safety
///
/// `obj` is valid for writes.
pub unsafe fn dma_resv_init(obj: *mut dma_resv) {
    prime();
    // SAFETY: `obj` is valid for writes: the caller's guarantee.
    unsafe { init(obj) };
}

/// As [`dma_resv_init`], of which lockdep knows.
unsafe fn init(obj: *mut dma_resv) {
    // SAFETY: `obj` is valid for writes: the caller's guarantee.
    unsafe {
        ww_mutex_init(addr_of_mut!((*obj).lock), &reservation_ww_class);
        addr_of_mut!((*obj).fences).write(rcu_pointer::new(null_mut()));
    }
}

/// Drops the references to all fences. From any context.
///
/// # Safety
///
/// `obj` is not used any more, not by readers without the lock either.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_fini(obj: *mut dma_resv) {
    // SAFETY: `obj` is the caller's alone.
    unsafe {
        dma_resv_list::free(rcu_access_pointer(&(*obj).fences));
        ww_mutex_destroy(addr_of_mut!((*obj).lock));
    }
}

/// Takes the lock: 0, or as of a [`ww_mutex`] -EDEADLK or -EALREADY. May sleep.
///
/// # Safety
///
/// As of [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn dma_resv_lock(obj: *mut dma_resv, ctx: *mut ww_acquire_ctx) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { ww_mutex_lock(addr_of_mut!((*obj).lock), ctx) }
}

/// As [`dma_resv_lock`], or -EINTR if a signal came. May sleep.
///
/// # Safety
///
/// As of [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn dma_resv_lock_interruptible(obj: *mut dma_resv, ctx: *mut ww_acquire_ctx) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { ww_mutex_lock_interruptible(addr_of_mut!((*obj).lock), ctx) }
}

/// Takes the lock that -EDEADLK was returned for. May sleep.
///
/// # Safety
///
/// As of [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn dma_resv_lock_slow(obj: *mut dma_resv, ctx: *mut ww_acquire_ctx) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { ww_mutex_lock_slow(addr_of_mut!((*obj).lock), ctx) }
}

/// As [`dma_resv_lock_slow`]: 0, or -EINTR if a signal came. May sleep.
///
/// # Safety
///
/// As of [`ww_mutex_lock`].
#[track_caller]
pub unsafe fn dma_resv_lock_slow_interruptible(
    obj: *mut dma_resv,
    ctx: *mut ww_acquire_ctx,
) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { ww_mutex_lock_slow_interruptible(addr_of_mut!((*obj).lock), ctx) }
}

/// Takes the lock if it is free, without a context; true if it was. Not from interrupt context.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_trylock(obj: *mut dma_resv) -> bool {
    // SAFETY: The object is initialised.
    unsafe { ww_mutex_trylock(addr_of_mut!((*obj).lock), null_mut()) != 0 }
}

/// True if a task holds the lock.
pub unsafe fn dma_resv_is_locked(obj: *mut dma_resv) -> bool {
    // SAFETY: The object is initialised.
    unsafe { ww_mutex_is_locked(addr_of_mut!((*obj).lock)) }
}

/// Returns the context under which the lock was taken; null if there is none.
pub unsafe fn dma_resv_locking_ctx(obj: *mut dma_resv) -> *mut ww_acquire_ctx {
    // SAFETY: The object is initialised.
    unsafe { ww_mutex_ctx(addr_of_mut!((*obj).lock)) }
}

/// Releases the lock. What was reserved is not any more: in a debug kernel, so that it is missed.
///
/// # Safety
///
/// The task holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_unlock(obj: *mut dma_resv) {
    // SAFETY: The task holds the lock.
    unsafe {
        dma_resv_reset_max_fences(obj);
        ww_mutex_unlock(addr_of_mut!((*obj).lock));
    }
}

/// True unless it is known that the task does not hold the lock.
pub unsafe fn dma_resv_held(obj: *mut dma_resv) -> bool {
    // SAFETY: The object is initialised.
    unsafe { ww_mutex_is_held(addr_of_mut!((*obj).lock)) != 0 }
}

/// Warns in a debug kernel if the task does not hold the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_assert_held(obj: *mut dma_resv) {
    // SAFETY: The object is initialised.
    WARN_ON!(cfg!(feature = "debug") && !unsafe { dma_resv_held(obj) });
}

/// The list, for a holder of the lock or a reader.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn fences_list(obj: *mut dma_resv) -> *mut dma_resv_list {
    // SAFETY: The object is initialised.
    unsafe {
        if cfg!(feature = "debug") && !dma_resv_held(obj) {
            rcu_dereference(&(*obj).fences)
        } else {
            rcu_access_pointer(&(*obj).fences)
        }
    }
}

/// Forgets, in a debug kernel that checks, what was reserved.
///
/// # Safety
///
/// The task holds the lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_reset_max_fences(obj: *mut dma_resv) {
    if cfg!(feature = "debug") && checking() {
        // SAFETY: The task holds the lock.
        unsafe {
            dma_resv_assert_held(obj);
            if let Some(list) = fences_list(obj).as_mut() {
                list.max_fences = list.num_fences.load(Relaxed);
            }
        }
    }
}

/// Reserves slots for so many fences more, until the lock is released: 0; -ENOMEM; -EINVAL, with a
/// warning, for none. Polls those that are there if they have to move. May sleep.
///
/// # Safety
///
/// The task holds the lock.
#[track_caller]
pub unsafe fn dma_resv_reserve_fences(obj: *mut dma_resv, num_fences: c_uint) -> c_int {
    // SAFETY: The task holds the lock, and with it the list. Readers find the old list or the new one,
    // which have the same fences but for those that have signalled.
    unsafe {
        dma_resv_assert_held(obj);
        if WARN_ON!(num_fences == 0) {
            return -(EINVAL as c_int);
        }
        let old = fences_list(obj);
        let max = match old.as_ref() {
            Some(old) if old.max_fences != 0 => {
                let needed = old.num_fences.load(Relaxed).saturating_add(num_fences);
                if needed <= old.max_fences {
                    return 0;
                }
                needed.max(old.max_fences.saturating_mul(2))
            }
            _ => num_fences
                .checked_next_power_of_two()
                .unwrap_or(u32::MAX)
                .max(4),
        };
        let new = dma_resv_list::alloc(max, old);
        if new.is_null() {
            return -(ENOMEM as c_int);
        }
        // The references move: those that have signalled to the end, to be dropped. One section is enough
        // for all that are polled.
        let section = rcu::Guard::new();
        let (mut kept, mut dropped) = (0, max);
        let count = old.as_ref().map_or(0, |old| old.num_fences.load(Relaxed));
        for n in 0..count {
            let (fence, usage) = dma_resv_list::entry(old, n);
            if is_signaled_in_section(fence) {
                dropped -= 1;
                dma_resv_list::set(new, dropped, fence, 0);
            } else {
                dma_resv_list::set(new, kept, fence, usage);
                kept += 1;
            }
        }
        drop(section);
        (*new).num_fences.store(kept, Relaxed);
        rcu_assign_pointer(&(*obj).fences, new);
        if !old.is_null() {
            for n in dropped..max {
                dma_fence_put(dma_resv_list::entry(new, n).0);
            }
            kfree_rcu!(old, dma_resv_list, rcu);
        }
        0
    }
}

/// Adds a fence, and takes a reference. It takes the place of one that has signalled, or of one of its
/// context that is no later and has no stronger usage; otherwise a slot was reserved. Warns about a
/// container. Polls fences.
///
/// Rule [resv-reserve-first](../../../book/rules/resv-reserve-first.html).
///
/// # Safety
///
/// The task holds the lock, and has reserved a slot since it took it.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_add_fence(obj: *mut dma_resv, fence: *mut dma_fence, usage: dma_resv_usage) {
    contract::needs_reference!(fence, "dma_resv_add_fence");
    // SAFETY: The task holds the lock, and with it the list, which has references to its fences.
    unsafe {
        dma_fence_get(fence);
        dma_resv_assert_held(obj);
        WARN_ON!(dma_fence_is_container(fence));

        let list = fences_list(obj);
        let count = list
            .as_ref()
            .map_or(0, |list| list.num_fences.load(Relaxed));
        // One section is enough for all that are polled.
        let section = rcu::Guard::new();
        for n in 0..count {
            let (old, old_usage) = dma_resv_list::entry(list, n);
            let replaces = (*old).context == (*fence).context
                && old_usage >= usage
                && dma_fence_is_later_or_same(fence, old);
            if replaces || is_signaled_in_section(old) {
                dma_resv_list::set(list, n, fence, usage);
                dma_fence_put(old);
                return;
            }
        }
        drop(section);
        let free = list.as_ref().is_some_and(|list| count < list.max_fences);
        contract::needs_slot!(fence, free);
        BUG_ON!(!free);
        dma_resv_list::set(list, count, fence, usage);
        // Pairs with the load in `restart_unlocked()`: a reader that counts the fence finds it.
        (*list).num_fences.store(count + 1, Release);
    }
}

/// Puts a fence, with a usage, in the place of all fences of a context: each takes a reference.
///
/// # Safety
///
/// The task holds the lock. `replacement` stands for all that those stood for.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_resv_replace_fences(
    obj: *mut dma_resv,
    context: u64,
    replacement: *mut dma_fence,
    usage: dma_resv_usage,
) {
    contract::needs_reference!(replacement, "dma_resv_replace_fences");
    // SAFETY: The task holds the lock, and with it the list, which has references to its fences.
    unsafe {
        dma_resv_assert_held(obj);
        let list = fences_list(obj);
        let count = list
            .as_ref()
            .map_or(0, |list| list.num_fences.load(Relaxed));
        for n in 0..count {
            let (old, _) = dma_resv_list::entry(list, n);
            if (*old).context == context {
                dma_resv_list::set(list, n, dma_fence_get(replacement), usage);
                dma_fence_put(old);
            }
        }
    }
}

/// Gives `dst` the fences of `src` that have not signalled, in the place of its own: 0, or -ENOMEM. May
/// sleep.
///
/// # Safety
///
/// The task holds the lock of `dst`.
#[track_caller]
pub unsafe fn dma_resv_copy_fences(dst: *mut dma_resv, src: *mut dma_resv) -> c_int {
    let mut cursor = dma_resv_iter::new();
    let cursor = &raw mut cursor;
    // SAFETY: The task holds the lock of `dst`, and with it its list; the new one is its own until it is
    // published.
    unsafe {
        dma_resv_assert_held(dst);
        let mut list = null_mut();
        dma_resv_iter_begin(cursor, src, dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP);
        let mut fence = dma_resv_iter_first_unlocked(cursor);
        while !fence.is_null() {
            if dma_resv_iter_is_restarted(cursor) {
                dma_resv_list::free(list);
                list = dma_resv_list::alloc((*cursor).num_fences, fences_list(dst));
                if list.is_null() {
                    dma_resv_iter_end(cursor);
                    return -(ENOMEM as c_int);
                }
            }
            let count = (*list).num_fences.load(Relaxed);
            dma_resv_list::set(
                list,
                count,
                dma_fence_get(fence),
                dma_resv_iter_usage(cursor),
            );
            (*list).num_fences.store(count + 1, Relaxed);
            fence = dma_resv_iter_next_unlocked(cursor);
        }
        dma_resv_iter_end(cursor);
        let old = fences_list(dst);
        rcu_assign_pointer(&(*dst).fences, list);
        dma_resv_list::free(old);
        0
    }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
mod layout {
    use super::{dma_resv, dma_resv_iter, dma_resv_list};
    use core::mem::offset_of;
    use static_assertions::const_assert_eq;

    const_assert_eq!(size_of::<dma_resv>(), 40);
    const_assert_eq!(offset_of!(dma_resv, lock), 0);
    const_assert_eq!(offset_of!(dma_resv, fences), 32);
    const_assert_eq!(offset_of!(dma_resv_list, num_fences), 16);
    const_assert_eq!(offset_of!(dma_resv_list, max_fences), 20);
    const_assert_eq!(offset_of!(dma_resv_list, number), 24);
    const_assert_eq!(offset_of!(dma_resv_list, table), 32);
    const_assert_eq!(size_of::<dma_resv_iter>(), 48);
    const_assert_eq!(offset_of!(dma_resv_iter, obj), 0);
    const_assert_eq!(offset_of!(dma_resv_iter, usage), 8);
    const_assert_eq!(offset_of!(dma_resv_iter, fence), 16);
    const_assert_eq!(offset_of!(dma_resv_iter, fence_usage), 24);
    const_assert_eq!(offset_of!(dma_resv_iter, index), 28);
    const_assert_eq!(offset_of!(dma_resv_iter, fences), 32);
    const_assert_eq!(offset_of!(dma_resv_iter, num_fences), 40);
    const_assert_eq!(offset_of!(dma_resv_iter, is_restarted), 44);
}
