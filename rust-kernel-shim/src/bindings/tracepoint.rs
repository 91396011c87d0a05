// SPDX-License-Identifier: GPL-2.0-only
//! Places in the code that tell whoever listens.
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h)
//!
//! A tracepoint that nobody listens to costs one load, as the kernel's static key costs one
//! instruction; its arguments are not looked at.

use super::{
    kfree, krealloc_node_align, rcu_read_lock, rcu_read_unlock, synchronize_rcu, GFP_KERNEL,
    NUMA_NO_NODE,
};
use crate::ffi::{c_int, c_void};
use core::{
    ffi::CStr,
    fmt, ptr,
    sync::atomic::{
        AtomicPtr, AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

/// Called in the thread that comes by, with what was registered and the object of the event.
pub type tracepoint_probe = unsafe extern "C" fn(data: *mut c_void, object: *mut c_void);

/// Listeners that one tracepoint can have.
const PROBES: usize = 8;

/// A tracepoint.
///
/// # Invariants
///
/// `enabled` is the number of `probes` that are not null; these come from the slab and are read
/// under RCU.
pub struct tracepoint {
    /// The group of events that it belongs to.
    pub system: &'static CStr,
    /// The name of the event.
    pub name: &'static CStr,
    enabled: AtomicU32,
    probes: [AtomicPtr<Probe>; PROBES],
    print: unsafe fn(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result,
}

struct Probe {
    func: tracepoint_probe,
    data: *mut c_void,
}

impl tracepoint {
    /// A tracepoint that nobody listens to; `print` writes what an object looks like.
    pub const fn new(
        system: &'static CStr,
        name: &'static CStr,
        print: unsafe fn(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result,
    ) -> Self {
        Self {
            system,
            name,
            enabled: AtomicU32::new(0),
            probes: [const { AtomicPtr::new(ptr::null_mut()) }; PROBES],
            print,
        }
    }

    /// True if somebody listens.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        self.enabled.load(Relaxed) != 0
    }

    /// Comes by with `object`.
    ///
    /// # Safety
    ///
    /// `object` is what the event promises to its listeners.
    #[inline(always)]
    pub unsafe fn hit(&self, object: *mut c_void) {
        if self.enabled() {
            // SAFETY: By the safety requirements.
            unsafe { self.tell(object) };
        }
    }

    /// # Safety
    ///
    /// As [`hit`](Self::hit).
    #[cold]
    unsafe fn tell(&self, object: *mut c_void) {
        // SAFETY: Closed below.
        unsafe { rcu_read_lock() };
        for probe in &self.probes {
            // Pairs with the registration.
            let probe = probe.load(Acquire);
            if !probe.is_null() {
                // SAFETY: Registered probes live for a grace period after they were taken out,
                // and whoever registered it vouches for the function.
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
        // SAFETY: By the safety requirements.
        unsafe { (self.print)(object, out) }
    }
}

/// Lets `probe` listen. -ENOMEM without memory, -EBUSY if there are too many listeners. Sleeps.
///
/// # Safety
///
/// `probe` may be called with `data` from any thread and context, until it was unregistered and
/// a grace period has passed.
pub unsafe fn tracepoint_probe_register(
    tp: &'static tracepoint,
    probe: tracepoint_probe,
    data: *mut c_void,
) -> c_int {
    // SAFETY: No block to replace.
    let new: *mut Probe = unsafe {
        krealloc_node_align(
            ptr::null(),
            size_of::<Probe>(),
            align_of::<Probe>(),
            GFP_KERNEL,
            NUMA_NO_NODE,
        )
    }
    .cast();
    if new.is_null() {
        return -12; // -ENOMEM
    }
    // SAFETY: Fresh memory of the right size.
    unsafe { new.write(Probe { func: probe, data }) };
    for slot in &tp.probes {
        if slot
            .compare_exchange(ptr::null_mut(), new, AcqRel, Relaxed)
            .is_ok()
        {
            tp.enabled.fetch_add(1, Relaxed);
            return 0;
        }
    }
    // SAFETY: Nobody knows it.
    unsafe { kfree(new.cast()) };
    -16 // -EBUSY
}

/// Ends what [`tracepoint_probe_register`] began, and waits until no call is under way. -ENOENT
/// if there is no such listener. Sleeps.
///
/// # Safety
///
/// None; unsafe as every binding is.
pub unsafe fn tracepoint_probe_unregister(
    tp: &'static tracepoint,
    probe: tracepoint_probe,
    data: *mut c_void,
) -> c_int {
    for slot in &tp.probes {
        // SAFETY: Closed below.
        unsafe { rcu_read_lock() };
        let old = slot.load(Acquire);
        // SAFETY: Not freed before this section ends.
        let same =
            !old.is_null() && unsafe { ptr::fn_addr_eq((*old).func, probe) && (*old).data == data };
        // SAFETY: Opened above.
        unsafe { rcu_read_unlock() };
        if same
            && slot
                .compare_exchange(old, ptr::null_mut(), AcqRel, Relaxed)
                .is_ok()
        {
            tp.enabled.fetch_sub(1, Relaxed);
            // SAFETY: In no section; after it nobody calls the probe any more.
            unsafe {
                synchronize_rcu();
                kfree(old.cast());
            }
            return 0;
        }
    }
    -2 // -ENOENT
}

/// True if somebody listens.
#[inline(always)]
pub fn tracepoint_enabled(tp: &tracepoint) -> bool {
    tp.enabled()
}
