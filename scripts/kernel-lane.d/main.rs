// SPDX-License-Identifier: GPL-2.0-only
//! The misuses of locks in dma-fence/broken, as a module of Linux: the same functions.

use kernel::prelude::*;

mod dma_fence {
    pub(crate) mod bindings;
}
mod exporter;
mod locks;

/// What those files use that is inline in C.
mod inline {
    use kernel::bindings::{gfp_t, lock_class_key, spinlock_t};
    use kernel::ffi::{c_char, c_void};

    unsafe extern "C" {
        fn misuses_kmalloc(size: usize, flags: gfp_t) -> *mut c_void;
        fn misuses_kzalloc(size: usize, flags: gfp_t) -> *mut c_void;
        fn misuses_spin_lock_init(lock: *mut spinlock_t);
    }

    pub(crate) unsafe fn kmalloc_obj<T>(flags: gfp_t) -> *mut T {
        // SAFETY: It has no preconditions.
        unsafe { misuses_kmalloc(size_of::<T>(), flags).cast() }
    }

    pub(crate) unsafe fn kzalloc_obj<T>(flags: gfp_t) -> *mut T {
        // SAFETY: It has no preconditions.
        unsafe { misuses_kzalloc(size_of::<T>(), flags).cast() }
    }

    pub(crate) unsafe fn __spin_lock_init(
        lock: *mut spinlock_t,
        _name: *const c_char,
        _key: *mut lock_class_key,
    ) {
        // SAFETY: The lock is the caller's.
        unsafe { misuses_spin_lock_init(lock) };
    }
}

module! {
    type: Misuses,
    name: "misuses",
    authors: ["the authors of dma-fence in Rust"],
    description: "Misuses of locks with fences",
    license: "GPL",
    params: {
        number: i32 {
            default: 0,
            description: "The misuse, from 1; or 0 for all of them done right",
        },
    },
}

struct Misuses;

impl kernel::Module for Misuses {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let number = module_parameters::number.value();
        for (n, (name, driver)) in (1..).zip(locks::ALL) {
            if n == number || number == 0 {
                pr_info!("@@ misuse {}\n", name);
                driver(number != 0)?;
            }
        }
        Ok(Self)
    }
}
