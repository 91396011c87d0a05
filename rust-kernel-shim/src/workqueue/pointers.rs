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
    // SAFETY: `ptr` points to an object: the caller's guarantee.
    let work = unsafe { T::raw_get_work(ptr) };
    // SAFETY: `raw_get_work()` returned the work in that object.
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
    // SAFETY: `raw_get_work()` returned the work: the caller's guarantee. `HasWork` promises that
    // `work_container_of()` inverts that.
    unsafe { T::work_container_of(work) }
}

/// A pointer that owns its object while that is queued, with its conversions `into` and `from` a
/// raw pointer. `enqueued` is the result of enqueueing; its flag is false if the object was queued.
macro_rules! owner {
    (
        $pointer:ty where T: [$($bounds:tt)*];
        into($this:ident): $into:expr;
        from($object:ident): $from:expr;
        enqueued($queued:ident): $output:ty = $end:expr;
    ) => {
        // SAFETY: The work is that of a `Work`, whose invariant says what its function is: that of
        // `T::Pointer`, which is this type.
        unsafe impl<T, const ID: u64> WorkItemPointer<ID> for $pointer
        where
            T: WorkItem<ID, Pointer = Self> + HasWork<T, ID> + $($bounds)*,
        {
            unsafe extern "C" fn run(ptr: *mut bindings::work_struct) {
                // SAFETY: The caller says that `work_in()` returned `ptr` in `__enqueue()`.
                let $object = unsafe { object_of::<T, ID>(ptr) };
                // SAFETY: `into_raw()` returned the object in `__enqueue()`; it is taken back once,
                // here.
                let object = unsafe { $from };
                bindings::debug_work_is(core::any::type_name::<T>());
                bindings::driver_code("an item of work", || T::run(object));
            }
        }

        // SAFETY: The queue owns the object, until `run()` takes it back.
        unsafe impl<T, const ID: u64> RawWorkItem<ID> for $pointer
        where
            T: WorkItem<ID, Pointer = Self> + HasWork<T, ID> + $($bounds)*,
        {
            type EnqueueOutput = $output;

            #[allow(unused_unsafe, reason = "some pointers do without")]
            unsafe fn __enqueue<F>(self, queue_work_on: F) -> Self::EnqueueOutput
            where
                F: FnOnce(*mut bindings::work_struct) -> bool,
            {
                let $this = self;
                // SAFETY: The object is not moved.
                let $object = unsafe { $into };
                // SAFETY: `into_raw()` returned the object, which it still owns.
                let work = unsafe { work_in::<T, ID>($object) };
                let $queued = queue_work_on(work);
                // SAFETY: `into_raw()` returned the object, and the queue did not take it.
                unsafe { $end }
            }
        }

        // SAFETY: `HasDelayedWork` promises a `delayed_work`, all of which the owner holds.
        unsafe impl<T, const ID: u64> RawDelayedWorkItem<ID> for $pointer
        where
            T: WorkItem<ID, Pointer = Self> + HasDelayedWork<T, ID> + $($bounds)*,
        {
        }
    };
}

owner! {
    Arc<T> where T: [Sized];
    into(this): Arc::into_raw(this).cast_mut();
    from(object): Arc::from_raw(object);
    enqueued(yes): Result<(), Self> = if yes { Ok(()) } else { Err(Arc::from_raw(object)) };
}

owner! {
    Pin<KBox<T>> where T: [Sized];
    into(this): KBox::into_raw(Pin::into_inner_unchecked(this));
    from(object): KBox::into_pin(KBox::from_raw(object));
    // A box has its object alone, so that no queue has it.
    enqueued(yes): () = assert!(yes, "a box that is owned was on a queue");
}

owner! {
    ARef<T> where T: [AlwaysRefCounted];
    into(this): ARef::into_raw(this).as_ptr();
    from(object): ARef::from_raw(NonNull::new_unchecked(object));
    enqueued(yes): Result<(), Self> = if yes {
        Ok(())
    } else {
        Err(ARef::from_raw(NonNull::new_unchecked(object)))
    };
}
