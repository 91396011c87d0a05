// SPDX-License-Identifier: GPL-2.0-only
//! The side of a fence that all but its issuer see.

use super::{
    bindings,
    ktime::Ktime, //
};
use core::ptr::NonNull;
use kernel::{
    fmt,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        rcu, //
    },
    task::MAX_SCHEDULE_TIMEOUT,
    time::Jiffies,
    types::Opaque, //
};

/// A fence, shared: it can be waited for, asked and described, but not signalled.
///
/// It does not hand out its ops, which are gone once it has signalled: rule
/// [no-ops-identity](../../book/rules/no-ops-identity.html).
///
/// # Invariants
///
/// The fence was initialised, and its count is not 0 while a reference exists.
#[repr(transparent)]
#[doc(alias = "dma_fence")]
pub struct Fence(Opaque<bindings::dma_fence>);

// SAFETY: The C fence is thread-safe.
unsafe impl Send for Fence {}
// SAFETY: The C fence is thread-safe.
unsafe impl Sync for Fence {}

// SAFETY: `dma_fence` has a count of its own, and `dec_ref` drops what `inc_ref` took.
unsafe impl AlwaysRefCounted for Fence {
    #[doc(alias = "dma_fence_get")]
    #[track_caller]
    fn inc_ref(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_get(self.as_raw()) };
    }

    #[doc(alias = "dma_fence_put")]
    #[track_caller]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up one count.
        unsafe { bindings::dma_fence_put(obj.as_ptr().cast()) };
    }
}

