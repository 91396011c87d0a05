// SPDX-License-Identifier: GPL-2.0-only

//! The pointers that own an object while it is queued.
//!
//! C header: none.

use super::{
    HasDelayedWork, HasWork, RawDelayedWorkItem, RawWorkItem, Work, WorkItem, WorkItemPointer,
};
use crate::{
    bindings,
    prelude::*,
    sync::{
        aref::{ARef, AlwaysRefCounted},
        Arc,
    },
};
use core::ptr::NonNull;

/// C's work in an object.
///
/// # Safety
///
/// `ptr` points to an object.
unsafe fn work_in<T: HasWork<T, ID>, const ID: u64>(ptr: *mut T) -> *mut bindings::work_struct {
    // SAFETY: There is an object.
    let work = unsafe { T::raw_get_work(ptr) };
    // SAFETY: Its work is there as well.
    unsafe { Work::raw_get(work) }
}

/// The object around a work.
///
/// # Safety
///
/// `ptr` is from [`work_in`].
unsafe fn object_of<T: HasWork<T, ID>, const ID: u64>(ptr: *mut bindings::work_struct) -> *mut T {
    // CAST: `Work` is transparent.
    let work = ptr.cast::<Work<T, ID>>();
    // SAFETY: It is the work of an object.
    unsafe { T::work_container_of(work) }
}

// SAFETY: The work is that of a `Work`, whose invariant says what its function
// is: that of `T::Pointer`, which is this type.
unsafe impl<T, const ID: u64> WorkItemPointer<ID> for Arc<T>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    unsafe extern "C" fn run(ptr: *mut bindings::work_struct) {
        // SAFETY: From `__enqueue()`.
        let object = unsafe { object_of::<T, ID>(ptr) };
        // SAFETY: Given to the queue by `__enqueue()`, and taken back here.
        T::run(unsafe { Arc::from_raw(object) })
    }
}

// SAFETY: The owner that is given to the queue keeps the object, until `run()`
// takes it back.
unsafe impl<T, const ID: u64> RawWorkItem<ID> for Arc<T>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    type EnqueueOutput = Result<(), Self>;

    unsafe fn __enqueue<F>(self, queue_work_on: F) -> Self::EnqueueOutput
    where
        F: FnOnce(*mut bindings::work_struct) -> bool,
    {
        let object = Arc::into_raw(self).cast_mut();
        // SAFETY: There is an owner.
        let work = unsafe { work_in::<T, ID>(object) };
        if queue_work_on(work) {
            return Ok(());
        }
        // SAFETY: The queue did not take it.
        Err(unsafe { Arc::from_raw(object) })
    }
}

// SAFETY: By the promise of `HasDelayedWork`; the object is kept as a whole.
unsafe impl<T, const ID: u64> RawDelayedWorkItem<ID> for Arc<T>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasDelayedWork<T, ID>,
{
}

// SAFETY: As for `Arc`.
unsafe impl<T, const ID: u64> WorkItemPointer<ID> for Pin<KBox<T>>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    unsafe extern "C" fn run(ptr: *mut bindings::work_struct) {
        // SAFETY: From `__enqueue()`.
        let object = unsafe { object_of::<T, ID>(ptr) };
        // SAFETY: Given to the queue by `__enqueue()`, and taken back here.
        T::run(KBox::into_pin(unsafe { KBox::from_raw(object) }))
    }
}

// SAFETY: The box that is given to the queue keeps the object, until `run()`
// takes it back.
unsafe impl<T, const ID: u64> RawWorkItem<ID> for Pin<KBox<T>>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    type EnqueueOutput = ();

    unsafe fn __enqueue<F>(self, queue_work_on: F) -> Self::EnqueueOutput
    where
        F: FnOnce(*mut bindings::work_struct) -> bool,
    {
        // SAFETY: The object is not moved.
        let object = KBox::into_raw(unsafe { Pin::into_inner_unchecked(self) });
        // SAFETY: The box was ours.
        let work = unsafe { work_in::<T, ID>(object) };
        if !queue_work_on(work) {
            // Who has the box has the object alone, so that no queue has it.
            unreachable!("a box that is owned was on a queue");
        }
    }
}

// SAFETY: As for `Arc`.
unsafe impl<T, const ID: u64> RawDelayedWorkItem<ID> for Pin<KBox<T>>
where
    T: WorkItem<ID, Pointer = Self>,
    T: HasDelayedWork<T, ID>,
{
}

// SAFETY: As for `Arc`.
unsafe impl<T, const ID: u64> WorkItemPointer<ID> for ARef<T>
where
    T: AlwaysRefCounted,
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    unsafe extern "C" fn run(ptr: *mut bindings::work_struct) {
        // SAFETY: From `__enqueue()`.
        let object = unsafe { object_of::<T, ID>(ptr) };
        // SAFETY: An object is not at null.
        let object = unsafe { NonNull::new_unchecked(object) };
        // SAFETY: Given to the queue by `__enqueue()`, and taken back here.
        T::run(unsafe { ARef::from_raw(object) })
    }
}

// SAFETY: The reference that is given to the queue keeps the object, until
// `run()` takes it back.
unsafe impl<T, const ID: u64> RawWorkItem<ID> for ARef<T>
where
    T: AlwaysRefCounted,
    T: WorkItem<ID, Pointer = Self>,
    T: HasWork<T, ID>,
{
    type EnqueueOutput = Result<(), Self>;

    unsafe fn __enqueue<F>(self, queue_work_on: F) -> Self::EnqueueOutput
    where
        F: FnOnce(*mut bindings::work_struct) -> bool,
    {
        let object = ARef::into_raw(self);
        // SAFETY: There is a reference.
        let work = unsafe { work_in::<T, ID>(object.as_ptr()) };
        if queue_work_on(work) {
            return Ok(());
        }
        // SAFETY: The queue did not take it.
        Err(unsafe { ARef::from_raw(object) })
    }
}

// SAFETY: As for `Arc`.
unsafe impl<T, const ID: u64> RawDelayedWorkItem<ID> for ARef<T>
where
    T: AlwaysRefCounted,
    T: WorkItem<ID, Pointer = Self>,
    T: HasDelayedWork<T, ID>,
{
}
