// SPDX-License-Identifier: GPL-2.0-only
//! The crate kernel, with what those drivers find in it that Linux has for C alone: macros and inline
//! functions.

pub(crate) use kernel::*;

/// As in C, for a timeline's memory.
macro_rules! kfree_rcu {
    ($pointer:expr, $type:ty, $field:ident) => {
        crate::linux::bindings::free_after_grace_period(
            (&raw mut (*$pointer).$field).cast(),
            $pointer.cast(),
        )
    };
}
pub(crate) use kfree_rcu;

/// What is a module there is one of driver.ko here, which has this function of each.
macro_rules! loadable {
    (type: $type:ty, $($rest:tt)*) => {
        pub(crate) fn load(module: &'static ThisModule) -> Result<crate::linux::testing::Module> {
            let module = KBox::new(<$type as ::kernel::Module>::init(module)?, GFP_KERNEL)?;
            Ok(crate::linux::testing::Module::new(module))
        }
    };
}
pub(crate) use loadable;

pub(crate) mod prelude {
    pub(crate) use super::loadable as module;
    pub(crate) use kernel::prelude::*;
}

pub(crate) mod testing {
    use core::{ops::Deref, ptr::null_mut, sync::atomic::AtomicPtr};
    use core::sync::atomic::Ordering::Relaxed;
    use kernel::{error::to_result, ffi::{c_int, c_void}, prelude::*};

    unsafe extern "C" {
        fn prove_insmod(number: c_int, place: *const AtomicPtr<c_void>) -> c_int;
        fn prove_rmmod() -> c_int;
    }

    /// A module's data, in driver.ko.
    pub(crate) struct Module {
        pub(crate) data: *mut c_void,
        exit: unsafe fn(*mut c_void),
    }

    // SAFETY: Modules are `Send` and `Sync`.
    unsafe impl Send for Module {}
    // SAFETY: As above.
    unsafe impl Sync for Module {}

    impl Module {
        pub(crate) fn new<M: kernel::Module>(module: KBox<M>) -> Self {
            unsafe fn exit<M>(data: *mut c_void) {
                // SAFETY: It is from `into_raw()`, and this is called once.
                drop(unsafe { KBox::<M>::from_raw(data.cast()) });
            }
            Self { data: KBox::into_raw(module).cast(), exit: exit::<M> }
        }
    }

    impl Drop for Module {
        fn drop(&mut self) {
            // SAFETY: The data are this module's.
            unsafe { (self.exit)(self.data) };
        }
    }

    /// A module that is loaded; dropping this unloads it.
    pub(crate) struct Loaded<M>(*const M);

    /// Loads driver.ko, which puts the address of the module's data where it is told.
    pub(crate) fn insmod<M: kernel::Module>() -> Result<Loaded<M>> {
        static PLACE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
        // SAFETY: The place is static.
        to_result(unsafe { prove_insmod(crate::number(), &PLACE) })?;
        Ok(Loaded(PLACE.load(Relaxed).cast()))
    }

    impl<M> Deref for Loaded<M> {
        type Target = M;

        fn deref(&self) -> &M {
            // SAFETY: The module is loaded until this is dropped, and built from the same source.
            unsafe { &*self.0 }
        }
    }

    impl<M> Drop for Loaded<M> {
        fn drop(&mut self) {
            // SAFETY: It has no preconditions.
            unsafe { prove_rmmod() };
        }
    }
}

pub(crate) mod bindings {
    pub(crate) use crate::dma_fence::bindings::*;
    use kernel::ffi::{c_char, c_uint, c_ulong, c_void};

    unsafe extern "C" {
        fn prove_kmalloc(size: usize, flags: gfp_t) -> *mut c_void;
        fn prove_kzalloc(size: usize, flags: gfp_t) -> *mut c_void;
        fn prove_spin_lock_init(lock: *mut spinlock_t);
        fn prove_timer_init(
            timer: *mut timer_list,
            function: Option<unsafe extern "C" fn(*mut timer_list)>,
            flags: c_uint,
            name: *const c_char,
        );
        fn prove_kfree_rcu(head: *mut callback_head, pointer: *mut c_void);
        pub(crate) fn dma_fence_array_create(
            num_fences: i32,
            fences: *mut *mut dma_fence,
            context: u64,
            seqno: c_uint,
        ) -> *mut dma_fence_array;
    }

    pub(crate) unsafe fn kmalloc_objs<T>(count: usize, flags: gfp_t) -> *mut T {
        // SAFETY: It has no preconditions.
        unsafe { prove_kmalloc(count * size_of::<T>(), flags).cast() }
    }

    pub(crate) unsafe fn kzalloc_obj<T>(flags: gfp_t) -> *mut T {
        // SAFETY: It has no preconditions.
        unsafe { prove_kzalloc(size_of::<T>(), flags).cast() }
    }

    // Lockdep wants a key of the module for what is initialised without one.
    pub(crate) unsafe fn __spin_lock_init(
        lock: *mut spinlock_t,
        _name: *const c_char,
        _key: *mut lock_class_key,
    ) {
        // SAFETY: The lock is the caller's.
        unsafe { prove_spin_lock_init(lock) };
    }

    pub(crate) unsafe fn timer_init_key(
        timer: *mut timer_list,
        function: Option<unsafe extern "C" fn(*mut timer_list)>,
        flags: c_uint,
        name: *const c_char,
        _key: *mut lock_class_key,
    ) {
        // SAFETY: The timer is the caller's.
        unsafe { prove_timer_init(timer, function, flags, name) };
    }

    pub(crate) fn jiffies() -> c_ulong {
        // SAFETY: The word is always there, and changes.
        unsafe { (&raw const kernel::bindings::jiffies).read_volatile() }
    }

    pub(crate) unsafe fn free_after_grace_period(head: *mut callback_head, pointer: *mut c_void) {
        // SAFETY: The block and its head are the caller's to give up.
        unsafe { prove_kfree_rcu(head, pointer) };
    }

    pub(crate) unsafe fn dma_fence_ops_ptr(fence: *mut dma_fence) -> *const dma_fence_ops {
        // SAFETY: The caller has a reference, and is in a read-side section.
        unsafe { (&raw const (*fence).ops).read_volatile() }
    }

    impl Default for dma_fence_unwrap {
        fn default() -> Self {
            let none = core::ptr::null_mut();
            Self { chain: none, array: none, index: 0 }
        }
    }
}
