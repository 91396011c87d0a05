// SPDX-License-Identifier: GPL-2.0-only
//! Queues: where work is put, which pool serves it, and how much of it at once.
//!
//! C file mirrored: [`kernel/workqueue.c`](srctree/kernel/workqueue.c)

use super::{
    super::{
        kfree, kmalloc_obj,
        lockdep::{dep_map, Off},
        GFP_KERNEL,
    },
    drain_workqueue,
};
use crate::ffi::{c_char, c_int, c_uint};
use core::{panic::Location, ptr::null_mut};

/// C: `enum wq_flags`; bindgen gives its values the prefix.
pub type wq_flags = c_uint;

pub use self::{
    __WQ_ORDERED as wq_flags___WQ_ORDERED, WQ_BH as wq_flags_WQ_BH,
    WQ_FREEZABLE as wq_flags_WQ_FREEZABLE, WQ_HIGHPRI as wq_flags_WQ_HIGHPRI,
    WQ_MEM_RECLAIM as wq_flags_WQ_MEM_RECLAIM, WQ_PERCPU as wq_flags_WQ_PERCPU,
    WQ_POWER_EFFICIENT as wq_flags_WQ_POWER_EFFICIENT, WQ_UNBOUND as wq_flags_WQ_UNBOUND,
};

/// Runs work where sleeping is not allowed.
pub const WQ_BH: c_uint = 1 << 0;
/// Work may take long without blocking.
pub const WQ_UNBOUND: c_uint = 1 << 1;
/// Work stops while the system is suspended, which this one never is.
pub const WQ_FREEZABLE: c_uint = 1 << 2;
/// Work is needed to free memory.
pub const WQ_MEM_RECLAIM: c_uint = 1 << 3;
/// Work is urgent.
pub const WQ_HIGHPRI: c_uint = 1 << 4;
/// Work may be moved to save power, which needs a boot parameter of Linux.
pub const WQ_POWER_EFFICIENT: c_uint = 1 << 7;
/// Work runs on the processor that queues it, which here is any.
pub const WQ_PERCPU: c_uint = 1 << 8;
/// Work is run one item at a time, in the order in which it was queued.
pub const __WQ_ORDERED: c_uint = 1 << 17;

/// Items of a queue that run or sleep at the same time, unless it says otherwise.
pub const WQ_DFL_ACTIVE: c_int = 1024;

const WQ_NAME_LEN: usize = 32;

/// A queue.
///
/// It does not change; the pools of each machine hold the work that is queued.
#[repr(C)]
pub struct workqueue_struct {
    name: [c_char; WQ_NAME_LEN],
    pub(super) flags: c_uint,
    pub(super) max_active: c_int,
    /// Held while an item of the queue runs.
    dep_map: dep_map,
}

impl workqueue_struct {
    const fn new(name: &[u8], flags: c_uint, max_active: c_int) -> Self {
        let mut own = [0; WQ_NAME_LEN];
        let mut i = 0;
        while i < name.len() && i < WQ_NAME_LEN - 1 {
            own[i] = name[i];
            i += 1;
        }
        Self {
            name: own,
            flags,
            max_active,
            dep_map: dep_map::new(),
        }
    }

    /// Where items of the queue run.
    pub(super) fn runs_in(&self) -> Off {
        match self.flags & WQ_BH {
            0 => Off::None,
            _ => Off::Soft,
        }
    }

    /// The task is about to wait for all items, for lockdep.
    pub(super) fn touch(&self, at: &'static Location<'static>) {
        self.dep_map().touch(self.runs_in(), at);
    }

    /// What is held while an item runs, whatever becomes of the queue meanwhile.
    pub(super) fn dep_map(&self) -> dep_map {
        self.dep_map.is_named(c"(wq_completion)");
        self.dep_map.copy()
    }
}

macro_rules! system_queues {
    ($($(#[$doc:meta])* $name:ident = $flags:expr;)*) => {$(
        $(#[$doc])*
        pub static mut $name: *mut workqueue_struct = {
            static mut QUEUE: workqueue_struct =
                workqueue_struct::new(stringify!($name).as_bytes(), $flags, WQ_DFL_ACTIVE);
            &raw mut QUEUE
        };
    )*};
}

system_queues! {
    /// For work that does not take long.
    system_wq = 0;
    /// The newer name of `system_wq`.
    system_percpu_wq = 0;
    /// For urgent work.
    system_highpri_wq = WQ_HIGHPRI;
    /// For work that may take long.
    system_long_wq = 0;
    /// For work that any processor may run.
    system_unbound_wq = WQ_UNBOUND;
    /// The newer name of `system_unbound_wq`.
    system_dfl_wq = WQ_UNBOUND;
    /// For work that any processor may run and that may take long.
    system_dfl_long_wq = WQ_UNBOUND;
    /// For work that stops while the system is suspended.
    system_freezable_wq = WQ_FREEZABLE;
    /// For work that should not wake a processor.
    system_power_efficient_wq = 0;
    /// For work that should not wake a processor and stops while the system is suspended.
    system_freezable_power_efficient_wq = WQ_FREEZABLE;
    /// For work that does not sleep.
    system_bh_wq = WQ_BH;
    /// For urgent work that does not sleep.
    system_bh_highpri_wq = WQ_BH | WQ_HIGHPRI;
}

/// Creates a queue, of which up to `max_active` items run or sleep at the same time, 0 for
/// [`WQ_DFL_ACTIVE`]; null if there is no memory. One with [`WQ_BH`] takes no limit, and no flags
/// but [`WQ_HIGHPRI`] and [`WQ_PERCPU`]; C warns, and it is null. May sleep.
///
/// C's takes a format and its arguments; here `name` is the name as it is.
pub unsafe fn alloc_workqueue(
    name: *const c_char,
    flags: c_uint,
    max_active: c_int,
) -> *mut workqueue_struct {
    let bad = flags & !(WQ_BH | WQ_HIGHPRI | WQ_PERCPU) != 0 || max_active != 0;
    if crate::WARN_ON!(flags & WQ_BH != 0 && bad) {
        return null_mut();
    }
    let max_active = match max_active {
        0 => WQ_DFL_ACTIVE,
        n => n.clamp(1, WQ_DFL_ACTIVE),
    };
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let wq: *mut workqueue_struct = unsafe { kmalloc_obj(GFP_KERNEL) };
    if !wq.is_null() {
        // SAFETY: `name` is NUL-terminated: the caller's guarantee.
        let name = unsafe { crate::from_char_ptr(name) };
        // SAFETY: The block is large enough, and ours.
        unsafe { wq.write(workqueue_struct::new(name.to_bytes(), flags, max_active)) };
    }
    wq
}

/// Creates a queue that runs one item at a time, in order; null without memory. May sleep.
pub unsafe fn alloc_ordered_workqueue(name: *const c_char, flags: c_uint) -> *mut workqueue_struct {
    // SAFETY: `name` is NUL-terminated: the caller's guarantee.
    unsafe { alloc_workqueue(name, WQ_UNBOUND | __WQ_ORDERED | flags, 1) }
}

/// Waits until the queue is empty, and frees it. May sleep.
///
/// Delayed work whose time has not come is not waited for: cancel it first.
///
/// # Safety
///
/// `wq` comes from [`alloc_workqueue`], and no other task queues work on it any more.
#[track_caller]
pub unsafe fn destroy_workqueue(wq: *mut workqueue_struct) {
    // SAFETY: The caller says that no work is queued any more, so nothing refers to a drained
    // queue.
    unsafe {
        drain_workqueue(wq);
        (*wq).dep_map.goes();
        kfree(wq.cast());
    }
}
