// SPDX-License-Identifier: GPL-2.0-only
//! The lock validator under its C names, for `lib/locking-selftest.c`: see `scripts/lockdep-suite`.
//!
//! The test is one task on one CPU, and what it has beside the locks is declared by
//! `scripts/lockdep-suite.d/lockdep.h`.

#![allow(clippy::missing_safety_doc, non_upper_case_globals)]

use core::{
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    fmt::{self, Write},
};
use lockdep::{
    lock_class_key, lockdep_map, Acquire, Context, Engine, Host, Known, Lock, Name, Report, Task,
    Text,
};

/// C: `struct task_struct`.
#[repr(C)]
pub struct task_struct {
    comm: [u8; 16],
    pid: c_int,
    flags: c_uint,
    hardirq_threaded: c_uint,
    irq_config: c_uint,
    softirqs_enabled: c_int,
    softirq_context: c_int,
    /// Zero at the start.
    implementation: [u64; 2048],
}

const _: () = assert!(size_of::<Task>() <= 8 * 2048 && align_of::<Task>() <= 8);

extern "C" {
    static lst_current: *mut task_struct;
    static lst_irqs_off: c_int;
    static mut hardirqs_enabled: c_int;
    static hardirq_context: c_int;
    static mut debug_locks: c_int;
    fn debug_locks_off() -> c_int;
    fn lst_printk(fresh_line: c_int, fmt: *const c_char, ...) -> c_int;
}

struct Harness;

static LOCKDEP: Engine<Harness> = Engine::new(Harness);

/// The harness's console.
struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(512) {
            // SAFETY: The format has a length and a pointer to that many bytes.
            unsafe {
                lst_printk(
                    0,
                    c"%.*s".to_bytes_with_nul().as_ptr().cast(),
                    piece.len() as c_int,
                    piece.as_ptr(),
                )
            };
        }
        Ok(())
    }
}

impl Host for Harness {
    fn enabled(&self) -> bool {
        // SAFETY: There is one thread.
        unsafe { debug_locks != 0 }
    }

    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R {
        // SAFETY: Zero bytes are a task that holds no lock; it is large enough, and aligned.
        f(unsafe { &*(&raw const (*lst_current).implementation).cast::<Task>() })
    }

    fn context(&self) -> Context {
        // SAFETY: There is one thread.
        unsafe {
            let task = lst_current;
            Context {
                irqs_off: lst_irqs_off != 0,
                hardirq: hardirq_context > 0,
                threaded: (*task).hardirq_threaded != 0 || (*task).irq_config != 0,
                softirq: (*task).softirq_context > 0,
                softirqs_enabled: (*task).softirqs_enabled != 0,
            }
        }
    }

    fn set_softirqs_enabled(&self, on: bool) {
        // SAFETY: There is one thread.
        unsafe { (*lst_current).softirqs_enabled = on.into() };
    }

    fn task_name(&self) -> (Text<16>, i32) {
        // SAFETY: There is one thread.
        let (comm, pid) = unsafe { ((*lst_current).comm, (*lst_current).pid) };
        let length = comm.iter().position(|byte| *byte == 0).unwrap_or(16);
        (Text::from_bytes(&comm[..length]), pid)
    }

    fn lock(&self) {}

    fn unlock(&self) {}

    fn report(&self, report: &Report) {
        // SAFETY: It has no preconditions.
        if unsafe { debug_locks_off() } != 0 {
            // SAFETY: The format has no arguments.
            unsafe { lst_printk(1, c"".to_bytes_with_nul().as_ptr().cast()) };
            // The console does not fail.
            let _ = report.write(self, &mut Console);
        }
    }
}

/// A lock of C's.
unsafe fn lock(map: *const lockdep_map) -> Lock {
    // SAFETY: It is valid, and initialised or zero: the caller's guarantee.
    Lock::from(unsafe { &*map })
}

/// Called before the test.
#[no_mangle]
pub extern "C" fn lockdep_init() {}

/// The task holds nothing.
#[no_mangle]
pub unsafe extern "C" fn lockdep_init_task(task: *mut task_struct) {
    // SAFETY: As in `with_task()`.
    unsafe { &*(&raw const (*task).implementation).cast::<Task>() }.init();
}

