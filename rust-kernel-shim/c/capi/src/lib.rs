// SPDX-License-Identifier: GPL-2.0-only
//! What C supplies in the kernel, under its C names, for code in C.
//!
//! The headers are in `include/`. All this has to itself is the names: each function is that of
//! [`bindings`], of which C needs no more than what a driver of fences uses, and the kernel's tests
//! of fences. Memory is `malloc()`'s: each side may free what the other has allocated.

#![no_std]
// What is needed of all functions is said in `bindings`.
#![allow(clippy::missing_safety_doc, non_snake_case)]
// C sees the tasks' pointers only.
#![allow(improper_ctypes_definitions)]

use bindings::{
    callback_head,
    ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void},
    file, from_char_ptr, gfp_t, irq_work, kmem_cache, ktime_t, list_head, lock_class_key,
    rcu_callback_t, seq_file, spinlock_t, task_struct, timer_list, ww_class, ww_mutex,
};
use core::ptr::null;

pub use bindings::{ffi, kref, ww_acquire_ctx};

/// Exports functions of a module under their names.
#[macro_export]
macro_rules! export {
    (use $module:ident; $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?;)*) => {$(
        #[doc = concat!("C: `", stringify!($name), "()`.")]
        #[no_mangle]
        pub unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            // SAFETY: The caller's guarantees are the same.
            unsafe { $module::$name($($arg),*) }
        }
    )*};
}

