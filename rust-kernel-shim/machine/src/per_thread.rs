// SPDX-License-Identifier: GPL-2.0-only
//! Slots of which each thread has its own.

/// Declares slots of which each thread has its own, as C's `DEFINE_PER_CPU()`: they begin with a
/// constant and have nothing to drop, so that they cost no more than a static does.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
///
/// machine::per_thread! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// DEPTH.set(DEPTH.get() + 1);
/// assert_eq!(DEPTH.get(), 1);
/// ```
#[cfg(not(loom))]
#[macro_export]
macro_rules! per_thread {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;)*) => {
        $(const _: () = ::core::assert!(!::core::mem::needs_drop::<$type>());)*
        $crate::__thread_local! {
            $($(#[$attr])* $vis static $name: $type = const { $init };)*
        }
        $(const _: () = {
            #[$crate::__slots::distributed_slice($crate::__slots::SLOTS)]
            #[linkme(crate = $crate::__slots::linkme)]
            static SLOT: $crate::__slots::Slot = || {
                let slot = $name.with(|slot| ::core::ptr::from_ref(slot).cast_mut());
                (slot.cast(), ::core::mem::size_of::<$type>())
            };
        };)*
    };
}

/// Tells where this thread has a slot, and its size.
pub type Slot = fn() -> (*mut u8, usize);

/// All slots.
#[cfg(not(loom))]
#[linkme::distributed_slice]
pub static SLOTS: [Slot];

/// In a model no thread is used again.
#[cfg(loom)]
pub static SLOTS: [Slot; 0] = [];

#[cfg(not(loom))]
#[doc(hidden)]
pub use std::thread_local as __thread_local;

/// Declares slots of which each thread of a model has its own, anew for each run.
#[cfg(loom)]
#[macro_export]
macro_rules! per_thread {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;)*) => {
        $($(#[$attr])* $vis static $name: $crate::PerThread<$type> = $crate::PerThread::new(|| $init);)*
    };
}

/// A slot of which each thread of a model has its own: as much of `LocalKey` as is used.
#[cfg(loom)]
pub struct PerThread<T: 'static>(loom::thread::LocalKey<T>);

#[cfg(loom)]
impl<T> PerThread<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self(loom::thread::LocalKey {
            init,
            _p: core::marker::PhantomData,
        })
    }

    /// Calls `f` with this thread's slot.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }
}

#[cfg(loom)]
impl<T> PerThread<core::cell::Cell<T>> {
    /// Reads this thread's slot.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(core::cell::Cell::get)
    }

    /// Writes this thread's slot.
    pub fn set(&'static self, v: T) {
        self.with(|slot| slot.set(v));
    }

    /// Writes this thread's slot and returns the old value.
    pub fn replace(&'static self, v: T) -> T {
        self.with(|slot| slot.replace(v))
    }
}
