// SPDX-License-Identifier: GPL-2.0-only
//! Arrays with holes: of pointers, indexed by a word.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h); C file: [`lib/xarray.c`](srctree/lib/xarray.c).
//!
//! The array is locked by its own spinlock, which the functions that begin with `__` expect to be held;
//! [`xa_load()`], [`xa_find()`] and [`xa_find_after()`] need none. Without marks, but for the one that
//! says which indices are free, and without entries of many indices.
//!
//! # Safety
//!
//! Besides what holds for all functions: entries are aligned to four bytes, and are not looked into.

mod tree;

use self::tree::Node;
use crate::{
    ffi::{c_int, c_ulong, c_void},
    gfp_t, rcu_read_lock, rcu_read_unlock, spin_lock, spin_trylock, spin_unlock, spinlock_t,
    __GFP_DIRECT_RECLAIM, EBUSY, EINVAL, ENOMEM, WARN,
};
use core::{
    ptr::{null_mut, without_provenance_mut},
    sync::atomic::{AtomicPtr, Ordering::Acquire},
};

/// An array.
#[repr(C)]
pub struct xarray {
    /// Protects what is in the array; may be used for other things as well.
    pub xa_lock: spinlock_t,
    /// `XA_FLAGS_`...
    pub xa_flags: gfp_t,
    /// Null, the entry of index 0, or a node.
    xa_head: AtomicPtr<c_void>,
}

#[cfg(not(loom))]
static_assertions::assert_eq_size!(xarray, [u64; 2]);

/// The indices from `min` to `max`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct xa_limit {
    /// The largest one.
    pub max: u32,
    /// The smallest one.
    pub min: u32,
}

/// All indices of 32 bits.
pub const xa_limit_32b: xa_limit = xa_limit {
    max: u32::MAX,
    min: 0,
};

/// What [`xa_find()`] looks for. In C a number, with which marks are meant as well.
#[derive(Clone, Copy, Debug)]
pub struct xa_mark_t(());

/// Any entry.
pub const XA_PRESENT: xa_mark_t = xa_mark_t(());

const XA_FLAGS_TRACK_FREE: gfp_t = 4;
const XA_FLAGS_ZERO_BUSY: gfp_t = 8;
const XA_FLAGS_ALLOC_WRAPPED: gfp_t = 16;

/// Free indices can be asked for; the first one is 0.
pub const XA_FLAGS_ALLOC: gfp_t = XA_FLAGS_TRACK_FREE | 1 << 27;
/// Free indices can be asked for; the first one is 1.
pub const XA_FLAGS_ALLOC1: gfp_t = XA_FLAGS_TRACK_FREE | XA_FLAGS_ZERO_BUSY;

/// An entry that is no pointer, but the array's own.
const fn internal(value: usize) -> *mut c_void {
    without_provenance_mut(value << 2 | 2)
}

/// What is at an index that is taken, but has no entry.
pub const XA_ZERO_ENTRY: *mut c_void = internal(257);

/// The last of those that are no one's to store.
const XA_RETRY_ENTRY: *mut c_void = internal(256);

const MAX_ERRNO: usize = 4095;

fn is_internal(entry: *const c_void) -> bool {
    entry.addr() & 3 == 2
}

/// The entry that says what went wrong.
fn error(errno: u32) -> *mut c_void {
    // CAST: An error is less than 4096.
    internal((errno as usize).wrapping_neg())
}

fn zero_to_null(entry: *mut c_void) -> *mut c_void {
    if entry == XA_ZERO_ENTRY {
        null_mut()
    } else {
        entry
    }
}

/// True if `entry` is not one, but says what went wrong.
#[inline]
pub unsafe fn xa_is_err(entry: *const c_void) -> bool {
    is_internal(entry) && entry.addr() >= internal(MAX_ERRNO.wrapping_neg()).addr()
}

/// Returns the negative error that `entry` says; 0 if it says none.
#[inline]
pub unsafe fn xa_err(entry: *mut c_void) -> c_int {
    // SAFETY: `xa_is_err()` has no preconditions.
    if unsafe { xa_is_err(entry) } {
        // CAST: An error is less than 4096, and negative.
        (entry.addr().cast_signed() >> 2) as c_int
    } else {
        0
    }
}