impl Fence {
    /// The fence behind a C pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is a fence with a reference that lasts for `'a`.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::dma_fence) -> &'a Self {
        // SAFETY: It is a fence with a reference; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::dma_fence {
        self.0.get()
    }

    pub(super) fn test_signaled_flag(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_test_signaled_flag(self.as_raw()) }
    }

    /// True if the fence has signalled and every callback has returned.
    ///
    /// The bit alone is set before the callbacks run; so this takes the lock once it is, if it is not
    /// known to be free. Asks no driver. From any context but a callback of the same fence.
    #[track_caller]
    pub fn is_signaled(&self) -> bool {
        let signaled = self.test_signaled_flag();
        // SAFETY: By the type invariant.
        if signaled && !unsafe { bindings::dma_fence_is_over(self.as_raw()) } {
            // SAFETY: By the type invariant. The callbacks run under this lock.
            unsafe {
                let flags = bindings::dma_fence_lock_irqsave(self.as_raw());
                bindings::dma_fence_unlock_irqrestore(self.as_raw(), flags);
            }
        }
        signaled
    }

    /// `None` while pending; after that, whether it signalled with an error, and which.
    ///
    /// Asks the driver, and signals the fence if that says it is done. From any context but a
    /// callback of the same fence.
    #[doc(alias = "dma_fence_get_status")]
    #[track_caller]
    pub fn status(&self) -> Option<Result> {
        // SAFETY: By the type invariant.
        match unsafe { bindings::dma_fence_get_status(self.as_raw()) } {
            0 => None,
            error if error < 0 => Some(Err(Error::from_errno(error))),
            _ => Some(Ok(())),
        }
    }

    /// Returns the sequence number in its context.
    pub fn seqno(&self) -> u64 {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_seqno(self.as_raw()) }
    }

    /// The error that the fence has signalled with, if it has; asks no driver and takes no lock. From
    /// any context, callbacks included.
    pub fn error(&self) -> Option<Error> {
        if !self.test_signaled_flag() {
            return None;
        }
        // SAFETY: By the type invariant.
        match unsafe { bindings::dma_fence_error(self.as_raw()) } {
            0 => None,
            error => Some(Error::from_errno(error)),
        }
    }

    /// Returns the number of its context.
    pub fn context(&self) -> u64 {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_context(self.as_raw()) }
    }

    /// Returns the number of references, for files of debugfs and the like: others may take or drop one
    /// at any time. From any context.
    #[doc(alias = "kref_read")]
    pub fn references(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_references(self.as_raw()) }
    }

    /// Returns the time of the signal; `None` before it. From any context.
    #[doc(alias = "dma_fence_timestamp")]
    pub fn timestamp(&self) -> Option<Ktime> {
        self.test_signaled_flag().then(|| {
            // SAFETY: By the type invariant; it has signalled.
            Ktime::from_nanos(unsafe { bindings::dma_fence_timestamp(self.as_raw()) })
        })
    }

    /// True if this fence comes after `other`; `None` if they are of different contexts, whose
    /// fences have no order. From any context. Rule
    /// [compare-same-context](../../book/rules/compare-same-context.html).
    #[doc(alias = "dma_fence_is_later")]
    #[track_caller]
    pub fn is_later_than(&self, other: &Fence) -> Option<bool> {
        (self.context() == other.context()).then(|| {
            // SAFETY: By the type invariant; the contexts are the same.
            unsafe { bindings::dma_fence_is_later(self.as_raw(), other.as_raw()) }
        })
    }

    /// Tells the driver that a waiter hopes for the fence by `deadline`. From any context but a
    /// callback or op of the same fence.
    #[doc(alias = "dma_fence_set_deadline")]
    #[track_caller]
    pub fn set_deadline(&self, deadline: Ktime) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_set_deadline(self.as_raw(), deadline.as_nanos()) };
    }

    /// Makes sure that the fence will signal by itself, without being polled; waits and callbacks
    /// do so too. From any context but a callback or op of the same fence.
    #[doc(alias("dma_fence_enable_signaling", "dma_fence_enable_sw_signaling"))]
    #[track_caller]
    pub fn enable_signaling(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_enable_signaling(self.as_raw()) };
    }

    /// The fence that has always been signalled: context 0, number 0. From any context.
    #[doc(alias = "dma_fence_get_stub")]
    pub fn stub() -> ARef<Fence> {
        // SAFETY: A valid fence, with a reference that becomes ours.
        unsafe {
            ARef::from_raw(NonNull::new_unchecked(
                bindings::dma_fence_get_stub().cast(),
            ))
        }
    }

    /// A new fence that has signalled at `timestamp`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_fence_allocate_private_stub")]
    #[track_caller]
    pub fn private_stub(timestamp: Ktime) -> Result<ARef<Fence>> {
        // SAFETY: Allocating has no preconditions.
        let fence = unsafe { bindings::dma_fence_allocate_private_stub(timestamp.as_nanos()) };
        let fence = NonNull::new(fence.cast()).ok_or(ENOMEM)?;
        // SAFETY: A valid fence, with a reference that becomes ours.
        Ok(unsafe { ARef::from_raw(fence) })
    }

    /// Waits until the fence has signalled. May sleep, and nothing interrupts it.
    #[doc(alias = "dma_fence_wait")]
    #[track_caller]
    pub fn wait(&self) {
        let _ = self.wait_raw(false, MAX_SCHEDULE_TIMEOUT);
        // A driver's own wait may give up in its own way, which is no reason for us to.
        while !self.test_signaled_flag() {
            // SAFETY: By the type invariant.
            unsafe { bindings::dma_fence_default_wait(self.as_raw(), false, MAX_SCHEDULE_TIMEOUT) };
        }
    }

    /// Waits until the fence has signalled. May sleep.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal came first.
    #[doc(alias = "dma_fence_wait")]
    #[track_caller]
    pub fn wait_interruptible(&self) -> Result {
        self.wait_raw(true, MAX_SCHEDULE_TIMEOUT).map(|_| ())
    }

    /// Waits until the fence has signalled, but no longer than `timeout` jiffies. May sleep.
    ///
    /// Returns the jiffies that are left, at least 1; `None` if it has not signalled. A timeout of
    /// 0 looks once; it enables signalling, as all waits do.
    #[doc(alias = "dma_fence_wait_timeout")]
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Jiffies) -> Option<Jiffies> {
        // A driver's own wait may fail in its own way.
        self.wait_raw(false, to_timeout(timeout))
            .unwrap_or_else(|_| self.test_signaled_flag().then_some(1))
    }

    /// As [`wait_timeout`](Self::wait_timeout), but signals interrupt it.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal came first.
    #[doc(alias = "dma_fence_wait_timeout")]
    #[track_caller]
    pub fn wait_interruptible_timeout(&self, timeout: Jiffies) -> Result<Option<Jiffies>> {
        self.wait_raw(true, to_timeout(timeout))
    }

    #[track_caller]
    fn wait_raw(&self, intr: bool, timeout: c_long) -> Result<Option<Jiffies>> {
        // SAFETY: By the type invariant.
        let left = unsafe { bindings::dma_fence_wait_timeout(self.as_raw(), intr, timeout) };
        bindings::__dma_fence_debug_point();
        match left {
            // C says so of a signal in the last jiffy as well.
            0 => Ok(self.test_signaled_flag().then_some(1)),
            left if left > 0 => Ok(Some(left as Jiffies)),
            error => Err(Error::from_errno(error as c_int)),
        }
    }

    /// The name of the driver; "detached-driver" once the fence has signalled.
    ///
    /// The string belongs to the driver. It may be used only inside the read-side section in
    /// which it was asked for, which is why it cannot outlive the guard. Rules
    /// [names-in-one-rcu-section](../../book/rules/names-in-one-rcu-section.html) and
    /// [rcu-no-sleep](../../book/rules/rcu-no-sleep.html).
    #[doc(alias(
        "dma_fence_driver_name",
        "dma_fence_access_begin",
        "dma_fence_access_end"
    ))]
    #[track_caller]
    pub fn driver_name<'rcu>(&self, _guard: &'rcu rcu::Guard) -> &'rcu CStr {
        // SAFETY: By the type invariant, and inside the section of `_guard`.
        unsafe { CStr::from_char_ptr(bindings::dma_fence_driver_name(self.as_raw()).cast()) }
    }

    /// The name of the timeline; "signaled-timeline" once the fence has signalled. As
    /// [`driver_name`](Self::driver_name).
    #[doc(alias = "dma_fence_timeline_name")]
    #[track_caller]
    pub fn timeline_name<'rcu>(&self, _guard: &'rcu rcu::Guard) -> &'rcu CStr {
        // SAFETY: By the type invariant, and inside the section of `_guard`.
        unsafe { CStr::from_char_ptr(bindings::dma_fence_timeline_name(self.as_raw()).cast()) }
    }

    /// The fence in one line, `DRIVER TIMELINE seq SEQNO {un}signalled`, without a newline.
    ///
    /// State and names agree, even if the fence signals meanwhile. Asks the driver once, when it is
    /// printed, which happens inside a read-side section: what it is printed to must not sleep.
    /// From any context but a callback of the same fence.
    #[doc(alias = "dma_fence_describe")]
    pub fn describe(&self) -> impl fmt::Display + '_ {
        Describe(self)
    }
}

