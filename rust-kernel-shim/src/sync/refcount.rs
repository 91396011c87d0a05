// SPDX-License-Identifier: GPL-2.0-only

//! Reference counts that saturate.
//!
//! C header: [`include/linux/refcount.h`](srctree/include/linux/refcount.h).

use super::atomic::Atomic;
use crate::{
    bindings, build_assert::build_assert, ffi::c_int, implement::c_synchronises, types::Opaque,
};

/// A reference count.
///
/// It saturates instead of wrapping, and reports misuse: the object leaks then.
#[doc(alias = "refcount_t")]
#[repr(transparent)]
pub struct Refcount(Opaque<bindings::refcount_t>);

impl Refcount {
    /// Counts `value`, which is not negative, as a start.
    #[inline(always)]
    pub fn new(value: i32) -> Self {
        build_assert!(value >= 0, "a count starts saturated");
        Refcount(Opaque::new(bindings::REFCOUNT_INIT(value)))
    }

    #[inline]
    fn as_ptr(&self) -> *mut bindings::refcount_t {
        self.0.get()
    }

    /// The count as an atomic integer, which neither saturates nor reports.
    #[inline]
    pub fn as_atomic(&self) -> &Atomic<i32> {
        let counter = self.0.get().cast();
        // SAFETY: C's type is an atomic `int`, and all access to it is atomic.
        unsafe { &*counter }
    }

    /// Counts `value` from now on.
    #[doc(alias = "refcount_set")]
    #[inline]
    pub fn set(&self, value: i32) {
        // SAFETY: The count is valid.
        unsafe { bindings::refcount_set(self.as_ptr(), value as c_int) };
    }

    /// Counts one more; there must be one already.
    #[doc(alias = "refcount_inc")]
    #[inline]
    pub fn inc(&self) {
        // SAFETY: The count is valid.
        unsafe { bindings::refcount_inc(self.as_ptr()) };
    }

    /// Counts one less; that must not be the last.
    ///
    /// Orders what was done before as a release does.
    #[doc(alias = "refcount_dec")]
    #[inline]
    pub fn dec(&self) {
        // SAFETY: The count is valid.
        unsafe { bindings::refcount_dec(self.as_ptr()) };
    }

    /// Counts one less; says whether it was the last.
    ///
    /// A release, and if it was the last, an acquire as well.
    #[doc(alias = "refcount_dec_and_test")]
    #[inline]
    #[must_use = "the caller that counts the last one has to clean up; else use `dec()`"]
    pub fn dec_and_test(&self) -> bool {
        // SAFETY: The count is valid.
        unsafe { bindings::refcount_dec_and_test(self.as_ptr()) }
    }
}

c_synchronises!(Refcount);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::Relaxed;

    #[test]
    fn counts() {
        let count = Refcount::new(1);
        count.inc();
        assert_eq!(count.as_atomic().load(Relaxed), 2);
        assert!(!count.dec_and_test());
        assert!(count.dec_and_test());
        count.set(3);
        count.dec();
        assert_eq!(count.as_atomic().load(Relaxed), 2);
    }

    #[test]
    #[should_panic(expected = "a count starts saturated")]
    fn does_not_start_below_zero() {
        Refcount::new(-1);
    }
}
