// SPDX-License-Identifier: GPL-2.0-only

//! An atomic flag of the size that the machine accesses fastest: on x86, a byte.

use super::{ordering, Atomic};

/// An atomic `bool`, where its size does not matter.
pub struct AtomicFlag(Atomic<bool>);

impl AtomicFlag {
    machine::const_fn! {
        /// Holds `b`.
        #[inline(always)]
        pub fn new(b: bool) -> Self {
            AtomicFlag(Atomic::new(b))
        }
    }

    /// Returns the flag, to which no other thread has access.
    #[cfg(not(loom))]
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut bool {
        self.0.get_mut()
    }

    /// As [`Atomic::load`].
    #[inline(always)]
    pub fn load<Ordering: ordering::AcquireOrRelaxed>(&self, o: Ordering) -> bool {
        self.0.load(o)
    }

    /// As [`Atomic::store`].
    #[inline(always)]
    pub fn store<Ordering: ordering::ReleaseOrRelaxed>(&self, v: bool, o: Ordering) {
        self.0.store(v, o);
    }

    /// As [`Atomic::xchg`].
    #[inline(always)]
    pub fn xchg<Ordering: ordering::Ordering>(&self, new: bool, o: Ordering) -> bool {
        self.0.xchg(new, o)
    }

    /// As [`Atomic::cmpxchg`].
    #[inline(always)]
    pub fn cmpxchg<Ordering: ordering::Ordering>(
        &self,
        old: bool,
        new: bool,
        o: Ordering,
    ) -> Result<bool, bool> {
        self.0.cmpxchg(old, new, o)
    }
}