/// Makes `xa` an array without entries.
pub unsafe fn xa_init_flags(xa: *mut xarray, flags: gfp_t) {
    // SAFETY: `xa` is valid for writes: the caller's guarantee.
    unsafe {
        crate::spin_lock_init!(
            &raw mut (*xa).xa_lock,
            c"&xa->xa_lock".to_bytes_with_nul().as_ptr()
        );
        (&raw mut (*xa).xa_flags).write(flags);
        (&raw mut (*xa).xa_head).write(AtomicPtr::new(null_mut()));
    }
}

/// True if the array has no entry. From any context.
pub unsafe fn xa_empty(xa: *const xarray) -> bool {
    // SAFETY: `xa` is initialised: the caller's guarantee. `Acquire` as everywhere.
    unsafe { (*xa).xa_head.load(Acquire) }.is_null()
}

/// Takes the array's lock; no preemption until [`xa_unlock`].
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_lock(xa: *mut xarray) {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    unsafe { spin_lock(&raw mut (*xa).xa_lock) }
}

/// Takes the array's lock if it is free: 1 if it was.
#[inline]
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_trylock(xa: *mut xarray) -> c_int {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    unsafe { spin_trylock(&raw mut (*xa).xa_lock) }
}

/// Releases the array's lock.
///
/// # Safety
///
/// The thread holds it.
#[inline]
pub unsafe fn xa_unlock(xa: *mut xarray) {
    // SAFETY: `xa` is initialised, and the thread holds the lock: the caller's guarantees.
    unsafe { spin_unlock(&raw mut (*xa).xa_lock) }
}

/// Memory that a change of the array may need.
struct Spare {
    nodes: *mut Node,
    count: usize,
}

impl Spare {
    const NONE: Spare = Spare {
        nodes: null_mut(),
        count: 0,
    };

    /// Allocates a node; without the array's lock if `gfp` may sleep, as Linux does where memory is
    /// short. False if there is none.
    ///
    /// # Safety
    ///
    /// The array's lock is held, and looked at anew after this.
    #[cfg_attr(feature = "debug", track_caller)]
    unsafe fn refill(&mut self, xa: *mut xarray, gfp: gfp_t) -> bool {
        let sleeps = gfp & __GFP_DIRECT_RECLAIM != 0;
        // SAFETY: The lock is held: the caller's guarantee.
        let node = unsafe {
            if sleeps {
                xa_unlock(xa);
            }
            let node = Node::alloc(gfp, self.nodes);
            if sleeps {
                xa_lock(xa);
            }
            node
        };
        if !node.is_null() {
            (self.nodes, self.count) = (node, self.count + 1);
        }
        !node.is_null()
    }

    /// Takes one of those that there are.
    fn take(&mut self) -> *mut Node {
        self.count -= 1;
        // SAFETY: There was one: `store()` has counted them.
        unsafe { Node::pop(&mut self.nodes) }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        while self.count > 0 {
            // SAFETY: No one but this has it.
            unsafe { crate::kfree(self.take().cast()) };
        }
    }
}

/// Has `decide` look at the entry at an index, which it may choose anew, and store what it returns.
/// Returns what was there, or an error.
///
/// # Safety
///
/// The array's lock is held; it is released for a while if `gfp` may sleep.
#[cfg_attr(feature = "debug", track_caller)]
unsafe fn store(
    xa: *mut xarray,
    gfp: gfp_t,
    mut decide: impl FnMut() -> Result<(usize, Option<*mut c_void>), u32>,
) -> *mut c_void {
    let mut spare = Spare::NONE;
    loop {
        let (index, entry) = match decide() {
            Ok(decided) => decided,
            Err(errno) => return error(errno),
        };
        // SAFETY: The lock is held: the caller's guarantee.
        unsafe {
            let Some(entry) = entry else {
                return tree::load(xa, index);
            };
            if tree::missing(xa, index, entry) <= spare.count {
                return tree::store(xa, index, entry, || spare.take());
            }
            if !spare.refill(xa, gfp) {
                return error(ENOMEM);
            }
        }
    }
}

