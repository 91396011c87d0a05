// SPDX-License-Identifier: GPL-2.0-only

//! Work queues: functions that run later, in a thread that may sleep.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h).
//!
//! An object that is to be queued has a [`Work`] in it, says so by
//! [`impl_has_work!`], and says by [`WorkItem`] what is done and what owns the
//! object meanwhile. One object can have several, distinguished by a number.
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     prelude::*,
//!     sync::{Arc, Completion},
//!     workqueue::{self, impl_has_work, new_work, Work, WorkItem},
//! };
//!
//! #[pin_data]
//! struct Job {
//!     #[pin]
//!     prepared: Completion,
//!     #[pin]
//!     done: Completion,
//!     #[pin]
//!     prepare: Work<Job, 1>,
//!     #[pin]
//!     finish: Work<Job, 2>,
//! }
//!
//! impl_has_work! {
//!     impl HasWork<Self, 1> for Job { self.prepare }
//!     impl HasWork<Self, 2> for Job { self.finish }
//! }
//!
//! impl WorkItem<1> for Job {
//!     type Pointer = Arc<Job>;
//!
//!     fn run(this: Arc<Job>) {
//!         this.prepared.complete_all();
//!         let _ = workqueue::system_long().enqueue::<_, 2>(this);
//!     }
//! }
//!
//! impl WorkItem<2> for Job {
//!     type Pointer = Arc<Job>;
//!
//!     fn run(this: Arc<Job>) {
//!         this.prepared.wait_for_completion();
//!         this.done.complete_all();
//!     }
//! }
//!
//! let job = Arc::pin_init(
//!     pin_init!(Job {
//!         prepared <- Completion::new(),
//!         done <- Completion::new(),
//!         prepare <- new_work!("Job::prepare"),
//!         finish <- new_work!("Job::finish"),
//!     }),
//!     GFP_KERNEL,
//! )?;
//! assert!(workqueue::system().enqueue::<_, 1>(job.clone()).is_ok());
//! job.done.wait_for_completion();
//! # Ok::<(), Error>(())
//! ```

mod delayed;
mod item;
mod owned;
mod pointers;
mod queue;
mod work;

pub use delayed::{impl_has_delayed_work, new_delayed_work, DelayedWork, HasDelayedWork};
pub use item::{RawDelayedWorkItem, RawWorkItem, WorkItem, WorkItemPointer};
pub use owned::{OwnedQueue, WqFlags};
pub use queue::{
    system, system_bh, system_bh_highpri, system_freezable, system_freezable_power_efficient,
    system_highpri, system_long, system_power_efficient, system_unbound, Queue,
};
pub use work::{impl_has_work, new_work, HasWork, Work};
