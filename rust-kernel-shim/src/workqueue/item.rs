// SPDX-License-Identifier: GPL-2.0-only

//! What can be queued, and what is done with it.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).

use crate::bindings;

/// A pointer to an object that can be put on a queue.
///
/// `ID` distinguishes the work items of one object.
///
/// # Safety
///
/// [`Self::__enqueue`] keeps its guarantees.
pub unsafe trait RawWorkItem<const ID: u64> {
    /// The result of [`Queue::enqueue`](super::Queue::enqueue).
    type EnqueueOutput;

    /// Hands the item to `queue_work_on`, which puts it on a queue.
    ///
    /// # Guarantees
    ///
    /// The closure gets a valid `work_struct`, which stays valid until it
    /// returns; if it returns true, until the work's function is called.
    ///
    /// # Safety
    ///
    /// - The closure returns false only if the work is on a queue already.
    /// - The function is not called after a lifetime in the item's type has
    ///   ended, and on no other thread unless the item is [`Send`].
    unsafe fn __enqueue<F>(self, queue_work_on: F) -> Self::EnqueueOutput
    where
        F: FnOnce(*mut bindings::work_struct) -> bool;
}

/// A pointer to an object that can be put on a queue after a delay.
///
/// # Safety
///
/// [`RawWorkItem::__enqueue`] passes the `work` of a `delayed_work`, all of which is as valid.
pub unsafe trait RawDelayedWorkItem<const ID: u64>: RawWorkItem<ID> {}

/// A pointer that owns an object while it is queued.
///
/// [`Arc`](crate::sync::Arc), [`ARef`](crate::sync::aref::ARef) and pinned boxes
/// are such; for objects of your own there is [`WorkItem`].
///
/// # Safety
///
/// The work that [`RawWorkItem::__enqueue`] passes to the closure calls [`Self::run`].
pub unsafe trait WorkItemPointer<const ID: u64>: RawWorkItem<ID> {
    /// The function that the queue calls.
    ///
    /// # Safety
    ///
    /// `ptr` is from an [`RawWorkItem::__enqueue`] whose closure returned true, and passed here
    /// once.
    unsafe extern "C" fn run(ptr: *mut bindings::work_struct);
}

/// An object with a work function.
pub trait WorkItem<const ID: u64 = 0> {
    /// The pointer that owns the object while it is queued.
    type Pointer: WorkItemPointer<ID>;

    /// The work function. May sleep, except on the bottom-half queues.
    ///
    /// The object can be queued again from here.
    fn run(this: Self::Pointer);
}