/// Warns if the entry is no one's to store.
fn is_advanced(entry: *const c_void) -> bool {
    let advanced = is_internal(entry) && entry.addr() <= XA_RETRY_ENTRY.addr();
    if advanced {
        WARN!(true, "an entry that is an array's own");
    }
    advanced
}

/// Stores `entry` at `index`; returns what was there, or an error: `ENOMEM`, `EINVAL`.
///
/// # Safety
///
/// The array's lock is held; it is released for a while if `gfp` may sleep.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __xa_store(
    xa: *mut xarray,
    index: c_ulong,
    mut entry: *mut c_void,
    gfp: gfp_t,
) -> *mut c_void {
    if is_advanced(entry) {
        return error(EINVAL);
    }
    // SAFETY: `xa` is initialised, and the lock is held: the caller's guarantees.
    unsafe {
        if entry.is_null() && (*xa).xa_flags & XA_FLAGS_TRACK_FREE != 0 {
            entry = XA_ZERO_ENTRY;
        }
        zero_to_null(store(xa, gfp, || Ok((index, Some(entry)))))
    }
}

/// As [`__xa_store`], under the array's lock. May sleep if `gfp` says so.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_store(
    xa: *mut xarray,
    index: c_ulong,
    entry: *mut c_void,
    gfp: gfp_t,
) -> *mut c_void {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    unsafe {
        xa_lock(xa);
        let old = __xa_store(xa, index, entry, gfp);
        xa_unlock(xa);
        old
    }
}

/// Stores `entry` at `index` if `old` is there; returns what was there, or an error as [`__xa_store`].
///
/// # Safety
///
/// The array's lock is held; it is released for a while if `gfp` may sleep.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __xa_cmpxchg(
    xa: *mut xarray,
    index: c_ulong,
    old: *mut c_void,
    entry: *mut c_void,
    gfp: gfp_t,
) -> *mut c_void {
    if is_advanced(entry) {
        return error(EINVAL);
    }
    // SAFETY: `xa` is initialised, and the lock is held: the caller's guarantees.
    zero_to_null(unsafe {
        store(xa, gfp, || {
            let same = tree::load(xa, index) == old;
            Ok((index, same.then_some(entry)))
        })
    })
}

/// Removes the entry at `index`, which is free then; returns it.
///
/// # Safety
///
/// The array's lock is held.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __xa_erase(xa: *mut xarray, index: c_ulong) -> *mut c_void {
    // SAFETY: The lock is held: the caller's guarantee. To remove needs no memory.
    zero_to_null(unsafe { store(xa, 0, || Ok((index, Some(null_mut())))) })
}

/// As [`__xa_erase`], under the array's lock.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_erase(xa: *mut xarray, index: c_ulong) -> *mut c_void {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    unsafe {
        xa_lock(xa);
        let old = __xa_erase(xa, index);
        xa_unlock(xa);
        old
    }
}

/// Stores `entry` at the first index within `limit` that is free, and writes that to `id`; null takes
/// an index without an entry. Returns 0 or a negative error: `EBUSY` if none is free, `ENOMEM`,
/// `EINVAL` if it is no array for this.
///
/// # Safety
///
/// `id` is valid for writes. The array's lock is held; it is released for a while if `gfp` may sleep.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __xa_alloc(
    xa: *mut xarray,
    id: *mut u32,
    mut entry: *mut c_void,
    limit: xa_limit,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    let tracks = unsafe { (*xa).xa_flags } & XA_FLAGS_TRACK_FREE != 0;
    if !tracks {
        WARN!(true, "an array that does not know what is free");
    }
    if is_advanced(entry) || !tracks {
        // CAST: An error is less than 4096.
        return -(EINVAL as c_int);
    }
    if entry.is_null() {
        entry = XA_ZERO_ENTRY;
    }
    // SAFETY: The lock is held, and `id` is valid: the caller's guarantees.
    unsafe {
        xa_err(store(xa, gfp, || {
            *id = tree::first_free(xa, limit).ok_or(EBUSY)?;
            // CAST: 64 bits take it.
            Ok((*id as usize, Some(entry)))
        }))
    }
}

