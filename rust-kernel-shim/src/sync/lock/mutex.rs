// SPDX-License-Identifier: GPL-2.0-only

//! Locks whose owner may sleep.
//!
//! C header: [`include/linux/mutex.h`](srctree/include/linux/mutex.h).

use super::{Guard, Lock};
use crate::implement::lock_backend;

/// Initialises a [`Mutex`](crate::sync::Mutex); its name is the literal, or file and line.
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::Mutex::new(
            $inner,
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
        )
    };
}
pub use new_mutex;

/// A lock whose owner may sleep, as may a task that waits for it.
#[doc(alias = "mutex")]
pub type Mutex<T> = Lock<T, MutexBackend>;

/// The guard of a [`Mutex`].
pub type MutexGuard<'a, T> = Guard<'a, T, MutexBackend>;

lock_backend!(
    /// The kind of a [`Mutex`].
    MutexBackend, mutex:
    __mutex_init, mutex_lock, mutex_trylock, mutex_unlock, mutex_assert_is_held
);
