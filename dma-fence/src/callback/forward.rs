// SPDX-License-Identifier: GPL-2.0-only
//! A callback that signals another fence.

use super::{
    super::{
        driver_fence::ArcDriverFence,
        fence::Fence,
        ops::FenceContextOps, //
    },
    FenceCallback, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        new_spinlock,
        Arc,
        SpinLock, //
    },
    workqueue::{
        self,
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

/// Signals a fence of the caller's own when another driver's fence signals, with that one's error.
///
/// Not from the callback itself, which runs under the other fence's lock, but from a work item, in
/// process context: a fence that is signalled under another's lock nests two locks of one class,
/// which lockdep takes for a deadlock, and its callbacks would run under both.
///
/// Dropping it before the other fence has signalled cancels the caller's, as dropping that does.
///
/// # Module unload
///
/// The work item may run after the `Forward` was dropped; a module must not be unloaded before it
/// has. It is on a system queue, which the Rust crate of Linux 7.3 cannot flush: wait for the
/// caller's fence to signal, and see `Documentation/differences.rst`.
pub struct Forward<T: FenceContextOps>(Arc<Forwarding<T>>);

#[pin_data]
struct Forwarding<T: FenceContextOps> {
    #[pin]
    work: Work<Self>,
    from: ARef<Fence>,
    #[pin]
    to: SpinLock<Option<ArcDriverFence<T>>>,
}

impl_has_work! {
    impl{T: FenceContextOps} HasWork<Self> for Forwarding<T> { self.work }
}

impl<T: FenceContextOps> Forward<T> {
    /// A callback for `from` that signals `to`. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; `to` is canceled then.
    pub fn new(from: &Fence, to: ArcDriverFence<T>) -> Result<Self> {
        let from = from.into();
        let init = try_pin_init!(Forwarding {
            work <- new_work!("Forwarding::work"),
            from,
            to <- new_spinlock!(Some(to), "Forwarding::to"),
        });
        Ok(Self(Arc::pin_init(init, GFP_KERNEL)?))
    }

    /// Signals now; for when it was too late for the callback. Cancels the caller's fence if the
    /// other has not signalled after all. May sleep.
    pub fn signal(self) {
        self.0.signal();
    }
}

impl<T: FenceContextOps> Forwarding<T> {
    fn signal(&self) {
        let to = self.to.lock().take();
        if let Some(to) = to {
            to.signal(self.from.status().unwrap_or(Err(ECANCELED)));
        }
    }
}

impl<T: FenceContextOps> FenceCallback for Forward<T> {
    fn on_signal(&mut self) {
        // If this were called before the fence has signalled, it would cancel the caller's.
        if self.0.from.test_signaled_flag() {
            // It is queued at most once, since a callback runs at most once.
            // UNTIL(owned-queue): the kernel crate has a `WQ_MEM_RECLAIM` queue of a driver's own,
            // on which this belongs, and which can be flushed.
            let _ = workqueue::system_highpri().enqueue(self.0.clone());
        }
    }
}

impl<T: FenceContextOps> WorkItem for Forwarding<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.signal();
    }
}