/// Initialises a lock's map.
#[no_mangle]
pub unsafe extern "C" fn lockdep_init_map_type(
    map: *mut lockdep_map,
    name: *const c_char,
    key: *mut lock_class_key,
    subclass: c_int,
    inner: u8,
    outer: u8,
    lock_type: u8,
) {
    // SAFETY: It is a string that lives forever, or null.
    let name = unsafe { Name::from_ptr(name.cast()) };
    // SAFETY: `map` is valid for writes.
    unsafe { map.write(lockdep_map::new(name, None, inner, outer, lock_type)) };
    // SAFETY: Initialised above.
    LOCKDEP.init_map(unsafe { &*map }, name, key, subclass as u8);
}

/// Takes a lock.
#[no_mangle]
pub unsafe extern "C" fn lock_acquire(
    map: *const lockdep_map,
    subclass: c_uint,
    trylock: c_int,
    read: c_int,
    check: c_int,
    nest_lock: *const lockdep_map,
    ip: c_ulong,
) {
    // SAFETY: It is null or valid.
    let nest = (!nest_lock.is_null()).then(|| unsafe { lock(nest_lock) });
    let how = Acquire {
        subclass: subclass as u8,
        trylock: trylock != 0,
        read: read as u8,
        check: check != 0,
        nest: nest.as_ref(),
        ip: ip as usize,
    };
    // SAFETY: It is valid.
    LOCKDEP.acquire(&unsafe { lock(map) }, &how);
}

/// Releases a lock.
#[no_mangle]
pub unsafe extern "C" fn lock_release(map: *const lockdep_map, ip: c_ulong) {
    // SAFETY: It is valid.
    LOCKDEP.release(&unsafe { lock(map) }, ip as usize);
}

/// 1 if it is held, 0 if not, -1 if that is not known.
#[no_mangle]
pub unsafe extern "C" fn lock_is_held_type(map: *const lockdep_map, read: c_int) -> c_int {
    let as_reader = (read != -1).then_some(read != 0);
    // SAFETY: It is valid.
    match LOCKDEP.is_held(&unsafe { lock(map) }, as_reader) {
        Known::NotHeld => 0,
        Known::Held => 1,
        Known::Unknown => -1,
    }
}

/// Interrupts are about to be turned on.
#[no_mangle]
pub extern "C" fn lockdep_hardirqs_on_prepare() {
    LOCKDEP.hardirqs_on_prepare(0);
}

/// Interrupts are turned on.
#[no_mangle]
pub extern "C" fn lockdep_hardirqs_on(ip: c_ulong) {
    LOCKDEP.hardirqs_on(ip as usize);
    // SAFETY: There is one thread.
    unsafe { hardirqs_enabled = 1 };
}

/// Interrupts were turned off.
#[no_mangle]
pub extern "C" fn lockdep_hardirqs_off(ip: c_ulong) {
    LOCKDEP.hardirqs_off(ip as usize);
    // SAFETY: There is one thread.
    unsafe { hardirqs_enabled = 0 };
}

/// Soft interrupts are turned on.
#[no_mangle]
pub extern "C" fn lockdep_softirqs_on(ip: c_ulong) {
    LOCKDEP.softirqs_on(ip as usize);
}

/// Soft interrupts are turned off.
#[no_mangle]
pub extern "C" fn lockdep_softirqs_off(ip: c_ulong) {
    LOCKDEP.softirqs_off(ip as usize);
}

/// Memory is freed, or initialised.
#[no_mangle]
pub extern "C" fn debug_check_no_locks_freed(from: *const c_void, length: c_ulong) {
    LOCKDEP.check_no_locks_freed(from.addr(), length as usize, 0);
}

/// The task is the test. What the test forgets is always forgotten at once.
#[no_mangle]
pub extern "C" fn lockdep_set_selftest_task(_task: *mut task_struct) {}

/// Forgets the classes whose keys or names are there.
#[no_mangle]
pub extern "C" fn lockdep_free_key_range(start: *mut c_void, size: c_ulong) {
    LOCKDEP.free_key_range(start.addr(), size as usize);
}

/// Forgets the classes of a lock.
#[no_mangle]
pub unsafe extern "C" fn lockdep_reset_lock(map: *const lockdep_map) {
    // SAFETY: It is valid.
    let key = unsafe { &*map }.key();
    if !key.is_null() {
        LOCKDEP.reset_lock(key.addr());
    }
}

/// Checks again, from no locks held on.
#[no_mangle]
pub extern "C" fn lockdep_reset() {
    // SAFETY: There is one thread.
    unsafe { debug_locks = 1 };
    LOCKDEP.reset();
}