export! {
    use bindings;
    fn INIT_LIST_HEAD(list: *mut list_head);
    fn list_empty(head: *const list_head) -> bool;
    fn list_add(new: *mut list_head, head: *mut list_head);
    fn list_add_tail(new: *mut list_head, head: *mut list_head);
    fn list_del_init(entry: *mut list_head);
    fn list_replace(old: *mut list_head, new: *mut list_head);

    fn kref_init(kref: *mut kref);
    fn kref_read(kref: *const kref) -> c_uint;
    fn kref_get(kref: *mut kref);
    fn kref_get_unless_zero(kref: *mut kref) -> c_int;
    fn kref_put(kref: *mut kref, release: Option<unsafe extern "C" fn(*mut kref)>) -> c_int;

    fn rcu_read_lock();
    fn rcu_read_unlock();
    fn rcu_read_lock_held() -> c_int;
    fn synchronize_rcu();
    fn call_rcu(head: *mut callback_head, func: rcu_callback_t);
    fn rcu_barrier();

    fn __spin_lock_init(lock: *mut spinlock_t, name: *const c_char, key: *mut lock_class_key);
    fn lockdep_set_class(lock: *mut spinlock_t, name: *const c_char, key: *mut lock_class_key);
    fn spin_lock(lock: *mut spinlock_t);
    fn spin_unlock(lock: *mut spinlock_t);
    fn spin_trylock(lock: *mut spinlock_t) -> c_int;
    fn spin_lock_irqsave(lock: *mut spinlock_t) -> c_ulong;
    fn spin_unlock_irqrestore(lock: *mut spinlock_t, flags: c_ulong);

    fn ww_acquire_init(ctx: *mut ww_acquire_ctx, class: &'static ww_class);
    fn ww_acquire_done(ctx: *mut ww_acquire_ctx);
    fn ww_acquire_fini(ctx: *mut ww_acquire_ctx);
    fn ww_mutex_init(lock: *mut ww_mutex, class: &'static ww_class);
    fn ww_mutex_destroy(lock: *mut ww_mutex);
    fn ww_mutex_lock(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int;
    fn ww_mutex_lock_interruptible(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int;
    fn ww_mutex_lock_slow(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx);
    fn ww_mutex_lock_slow_interruptible(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int;
    fn ww_mutex_trylock(lock: *mut ww_mutex, ctx: *mut ww_acquire_ctx) -> c_int;
    fn ww_mutex_is_locked(lock: *mut ww_mutex) -> bool;
    fn ww_mutex_unlock(lock: *mut ww_mutex);

    fn get_current() -> *mut task_struct;
    fn get_task_struct(t: *mut task_struct) -> *mut task_struct;
    fn put_task_struct(t: *mut task_struct);
    fn set_current_state(state: c_uint);
    fn __set_current_state(state: c_uint);
    fn wake_up_state(t: *mut task_struct, state: c_uint) -> c_int;
    fn wake_up_process(t: *mut task_struct) -> c_int;
    fn signal_pending(t: *mut task_struct) -> c_int;
    fn schedule();
    fn schedule_timeout(timeout: c_long) -> c_long;
    fn might_sleep();
    fn cpu_relax();
    fn kthread_create(
        threadfn: unsafe extern "C" fn(data: *mut c_void) -> c_int,
        data: *mut c_void,
        name: *const c_char,
    ) -> *mut task_struct;
    fn kthread_stop(t: *mut task_struct) -> c_int;
    fn kthread_should_stop() -> bool;

    fn jiffies() -> c_ulong;
    fn ktime_get() -> ktime_t;
    fn msleep(msecs: c_uint);
    fn timer_init_key(
        timer: *mut timer_list,
        func: Option<unsafe extern "C" fn(timer: *mut timer_list)>,
        flags: c_uint,
        name: *const c_char,
        key: *mut lock_class_key,
    );
    fn mod_timer(timer: *mut timer_list, expires: c_ulong) -> c_int;
    fn timer_delete_sync(timer: *mut timer_list) -> c_int;
    fn timer_pending(timer: *const timer_list) -> bool;

    fn init_irq_work(
        work: *mut irq_work,
        func: Option<unsafe extern "C" fn(work: *mut irq_work)>,
    );
    fn irq_work_queue(work: *mut irq_work) -> bool;

    fn kfree(p: *const c_void);
    fn kmem_cache_create(name: *const c_char, size: c_uint, align: c_uint, flags: c_uint) -> *mut kmem_cache;
    fn kmem_cache_alloc(cache: *mut kmem_cache, flags: gfp_t) -> *mut c_void;
    fn kmem_cache_free(cache: *mut kmem_cache, object: *mut c_void);
    fn kmem_cache_destroy(cache: *mut kmem_cache);
    fn get_unused_fd_flags(flags: c_uint) -> c_int;
    fn put_unused_fd(fd: c_uint);
    fn fd_install(fd: c_uint, file: *mut file);
    fn close_fd(fd: c_uint) -> c_int;
    fn fput(file: *mut file);
    fn seq_write(seq: *mut seq_file, data: *const c_void, len: usize) -> c_int;
    fn seq_puts(seq: *mut seq_file, s: *const c_char);
}

/// As much as the headers have, which C allocates.
const _: () = {
    assert!(size_of::<timer_list>() <= 10 * 8 && align_of::<timer_list>() <= 8);
    assert!(size_of::<irq_work>() <= 4 * 8 && align_of::<irq_work>() <= 8);
    assert!(size_of::<lock_class_key>() <= 2 * 8);
    assert!(size_of::<spinlock_t>() == 4);
    assert!(size_of::<seq_file>() == 4 * 8);
    assert!(size_of::<ww_class>() <= 11 * 8 && align_of::<ww_class>() <= 8);
    assert!(size_of::<ww_acquire_ctx>() <= 8 * 8);
    assert!(size_of::<ww_mutex>() == 4 * 8 && align_of::<ww_mutex>() <= 8);
    assert!(align_of::<ww_acquire_ctx>() <= 8);
};

/// Makes `class` one whose contexts and mutexes have these names.
#[no_mangle]
pub unsafe extern "C" fn ww_class_init(
    class: *mut ww_class,
    acquire_name: *const c_char,
    mutex_name: *const c_char,
    is_wait_die: bool,
) {
    // SAFETY: `class` is valid for writes, and the names are literals: the caller's guarantee.
    unsafe {
        let [acquire_name, mutex_name] = [acquire_name, mutex_name].map(|s| from_char_ptr(s));
        class.write(ww_class::new(acquire_name, mutex_name, is_wait_die));
    }
}

/// Allocates memory; null if there is none. May sleep if `flags` say so.
///
/// C: `kmalloc()`
#[no_mangle]
pub unsafe extern "C" fn kmalloc(size: usize, flags: gfp_t) -> *mut c_void {
    // SAFETY: No block to replace; the alignment is that of `malloc()`.
    unsafe { krealloc(null(), size, flags) }
}

/// Makes `p`, or a new block if that is null, `size` bytes.
///
/// C: `krealloc()`
#[no_mangle]
pub unsafe extern "C" fn krealloc(p: *const c_void, size: usize, flags: gfp_t) -> *mut c_void {
    // SAFETY: The caller's guarantees are the same.
    unsafe { bindings::krealloc_node_align(p, size.max(1), 16, flags, bindings::NUMA_NO_NODE) }
}

/// Frees the block at `ptr` a grace period later; `head` is in it.
///
/// C: `kvfree_call_rcu()`
#[no_mangle]
pub unsafe extern "C" fn kvfree_call_rcu(head: *mut callback_head, ptr: *mut c_void) {
    macro_rules! at {
        ($($offset:literal)*) => {
            match head.addr() - ptr.addr() {
                // SAFETY: The caller's guarantees are the same.
                $($offset => unsafe { bindings::kvfree_call_rcu::<$offset>(head) },)*
                offset => bindings::BUG!("kfree_rcu: no rcu_head is expected at {offset}"),
            }
        };
    }
    at!(0 8 16 24 32 40 48 56 64 72 80 88 96 104 112 120 128 136 144 152 160 168 176 184 192 200 208 216 224 232 240 248)
}
