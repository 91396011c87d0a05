// SPDX-License-Identifier: GPL-2.0-only
//! Reference counts that saturate instead of wrapping.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h)
//!
//! A count that went wrong (an increment of 0, a decrement below it, an overflow) warns and
//! stays at a value from which it neither reaches 0 nor wraps: the object leaks, which is
//! better than being freed under its users.

use crate::{ffi::c_int, WARN};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use machine::atomic::{fence, AtomicI32};

/// The value of a saturated count.
const REFCOUNT_SATURATED: i32 = i32::MIN / 2;

/// C: `refcount_t`.
#[repr(C)]
pub struct refcount_struct {
    refs: AtomicI32,
}

/// C: `refcount_t`.
pub type refcount_t = refcount_struct;

machine::const_fn! {
    /// A count that starts at `n`.
    pub fn REFCOUNT_INIT(n: c_int) -> refcount_t {
        refcount_struct {
            refs: AtomicI32::new(n),
        }
    }
}

unsafe fn refs<'a>(r: *const refcount_t) -> &'a AtomicI32 {
    // SAFETY: `r` is valid: the caller's guarantee.
    unsafe { &(*r).refs }
}

#[cold]
fn saturate(refs: &AtomicI32, what: &str) {
    refs.store(REFCOUNT_SATURATED, Relaxed);
    WARN!(true, "refcount_t: {what}");
}

/// Sets the count; for objects that no other thread knows.
pub unsafe fn refcount_set(r: *mut refcount_t, n: c_int) {
    // SAFETY: `r` is valid: the caller's guarantee.
    unsafe { refs(r) }.store(n, Relaxed);
}

/// Reads the count.
#[inline]
pub unsafe fn refcount_read(r: *const refcount_t) -> u32 {
    // SAFETY: `r` is valid: the caller's guarantee.
    unsafe { refs(r) }.load(Relaxed) as u32
}

/// Takes another reference; the caller has one already, so nothing needs to be ordered.
#[inline]
pub unsafe fn refcount_inc(r: *mut refcount_t) {
    // SAFETY: `r` is valid: the caller's guarantee.
    let refs = unsafe { refs(r) };
    match refs.fetch_add(1, Relaxed) {
        0 => saturate(refs, "addition on 0; use-after-free."),
        i32::MAX | i32::MIN..=-1 => saturate(refs, "saturated; leaking memory."),
        _ => {}
    }
}

/// Takes a reference unless the count is 0; true if it did.
///
/// # Safety
///
/// `r` is valid, though its object may be about to be freed.
#[inline]
pub unsafe fn refcount_inc_not_zero(r: *mut refcount_t) -> bool {
    // SAFETY: `r` is valid: the caller's guarantee.
    let refs = unsafe { refs(r) };
    let mut old = refs.load(Relaxed);
    while old != 0 {
        // `Acquire` for C's control dependency; pairs with the `Release` of the drops before.
        match refs.compare_exchange(old, old.wrapping_add(1), Acquire, Relaxed) {
            Ok(i32::MAX | i32::MIN..=-1) => {
                saturate(refs, "saturated; leaking memory.");
                return true;
            }
            Ok(_) => return true,
            Err(found) => old = found,
        }
    }
    false
}

/// Drops a reference that is not the last one.
pub unsafe fn refcount_dec(r: *mut refcount_t) {
    // SAFETY: `r` is valid: the caller's guarantee.
    let refs = unsafe { refs(r) };
    // Pairs with the fence in `refcount_dec_and_test`.
    if refs.fetch_sub(1, Release) <= 1 {
        saturate(refs, "decrement hit 0; leaking memory.");
    }
}

/// Drops a reference; true if it was the last, and then everything that others did to the
/// object with theirs has happened before.
#[inline]
#[must_use]
pub unsafe fn refcount_dec_and_test(r: *mut refcount_t) -> bool {
    // SAFETY: `r` is valid: the caller's guarantee.
    let refs = unsafe { refs(r) };
    // Pairs with the fence below, in the thread that drops the last one.
    match refs.fetch_sub(1, Release) {
        1 => {
            // Pairs with the `Release` of all drops before.
            fence(Acquire);
            // ThreadSanitizer does not know fences.
            #[cfg(tsan)]
            refs.load(Acquire);
            true
        }
        i32::MIN..=0 => {
            saturate(refs, "underflow; use-after-free.");
            false
        }
        _ => false,
    }
}
