// SPDX-License-Identifier: GPL-2.0-only
//! The slab allocator's interface.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h)

mod cache;

pub use self::cache::*;

use super::{
    debugobjects::{debug_block_allocated, debug_block_freed},
    fs_reclaim, globals, lockdep_depth, may_sleep,
};
use crate::ffi::{c_int, c_ulong, c_void};
use core::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use machine::{cpu, heap, task, vcpu};
use spin::mutex::SpinMutex;

/// Flags of an allocation.
pub type gfp_t = u32;

/// Set in all flags that may sleep to find memory.
pub const __GFP_DIRECT_RECLAIM: gfp_t = 0x400;
/// The memory is zeroed.
pub const __GFP_ZERO: gfp_t = 0x100;
/// Memory that the kernel does not map; of no meaning here.
pub const __GFP_HIGHMEM: gfp_t = 0x2;
/// Failing is no reason for a warning.
pub const __GFP_NOWARN: gfp_t = 0x2000;
/// Charged to the caller's memory group; of no meaning here.
pub const __GFP_ACCOUNT: gfp_t = 0x40_0000;
/// For process context: may sleep.
pub const GFP_KERNEL: gfp_t = 0xcc0;
/// As [`GFP_KERNEL`], charged to the caller.
pub const GFP_KERNEL_ACCOUNT: gfp_t = GFP_KERNEL | __GFP_ACCOUNT;
/// For atomic context: never sleeps, may use reserves.
pub const GFP_ATOMIC: gfp_t = 0x820;
/// Never sleeps, does not use reserves.
pub const GFP_NOWAIT: gfp_t = 0x2800;

/// The least alignment of memory that C code relies on, in bytes: that of x86.
pub const ARCH_KMALLOC_MINALIGN: usize = 8;
/// The most bytes that kmalloc() has in one block.
pub const KMALLOC_MAX_SIZE: usize = 4 << 20;

/// No preference for a memory node.
pub const NUMA_NO_NODE: c_int = -1;
/// Nodes that a machine can have.
pub const MAX_NUMNODES: u32 = 1024;

machine::per_thread! {
    /// Allocations that this thread has asked for.
    static ALLOCATIONS: Cell<usize> = Cell::new(0);
    /// The allocation of this thread that is to fail, counted from 1 for the next; 0 for none.
    static FAIL_NTH: Cell<usize> = Cell::new(0);
}

/// True once an allocation of other tasks than the one that says so was to fail.
static FAILING: AtomicBool = AtomicBool::new(false);

