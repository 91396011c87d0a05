// SPDX-License-Identifier: GPL-2.0-only
//! Points in the code at which listeners are called.
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h)
//!
//! A tracepoint without a listener costs one load, as the kernel's static key costs one
//! instruction; its arguments are not evaluated.

use crate::ffi::{c_int, c_void};
use crate::{
    kfree, kmalloc_obj, rcu_read_lock, rcu_read_unlock, synchronize_rcu, EBUSY, EEXIST, ENOENT,
    ENOMEM, GFP_KERNEL,
};
use core::{
    ffi::CStr,
    fmt, ptr,
    sync::atomic::{
        AtomicI32, AtomicPtr,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use spin::mutex::SpinMutex;

/// Called in the thread that hits the tracepoint, with what was registered and the event's object.
pub type tracepoint_probe = unsafe extern "C" fn(data: *mut c_void, object: *mut c_void);

/// A switch in the code: how many want what is behind it.
pub struct static_key {
    enabled: AtomicI32,
}

/// A [`static_key`] that is off most of the time.
#[repr(transparent)]
pub struct static_key_false {
    key: static_key,
}

/// Returns how many want what is behind a switch.
#[inline(always)]
pub unsafe fn static_key_count(key: *mut static_key) -> c_int {
    // SAFETY: The caller says that it is valid.
    unsafe { (*key).enabled.load(Relaxed) }
}

/// Listeners that one tracepoint can have.
const PROBES: usize = 8;

/// A tracepoint.
///
/// # Invariants
///
/// `key` counts those `probes` that are not null, and changes with them under `REGISTRATION`; these come
/// from the slab and are read under RCU. No two have the same function and data.
pub struct tracepoint {
    /// The group of events that it belongs to.
    pub system: &'static CStr,
    /// The name of the event.
    pub name: &'static CStr,
    /// On while there is a listener.
    pub key: static_key_false,
    probes: [AtomicPtr<Probe>; PROBES],
    print: unsafe fn(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result,
}

struct Probe {
    func: tracepoint_probe,
    data: *mut c_void,
}

impl tracepoint {
    /// A tracepoint without a listener; `print` writes what an object looks like.
    pub const fn new(
        system: &'static CStr,
        name: &'static CStr,
        print: unsafe fn(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result,
    ) -> Self {
        Self {
            system,
            name,
            key: static_key_false {
                key: static_key {
                    enabled: AtomicI32::new(0),
                },
            },
            probes: [const { AtomicPtr::new(ptr::null_mut()) }; PROBES],
            print,
        }
    }

    /// True if there is a listener.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        self.key.key.enabled.load(Relaxed) != 0
    }

    /// Calls the listeners with `object`.
    ///
    /// # Safety
    ///
    /// `object` is what the event promises to its listeners.
    #[inline(always)]
    pub unsafe fn hit(&self, object: *mut c_void) {
        if self.enabled() {
            // SAFETY: `object` is what the event promises: the caller's guarantee.
            unsafe { self.call_probes(object) };
        }
    }

    /// # Safety
    ///
    /// As [`hit`](Self::hit).
    #[cold]
    unsafe fn call_probes(&self, object: *mut c_void) {
        // SAFETY: The section is closed below.
        unsafe { rcu_read_lock() };
        for probe in &self.probes {
            // Pairs with the `Release` in `tracepoint_probe_register`.
            let probe = probe.load(Acquire);
            if !probe.is_null() {
                // SAFETY: Registered probes live for a grace period after they were taken out,
                // and the caller that registered it vouches for the function.
                unsafe { ((*probe).func)((*probe).data, object) };
            }
        }
        // SAFETY: Opened above.
        unsafe { rcu_read_unlock() };
    }

    /// Writes what follows the event's name in a trace.
    ///
    /// # Safety
    ///
    /// `object` is what the event promises.
    pub unsafe fn print(&self, object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result {
        // SAFETY: `object` is what the event promises: the caller's guarantee.
        unsafe { (self.print)(object, out) }
    }
}

/// Held while the probes of any tracepoint change.
static REGISTRATION: SpinMutex<()> = SpinMutex::new(());

impl tracepoint {
    /// Finds the slot of this listener.
    ///
    /// # Safety
    ///
    /// The caller holds [`REGISTRATION`].
    unsafe fn find(&self, func: tracepoint_probe, data: *mut c_void) -> Option<&AtomicPtr<Probe>> {
        self.probes.iter().find(|slot| {
            // SAFETY: A probe is freed after it was taken out, which needs the lock.
            let probe = unsafe { slot.load(Relaxed).as_ref() };
            probe.is_some_and(|probe| ptr::fn_addr_eq(probe.func, func) && probe.data == data)
        })
    }
}

/// Lets `probe` listen. -ENOMEM without memory, -EEXIST if it listens with this `data` already,
/// -EBUSY if there are too many listeners. May sleep.
///
/// # Safety
///
/// `probe` may be called with `data` in any context, until a grace period after it is unregistered.
pub unsafe fn tracepoint_probe_register(
    tp: &'static tracepoint,
    probe: tracepoint_probe,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let new: *mut Probe = unsafe { kmalloc_obj(GFP_KERNEL) };
    if new.is_null() {
        return -ENOMEM.cast_signed();
    }
    // SAFETY: Fresh memory of the right size.
    unsafe { new.write(Probe { func: probe, data }) };
    let registration = REGISTRATION.lock();
    // SAFETY: The lock is held.
    let listens = unsafe { tp.find(probe, data) }.is_some();
    let free = tp.probes.iter().find(|slot| slot.load(Relaxed).is_null());
    let error = match free {
        _ if listens => EEXIST,
        None => EBUSY,
        Some(slot) => {
            // INVARIANT: One more of both. Pairs with the `Acquire` in `call_probes`.
            slot.store(new, Release);
            tp.key.key.enabled.fetch_add(1, Relaxed);
            return 0;
        }
    };
    drop(registration);
    // SAFETY: It is in no list, so no thread knows it.
    unsafe { kfree(new.cast()) };
    -error.cast_signed()
}

/// Ends what [`tracepoint_probe_register`] began, and waits until no call is under way. -ENOENT
/// if there is no such listener. May sleep.
pub unsafe fn tracepoint_probe_unregister(
    tp: &'static tracepoint,
    probe: tracepoint_probe,
    data: *mut c_void,
) -> c_int {
    let registration = REGISTRATION.lock();
    // SAFETY: The lock is held.
    let Some(slot) = (unsafe { tp.find(probe, data) }) else {
        return -ENOENT.cast_signed();
    };
    // INVARIANT: One less of both.
    let old = slot.swap(ptr::null_mut(), Relaxed);
    tp.key.key.enabled.fetch_sub(1, Relaxed);
    drop(registration);
    // SAFETY: A thread that has found the probe is inside a section, and does not call it after
    // that. Only the caller that has taken it out frees it.
    unsafe {
        synchronize_rcu();
        kfree(old.cast());
    }
    0
}
