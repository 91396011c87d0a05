// SPDX-License-Identifier: GPL-2.0-only
//! Global variables that hold atomics.

/// Declares a global variable that holds atomics: a static, or in a model, whose every run begins
/// with the first value, what stands for one.
///
/// # Examples
///
/// ```
/// use core::sync::atomic::Ordering::Relaxed;
/// use machine::atomic::AtomicI64;
///
/// machine::global! {
///     static NEXT: AtomicI64 = AtomicI64::new(1);
/// }
///
/// assert_eq!(NEXT.fetch_add(1, Relaxed), 1);
/// ```
#[cfg(not(loom))]
#[macro_export]
macro_rules! global {
    ($($variable:tt)*) => { $($variable)* };
}

/// Declares a global variable of a model.
#[cfg(loom)]
#[macro_export]
macro_rules! global {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;) => {
        $(#[$attr])* $vis static $name: $crate::Global<$type> = {
            // SAFETY: It is a static.
            unsafe { $crate::Global::new(|| $init) }
        };
    };
}

/// A global variable of a model.
#[cfg(loom)]
pub struct Global<T>(loom::lazy_static::Lazy<T>);

#[cfg(loom)]
impl<T> Global<T> {
    /// # Safety
    ///
    /// It becomes a static.
    #[doc(hidden)]
    pub const unsafe fn new(init: fn() -> T) -> Self {
        Self(loom::lazy_static::Lazy {
            init,
            _p: core::marker::PhantomData,
        })
    }
}

#[cfg(loom)]
impl<T: 'static> core::ops::Deref for Global<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: It is a static, says who made it.
        let global: &'static Self = unsafe { &*core::ptr::from_ref(self) };
        global.0.get()
    }
}
