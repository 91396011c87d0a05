// SPDX-License-Identifier: GPL-2.0-only
//! Reference counts that call a function at the end.
//!
//! C header: [`include/linux/kref.h`](srctree/include/linux/kref.h)

use crate::ffi::{c_int, c_uint};
use crate::{
    refcount_dec_and_test, refcount_inc, refcount_inc_not_zero, refcount_read, refcount_t,
    REFCOUNT_INIT,
};
use core::ptr::{addr_of, addr_of_mut};

/// A reference count inside the object that it counts.
#[repr(C)]
pub struct kref {
    /// The count.
    pub refcount: refcount_t,
}

impl kref {
    machine::const_fn! {
        /// A count of 1.
        pub fn new() -> Self {
            Self {
                refcount: REFCOUNT_INIT(1),
            }
        }
    }
}

impl Default for kref {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the count to 1.
pub unsafe fn kref_init(kref: *mut kref) {
    // SAFETY: `kref` is valid for writes: the caller's guarantee.
    unsafe { kref.write(self::kref::new()) };
}

/// Reads the count.
#[inline]
pub unsafe fn kref_read(kref: *const kref) -> c_uint {
    // SAFETY: `kref` is valid: the caller's guarantee.
    unsafe { refcount_read(addr_of!((*kref).refcount)) }
}

/// Takes a reference; the caller has one.
#[inline]
pub unsafe fn kref_get(kref: *mut kref) {
    // SAFETY: `kref` is valid: the caller's guarantee.
    unsafe { refcount_inc(addr_of_mut!((*kref).refcount)) }
}

/// Takes a reference unless there is none left; 1 if it did.
///
/// # Safety
///
/// `kref` is valid, though its object may be about to be freed.
#[inline]
pub unsafe fn kref_get_unless_zero(kref: *mut kref) -> c_int {
    // SAFETY: `kref` is valid: the caller's guarantee.
    unsafe { refcount_inc_not_zero(addr_of_mut!((*kref).refcount)) }.into()
}

/// Drops a reference, and calls `release` with the last one; 1 if it did.
///
/// # Safety
///
/// The caller owns a reference, and `release` may be called here.
#[inline]
pub unsafe fn kref_put(kref: *mut kref, release: Option<unsafe extern "C" fn(*mut kref)>) -> c_int {
    // SAFETY: The caller owns a reference: its guarantee.
    if !unsafe { refcount_dec_and_test(addr_of_mut!((*kref).refcount)) } {
        return 0;
    }
    if let Some(release) = release {
        // SAFETY: That was the last reference: `release` may be called.
        unsafe { release(kref) };
    }
    1
}