/// The allocation of a machine's tasks that is to fail, as for [`FAIL_NTH`], and the name of the tasks
/// that count; those of any name if it is empty.
pub(super) type Failing = SpinMutex<(usize, &'static str)>;

/// Counts an allocation; true if it is the one that is to fail.
fn fails() -> bool {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    let nth = FAIL_NTH.get();
    FAIL_NTH.set(nth.saturating_sub(1));
    nth == 1 || FAILING.load(Relaxed) && globals::with(|globals| fails_in(&globals.failing))
}

#[cold]
fn fails_in(failing: &Failing) -> bool {
    let mut failing = failing.lock();
    let (nth, task) = *failing;
    if task.is_empty() || task == task::current().comm() {
        failing.0 = nth.saturating_sub(1);
        return nth == 1;
    }
    false
}

/// Returns the number of allocations that this thread has asked for, failed ones included.
pub fn slab_allocations() -> usize {
    ALLOCATIONS.get()
}

/// Has the `nth` allocation of this thread fail, counted from 1 for the next one, or none for 0;
/// returns what was left of the count before.
pub fn slab_fail_nth(nth: usize) -> usize {
    FAIL_NTH.replace(nth)
}

/// As [`slab_fail_nth`], for the tasks of this machine that are called `task`; for all if that is
/// empty.
pub fn slab_fail_nth_in(task: &'static str, nth: usize) -> (usize, &'static str) {
    FAILING.store(true, Relaxed);
    globals::with(|globals| core::mem::replace(&mut *globals.failing.lock(), (nth, task)))
}

/// Counts blocks for the process, and for the virtual CPU that the task runs on.
fn count(blocks: isize) {
    cpu::with(|cpu| cpu.count_blocks(blocks));
    if cfg!(feature = "debug") {
        vcpu::with(|vcpu| vcpu.live.fetch_add(blocks, Relaxed));
    }
}

/// Returns the number of blocks that are allocated and not freed.
pub fn slab_live() -> isize {
    cpu::blocks()
}

/// What stands in fresh memory of a debug kernel, as `POISON_INUSE` of
/// [`include/linux/poison.h`](srctree/include/linux/poison.h): a word of it leads nowhere.
const POISON: u8 = 0x5a;

/// Allocates `size` bytes, or makes `p` that size; null if there is no memory, or more than
/// [`KMALLOC_MAX_SIZE`] is asked for.
///
/// May sleep if `flags` say so. If another block is returned, `p` is no longer valid.
///
/// # Safety
///
/// `p` is null or a live block of this function's; `align` is a power of two.
#[track_caller]
pub unsafe fn krealloc_node_align(
    p: *const c_void,
    size: usize,
    align: c_ulong,
    flags: gfp_t,
    nid: c_int,
) -> *mut c_void {
    if size > KMALLOC_MAX_SIZE {
        return ptr::null_mut();
    }
    // SAFETY: The caller's guarantee is the same.
    unsafe { kvrealloc_node_align(p, size, align, flags, nid) }
}

/// As [`krealloc_node_align`], of any size.
///
/// # Safety
///
/// As [`krealloc_node_align`].
#[track_caller]
pub unsafe fn kvrealloc_node_align(
    p: *const c_void,
    size: usize,
    align: c_ulong,
    flags: gfp_t,
    _nid: c_int,
) -> *mut c_void {
    if flags & __GFP_DIRECT_RECLAIM != 0 {
        // What must not sleep has been reported; and a task that holds nothing keeps no other waiting.
        if may_sleep() && lockdep_depth() != 0 {
            fs_reclaim(|| {});
        }
    }
    if fails() {
        return ptr::null_mut();
    }
    let new = heap::alloc(size, align);
    if new.is_null() {
        return new;
    }
    let old = if p.is_null() {
        count(1);
        0
    } else {
        // SAFETY: `p` comes from this function: the caller's guarantee.
        unsafe { heap::usable_size(p.cast_mut()) }.min(size)
    };
    // SAFETY: `new` has `size` bytes, of which `old` come from `p`, which has at least as many. The
    // usable bytes of `new` are at least `size`, and all are its own.
    unsafe {
        if old != 0 {
            ptr::copy_nonoverlapping(p.cast::<u8>(), new.cast::<u8>(), old);
        }
        // The slack as well: growing the block later takes it for what was in it.
        let fresh = new.cast::<u8>().add(old);
        if flags & __GFP_ZERO != 0 {
            ptr::write_bytes(fresh, 0, heap::usable_size(new) - old);
        } else if cfg!(feature = "debug") {
            ptr::write_bytes(fresh, POISON, heap::usable_size(new) - old);
        }
    }
    debug_block_allocated(new.expose_provenance(), size);
    if !p.is_null() {
        debug_block_freed(p.addr());
        // SAFETY: `p` comes from this function: the caller's guarantee. `new` replaces it.
        unsafe { heap::free(p.cast_mut()) };
    }
    new
}

/// Allocates memory for a `T`; null if there is none. May sleep if `flags` say so.
///
/// C: `kmalloc_obj()`.
#[track_caller]
pub unsafe fn kmalloc_obj<T>(flags: gfp_t) -> *mut T {
    // SAFETY: `kmalloc_objs()` has no preconditions.
    unsafe { kmalloc_objs(1, flags) }
}

/// The size of the block that an allocation of `size` bytes gets in Linux, all of which may be used if
/// this was asked for.
pub const fn kmalloc_size_roundup(size: usize) -> usize {
    match size {
        0 => 0,
        1..=8 => 8,
        65..=96 => 96,
        129..=192 => 192,
        _ => size.next_power_of_two(),
    }
}

/// As [`kmalloc_obj`], for `count` in a row.
///
/// C: `kmalloc_objs()`.
#[track_caller]
pub unsafe fn kmalloc_objs<T>(count: usize, flags: gfp_t) -> *mut T {
    let Some(size) = size_of::<T>().checked_mul(count) else {
        return ptr::null_mut();
    };
    let (size, align) = (size.max(1), align_of::<T>());
    // SAFETY: No block to replace.
    unsafe { krealloc_node_align(ptr::null(), size, align, flags, NUMA_NO_NODE) }.cast()
}

/// As [`kmalloc_obj`], zeroed.
///
/// C: `kzalloc_obj()`.
#[track_caller]
pub unsafe fn kzalloc_obj<T>(flags: gfp_t) -> *mut T {
    // SAFETY: `kmalloc_obj()` has no preconditions.
    unsafe { kmalloc_obj(flags | __GFP_ZERO) }
}

/// Allocates memory for a `T` that ends with a flexible array of `count` of `U`, zeroed; null if
/// there is none. May sleep if `flags` say so.
///
/// C: `kzalloc_flex()`.
#[track_caller]
pub unsafe fn kzalloc_flex<T, U>(count: usize, flags: gfp_t) -> *mut T {
    let array = size_of::<U>().checked_mul(count);
    let Some(size) = array.and_then(|array| array.checked_add(size_of::<T>())) else {
        return ptr::null_mut();
    };
    let (align, flags) = (align_of::<T>(), flags | __GFP_ZERO);
    // SAFETY: No block to replace.
    unsafe { krealloc_node_align(ptr::null(), size, align, flags, NUMA_NO_NODE) }.cast()
}

/// Frees memory; null is allowed. May be called from any context.
///
/// # Safety
///
/// `p` is null or comes from [`krealloc_node_align`], and is not used any more.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn kfree(p: *const c_void) {
    if !p.is_null() {
        debug_block_freed(p.addr());
        count(-1);
        // SAFETY: `p` comes from `krealloc_node_align()`, and is not used: the caller's guarantee.
        unsafe { heap::free(p.cast_mut()) };
    }
}