/// As [`__xa_alloc`], under the array's lock. May sleep if `gfp` says so.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_alloc(
    xa: *mut xarray,
    id: *mut u32,
    entry: *mut c_void,
    limit: xa_limit,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: `xa` is initialised, and `id` is valid: the caller's guarantees.
    unsafe {
        xa_lock(xa);
        let result = __xa_alloc(xa, id, entry, limit, gfp);
        xa_unlock(xa);
        result
    }
}

/// As [`__xa_alloc`], from `next` on, which becomes the index behind, and then from the start of
/// `limit`; returns 1 if it has begun anew.
///
/// # Safety
///
/// As [`__xa_alloc`]; `next` is valid.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn __xa_alloc_cyclic(
    xa: *mut xarray,
    id: *mut u32,
    entry: *mut c_void,
    limit: xa_limit,
    next: *mut u32,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: All are valid, and the lock is held: the caller's guarantees.
    unsafe {
        let rest = xa_limit {
            min: limit.min.max(*next),
            ..limit
        };
        let mut result = __xa_alloc(xa, id, entry, rest, gfp);
        if result == 0 && (*xa).xa_flags & XA_FLAGS_ALLOC_WRAPPED != 0 {
            (*xa).xa_flags &= !XA_FLAGS_ALLOC_WRAPPED;
            result = 1;
        }
        if result < 0 && rest.min > limit.min {
            result = __xa_alloc(xa, id, entry, limit, gfp);
            result = if result == 0 { 1 } else { result };
        }
        if result >= 0 {
            *next = (*id).wrapping_add(1);
            if *next == 0 {
                (*xa).xa_flags |= XA_FLAGS_ALLOC_WRAPPED;
            }
        }
        result
    }
}

/// Returns the entry at `index`; null if there is none. From any context.
///
/// Without the lock: what keeps the entry is the caller's.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_load(xa: *mut xarray, index: c_ulong) -> *mut c_void {
    // SAFETY: `xa` is initialised: the caller's guarantee. Nodes outlast the section.
    unsafe {
        rcu_read_lock();
        let entry = tree::load(xa, index);
        rcu_read_unlock();
        zero_to_null(entry)
    }
}

/// Returns the first entry from `indexp` to `max`, and writes its index there; null if there is none.
/// From any context, as [`xa_load`].
///
/// # Safety
///
/// `indexp` is valid.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_find(
    xa: *mut xarray,
    indexp: *mut c_ulong,
    max: c_ulong,
    _filter: xa_mark_t,
) -> *mut c_void {
    // SAFETY: `xa` is initialised, and `indexp` valid: the caller's guarantees. Nodes outlast the
    // section.
    unsafe {
        rcu_read_lock();
        let found = tree::find(xa, *indexp, max);
        rcu_read_unlock();
        let Some((index, entry)) = found else {
            return null_mut();
        };
        *indexp = index;
        entry
    }
}

/// As [`xa_find`], behind `indexp`.
///
/// # Safety
///
/// `indexp` is valid.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_find_after(
    xa: *mut xarray,
    indexp: *mut c_ulong,
    max: c_ulong,
    filter: xa_mark_t,
) -> *mut c_void {
    // SAFETY: `xa` is initialised, and `indexp` valid: the caller's guarantees.
    unsafe {
        let Some(mut index) = (*indexp).checked_add(1) else {
            return null_mut();
        };
        let entry = xa_find(xa, &mut index, max, filter);
        if !entry.is_null() {
            *indexp = index;
        }
        entry
    }
}

/// Removes all entries, of which nothing else is done, and frees the array's own memory.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn xa_destroy(xa: *mut xarray) {
    // SAFETY: `xa` is initialised: the caller's guarantee.
    unsafe {
        let flags = crate::spin_lock_irqsave(&raw mut (*xa).xa_lock);
        tree::clear(xa);
        crate::spin_unlock_irqrestore(&raw mut (*xa).xa_lock, flags);
    }
}
