// SPDX-License-Identifier: GPL-2.0-only

//! The queues.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).

use super::{impl_has_work, new_work, RawDelayedWorkItem, RawWorkItem, Work, WorkItem};
use crate::{
    alloc::{AllocError, Flags},
    bindings, container_of,
    ffi::c_int,
    implement::c_synchronises,
    prelude::*,
    time::Jiffies,
    types::Opaque,
};

/// Any processor.
const ANY_CPU: c_int = bindings::wq_misc_consts_WORK_CPU_UNBOUND.cast_signed();

/// A queue, which threads serve in the background.
#[doc(alias = "workqueue_struct")]
#[repr(transparent)]
pub struct Queue(Opaque<bindings::workqueue_struct>);

c_synchronises!(Queue);

impl Queue {
    /// Sees C's queue as one of ours.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`.
    pub unsafe fn from_raw<'a>(ptr: *const bindings::workqueue_struct) -> &'a Queue {
        let queue = ptr.cast::<Queue>();
        // SAFETY: A queue is transparent; the caller promises the rest.
        unsafe { &*queue }
    }

    /// Has the item run, in any context.
    ///
    /// Returns an item that is queued already as an error; a box that is owned is not queued.
    #[doc(alias = "queue_work")]
    pub fn enqueue<W, const ID: u64>(&self, w: W) -> W::EnqueueOutput
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        let queue = self.0.get();
        let put = |work| {
            // SAFETY: The work is valid until it is run, if it is queued.
            unsafe { bindings::queue_work_on(ANY_CPU, queue, work) }
        };
        // SAFETY: C refuses only work that is queued; the item is `'static` and `Send`.
        unsafe { w.__enqueue(put) }
    }

    /// Has the item run after `delay` jiffies, in any context.
    ///
    /// As [`Self::enqueue`] otherwise. Only on a queue that is never destroyed, since destroying one
    /// does not wait for what waits for its time; Linux 7.3, which has no others, takes any.
    #[doc(alias = "queue_delayed_work")]
    pub fn enqueue_delayed<W, const ID: u64>(
        &'static self,
        w: W,
        delay: Jiffies,
    ) -> W::EnqueueOutput
    where
        W: RawDelayedWorkItem<ID> + Send + 'static,
    {
        let queue = self.0.get();
        let put = |work: *mut bindings::work_struct| {
            // SAFETY: It is that of a delayed work.
            let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
            // SAFETY: As in `enqueue()`, for all of the delayed work. The queue is there forever.
            unsafe { bindings::queue_delayed_work_on(ANY_CPU, queue, delayed, delay) }
        };
        // SAFETY: As in `enqueue()`.
        unsafe { w.__enqueue(put) }
    }

    /// Calls `func` on the queue; allocates, and may sleep if `flags` say so.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     prelude::*,
    ///     sync::{Arc, Completion},
    ///     workqueue,
    /// };
    ///
    /// let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    /// let own = done.clone();
    /// workqueue::system().try_spawn(GFP_KERNEL, move || own.complete_all())?;
    /// done.wait_for_completion();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_spawn<T: 'static + Send + FnOnce()>(
        &self,
        flags: Flags,
        func: T,
    ) -> Result<(), AllocError> {
        self.enqueue(ClosureWork::new(func, flags)?);
        Ok(())
    }
}

/// A closure with what is needed to queue it.
#[pin_data]
struct ClosureWork<T> {
    #[pin]
    work: Work<ClosureWork<T>>,
    func: Option<T>,
}

impl_has_work! {
    impl{T} HasWork<Self> for ClosureWork<T> { self.work }
}

impl<T: FnOnce()> ClosureWork<T> {
    fn new(func: T, flags: Flags) -> Result<Pin<KBox<Self>>, AllocError> {
        let init = pin_init!(Self {
            work <- new_work!("Queue::try_spawn"),
            func: Some(func),
        });
        KBox::pin_init(init, flags).map_err(|_| AllocError)
    }
}

impl<T: FnOnce()> WorkItem for ClosureWork<T> {
    type Pointer = Pin<KBox<Self>>;

    fn run(mut this: Pin<KBox<Self>>) {
        if let Some(func) = this.as_mut().project().func.take() {
            func()
        }
    }
}

macro_rules! system_queues {
    ($($(#[$doc:meta])* $name:ident = $queue:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> &'static Queue {
            // SAFETY: C sets it once, before anything else runs.
            let queue = unsafe { bindings::$queue };
            // SAFETY: C's own queues are always there.
            unsafe { Queue::from_raw(queue) }
        }
    )*};
}

system_queues! {
    /// The queue for work that does not take long.
    system = system_wq;
    /// The queue for urgent work.
    system_highpri = system_highpri_wq;
    /// The queue for work that may take long.
    system_long = system_long_wq;
    /// The queue for work that is not bound to a processor, and starts at once.
    system_unbound = system_unbound_wq;
    /// The queue for work that stops while the system is suspended.
    system_freezable = system_freezable_wq;
    /// The queue for work that saves power by not waking a processor.
    system_power_efficient = system_power_efficient_wq;
    /// The queue for work that saves power, and stops while the system is suspended.
    system_freezable_power_efficient = system_freezable_power_efficient_wq;
    /// The queue for work that runs as a bottom half: it must not sleep.
    system_bh = system_bh_wq;
    /// The queue for urgent work that runs as a bottom half.
    system_bh_highpri = system_bh_highpri_wq;
}