/// A timeout for the C side, where the largest number is forever.
pub(super) fn to_timeout(timeout: Jiffies) -> c_long {
    c_long::try_from(timeout).unwrap_or(MAX_SCHEDULE_TIMEOUT)
}

struct Describe<'a>(&'a Fence);

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guard = rcu::read_lock();
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_fence_is_signaled(self.0.as_raw()) };
        let mut driver = self.0.driver_name(&guard);
        let mut timeline = self.0.timeline_name(&guard);
        let mut un = "un";
        // Asked last: if the bit is not set now, it was not when the names were asked for.
        if self.0.test_signaled_flag() {
            driver = c"detached-driver";
            timeline = c"signaled-timeline";
            un = "";
        }
        let seqno = self.0.seqno();
        f.write_fmt(fmt!(
            "{} {} seq {} {}signalled",
            driver,
            timeline,
            seqno,
            un
        ))
    }
}

/// Types of fences of which more is known.
macro_rules! kinds_of_fences {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name(Fence);

        // SAFETY: The count is that of the fence, which is all that there is.
        unsafe impl ::kernel::sync::aref::AlwaysRefCounted for $name {
            #[track_caller]
            fn inc_ref(&self) {
                self.0.inc_ref();
            }

            #[track_caller]
            unsafe fn dec_ref(obj: ::core::ptr::NonNull<Self>) {
                // SAFETY: The caller gives up one count; the type is transparent.
                unsafe { Fence::dec_ref(obj.cast()) };
            }
        }

        impl ::core::ops::Deref for $name {
            type Target = Fence;

            fn deref(&self) -> &Fence {
                &self.0
            }
        }

        impl $name {
            /// The fence as any other.
            pub fn into_fence(this: ARef<Self>) -> ARef<Fence> {
                // SAFETY: The type is transparent, and the reference is passed on.
                unsafe { ARef::from_raw(ARef::into_raw(this).cast()) }
            }
        }
    )*};
}
pub(super) use kinds_of_fences;
