// SPDX-License-Identifier: GPL-2.0-only

//! Queues of a driver's own.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).
//!
//! Not in Linux 7.3: these are as posted for it, and as drivers that wait for them have them.

use super::Queue;
use crate::{
    alloc::AllocError,
    bindings,
    fmt,
    prelude::*,
    str::CString, //
};
use core::{
    ops::{BitOr, Deref},
    ptr::NonNull,
};

/// The flags of a queue, combined with `|`.
///
/// Those of which nothing would be seen here are missing: `CPU_INTENSIVE` and `SYSFS`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct WqFlags(bindings::wq_flags);

impl WqFlags {
    /// Items run on the processor that queues them, which here is any.
    pub const BOUND: Self = Self(bindings::wq_flags_WQ_PERCPU);
    /// Items run as bottom halves, and must not sleep. Allows only [`HIGHPRI`](Self::HIGHPRI)
    /// beside it, and no limit.
    pub const BH: Self = Self(bindings::wq_flags_WQ_BH);
    /// Items run on any processor.
    pub const UNBOUND: Self = Self(bindings::wq_flags_WQ_UNBOUND);
    /// Items stop while the system is suspended, which this one never is.
    pub const FREEZABLE: Self = Self(bindings::wq_flags_WQ_FREEZABLE);
    /// Freeing memory may wait for the items: one of them can always run.
    pub const MEM_RECLAIM: Self = Self(bindings::wq_flags_WQ_MEM_RECLAIM);
    /// Items are urgent.
    pub const HIGHPRI: Self = Self(bindings::wq_flags_WQ_HIGHPRI);
    /// As [`BOUND`](Self::BOUND), or as [`UNBOUND`](Self::UNBOUND) if Linux was booted so.
    pub const POWER_EFFICIENT: Self = Self(bindings::wq_flags_WQ_POWER_EFFICIENT);
}

impl BitOr for WqFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A queue of the driver's own.
///
/// Dropping it waits for all items, and so sleeps. From an item of the queue itself it waits
/// forever.
///
/// # Invariants
///
/// `queue` is C's, and this is its owner.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::{
///         atomic::{Atomic, Relaxed},
///         Arc,
///     },
///     workqueue::{OwnedQueue, WqFlags},
/// };
///
/// let sum = Arc::new(Atomic::new(0), GFP_KERNEL)?;
/// let queue = OwnedQueue::new(c"sums", WqFlags::UNBOUND | WqFlags::HIGHPRI, 0)?;
/// for n in 1..=4 {
///     let sum = sum.clone();
///     queue.try_spawn(GFP_KERNEL, move || sum.add(n, Relaxed))?;
/// }
/// drop(queue);
/// assert_eq!(sum.load(Relaxed), 10);
/// # Ok::<(), Error>(())
/// ```
///
/// An item that waits for its time is not waited for, so a queue that goes takes none:
///
/// ```compile_fail,E0597
/// # use kernel::{prelude::*, sync::Arc, time::Jiffies};
/// # use kernel::workqueue::{OwnedQueue, RawDelayedWorkItem, WqFlags};
/// fn later<W: RawDelayedWorkItem<0> + Send + 'static>(item: W) -> Result {
///     let queue = OwnedQueue::new(c"later", WqFlags::UNBOUND, 0)?;
///     queue.enqueue_delayed(item, 100);
///     Ok(())
/// }
/// ```
#[doc(alias = "workqueue_struct")]
pub struct OwnedQueue {
    queue: NonNull<bindings::workqueue_struct>,
}

// SAFETY: What can be done with a queue, any thread can do, and drop it too.
unsafe impl Send for OwnedQueue {}

// SAFETY: As for [`Queue`], which is all that a reference leads to.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Creates a queue of which up to `max_active` items run or sleep at the same time, 0 for the
    /// default. May sleep.
    #[doc(alias = "alloc_workqueue")]
    pub fn new(name: &CStr, flags: WqFlags, max_active: usize) -> Result<Self, AllocError> {
        let max_active = i32::try_from(max_active).unwrap_or(i32::MAX);
        // SAFETY: The name is NUL-terminated, and copied.
        let queue = unsafe { bindings::alloc_workqueue(name.as_char_ptr(), flags.0, max_active) };
        // INVARIANT: Created above.
        let queue = NonNull::new(queue).ok_or(AllocError)?;
        Ok(Self { queue })
    }

    /// As [`new`](Self::new), with a name that is formatted.
    pub fn new_fmt(
        name: fmt::Arguments<'_>,
        flags: WqFlags,
        max_active: usize,
    ) -> Result<Self, AllocError> {
        let name = CString::try_from_fmt(name).map_err(|_| AllocError)?;
        Self::new(&name, flags, max_active)
    }

    /// Waits until all items were run that are on the queue now. May sleep.
    ///
    /// Not those whose time has not come; from an item of the queue itself it waits forever.
    #[doc(alias = "__flush_workqueue")]
    #[track_caller]
    pub fn flush(&self) {
        // SAFETY: By the invariant the queue is valid.
        unsafe { bindings::__flush_workqueue(self.queue.as_ptr()) }
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the invariant the queue is valid as long as this is.
        unsafe { Queue::from_raw(self.queue.as_ptr()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner. All references came from it, and have ended;
        // what was queued with a delay is on a queue that is there forever.
        unsafe { bindings::destroy_workqueue(self.queue.as_ptr()) }
    }
}
