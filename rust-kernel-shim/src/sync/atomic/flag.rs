// SPDX-License-Identifier: GPL-2.0-only

//! An atomic flag of whatever size the machine likes best.

use super::{ordering, Atomic, AtomicType};

/// A flag as it is stored; on x86 a byte is as good as a word.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Flag(bool);

// SAFETY: A `bool` is a byte, and every byte is an `i8`.
unsafe impl AtomicType for Flag {
    type Repr = i8;
}

/// An atomic `bool`, where its size does not matter.
pub struct AtomicFlag(Atomic<Flag>);

impl AtomicFlag {
    machine::const_fn! {
        /// Holds `b`.
        #[inline(always)]
        pub fn new(b: bool) -> Self {
            AtomicFlag(Atomic::new(Flag(b)))
        }
    }

    /// The flag, at which no other thread looks.
    #[cfg(not(loom))]
    #[inline(always)]
    pub fn get_mut(&mut self) -> &mut bool {
        &mut self.0.get_mut().0
    }

    /// As [`Atomic::load`].
    #[inline(always)]
    pub fn load<Ordering: ordering::AcquireOrRelaxed>(&self, o: Ordering) -> bool {
        self.0.load(o).0
    }

    /// As [`Atomic::store`].
    #[inline(always)]
    pub fn store<Ordering: ordering::ReleaseOrRelaxed>(&self, v: bool, o: Ordering) {
        self.0.store(Flag(v), o);
    }

    /// As [`Atomic::xchg`].
    #[inline(always)]
    pub fn xchg<Ordering: ordering::Ordering>(&self, new: bool, o: Ordering) -> bool {
        self.0.xchg(Flag(new), o).0
    }

    /// As [`Atomic::cmpxchg`].
    #[inline(always)]
    pub fn cmpxchg<Ordering: ordering::Ordering>(
        &self,
        old: bool,
        new: bool,
        o: Ordering,
    ) -> Result<bool, bool> {
        match self.0.cmpxchg(Flag(old), Flag(new), o) {
            Ok(found) => Ok(found.0),
            Err(found) => Err(found.0),
        }
    }
}
