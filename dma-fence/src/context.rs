// SPDX-License-Identifier: GPL-2.0-only
//! Timelines: what issues fences.

use super::{
    bindings,
    ops::FenceContextOps, //
};
use core::{
    marker::PhantomPinned,
    mem::size_of, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
};

/// A timeline: a number, two names, and the next sequence number.
///
/// Having a reference to one tells you that its names are valid. Dropping it waits for a grace
/// period, since readers may be inside the names of a fence that has just signalled: sleeps. Rule
/// [grace-period-before-free](../../book/rules/grace-period-before-free.html).
///
/// # Panics
///
/// Dropping it is a BUG, which nothing catches, if a fence was forgotten (`mem::forget`, say): that
/// can never be signalled, and its users would find names that are gone. So it is in an RCU
/// callback, e.g. as part of a fence's data.
///
/// # Invariants
///
/// `unsignalled()` is no less than the number of fences whose issuer's side has neither signalled nor been
/// dropped: each is counted before the fence is made, with the number that it takes if
/// it takes one, and until it has signalled or is discarded, unpublished. What is counted and forgotten
/// stays so.
#[pin_data(PinnedDrop)]
pub struct FenceContext<T: FenceContextOps> {
    number: u64,
    first_seqno: u64,
    next_seqno: Atomic<u64>,
    /// Fences with a number that is not from here.
    numbered: Atomic<u64>,
    /// Issuer's sides that are gone.
    finished: Atomic<u64>,
    driver_name: CString,
    timeline_name: CString,
    #[pin]
    data: T,
    /// Fences know the context by its address.
    #[pin]
    _pin: PhantomPinned,
}

impl<T: FenceContextOps> FenceContext<T> {
    /// Creates a timeline with a context number of its own, whose fences are numbered from
    /// `initial_seqno`. The names are copied. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and what `data` fails with.
    #[doc(alias = "dma_fence_context_alloc")]
    pub fn new<E>(
        initial_seqno: u64,
        driver_name: &CStr,
        timeline_name: &CStr,
        data: impl PinInit<T, E>,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        // SAFETY: It takes a number, and has no preconditions.
        let number = unsafe { bindings::dma_fence_context_alloc(1) };
        // Copied now: in edition 2021 the initialiser captures no lifetime.
        let driver = CString::try_from(driver_name);
        let timeline = CString::try_from(timeline_name);
        try_pin_init!(Self {
            driver_name: driver?,
            timeline_name: timeline?,
            number,
            first_seqno: initial_seqno,
            next_seqno: Atomic::new(initial_seqno),
            numbered: Atomic::new(0),
            finished: Atomic::new(0),
            data <- data,
            _pin: PhantomPinned,
        })
    }

    /// The context number, which no other timeline has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The driver's own data.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// The names of the driver and of the timeline.
    pub(super) fn names(&self) -> [&CStr; 2] {
        [&self.driver_name, &self.timeline_name]
    }

    /// An issuer's side comes into being, with this sequence number, or the next.
    pub(super) fn issued(&self, seqno: Option<u64>) -> u64 {
        match seqno {
            None => self.next_seqno.fetch_add(1u64, Relaxed),
            Some(seqno) => {
                self.numbered.add(1u64, Relaxed);
                seqno
            }
        }
    }

    /// An issuer's side is gone: its fence has signalled, or was discarded unpublished.
    pub(super) fn finished(&self) {
        self.finished.add(1u64, Relaxed);
    }

    /// The issuer's sides that are there. Relaxed, as all counting is: the drop of the last reference has
    /// acquired what the others did before theirs, `finished()` among it.
    fn unsignalled(&self) -> u64 {
        let [next, numbered, finished] =
            [&self.next_seqno, &self.numbered, &self.finished].map(|count| count.load(Relaxed));
        let issued = next.wrapping_sub(self.first_seqno).wrapping_add(numbered);
        issued.wrapping_sub(finished)
    }
}

#[pinned_drop]
impl<T: FenceContextOps> PinnedDrop for FenceContext<T> {
    fn drop(self: Pin<&mut Self>) {
        // A reader that found the ops before a fence had signalled may be inside our names. That is
        // so even if nothing waits to be freed, and then `rcu_barrier()` alone would not wait.
        rcu::synchronize_rcu();
        let addr = core::ptr::from_ref(&*self).addr();
        bindings::__dma_fence_debug_drop(addr, size_of::<Self>());
        let unsignalled = self.unsignalled();
        if unsignalled != 0 {
            bindings::__dma_fence_bug(format_args!(
                "timeline {}: {} fences were forgotten",
                self.number, unsignalled
            ));
        }
        // The data of our fences may reach what the driver frees after us.
        rcu::rcu_barrier();
    }
}
