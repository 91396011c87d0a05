// SPDX-License-Identifier: GPL-2.0-only
//! Spinlocks that fences of a scenario share.

use core::{mem::MaybeUninit, ptr::NonNull};
use kernel::{
    bindings::{__spin_lock_init, lock_class_key, spinlock_t},
    str::CStrExt as _,
};

/// How many locks a scenario may have.
pub(crate) const MAX_LOCKS: usize = 8;

/// The class of all locks of all scenarios.
struct Class(MaybeUninit<lock_class_key>);

// SAFETY: Nobody reads or writes the key; its address is all that matters.
unsafe impl Sync for Class {}

static CLASS: Class = Class(MaybeUninit::uninit());

/// A spinlock in memory of its own, which outlives the fences that name it.
///
/// # Invariants
///
/// The pointer comes from `Box::into_raw()` and points to an initialised lock.
pub(crate) struct LockObject(NonNull<spinlock_t>);

// SAFETY: A spinlock may be used from any thread.
unsafe impl Send for LockObject {}

impl LockObject {
    /// A new lock.
    pub(crate) fn new() -> Self {
        let lock: *mut spinlock_t =
            Box::into_raw(Box::new(MaybeUninit::<spinlock_t>::zeroed())).cast();
        // SAFETY: The memory was just allocated for a lock, the name and the
        // key are static.
        unsafe {
            __spin_lock_init(
                lock,
                c"scenario".as_char_ptr(),
                core::ptr::from_ref(&CLASS.0).cast_mut().cast(),
            )
        };
        // INVARIANT: The lock was initialised above.
        // SAFETY: A pointer from a box is not null.
        Self(unsafe { NonNull::new_unchecked(lock) })
    }

    /// The lock, valid as long as this object.
    pub(crate) fn as_ptr(&self) -> *mut spinlock_t {
        self.0.as_ptr()
    }
}

impl Drop for LockObject {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the pointer comes from a box of this
        // type. The replay drops its locks last, after all fences are gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr().cast::<MaybeUninit<spinlock_t>>()) });
    }
}
