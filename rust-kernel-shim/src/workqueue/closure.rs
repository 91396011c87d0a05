// SPDX-License-Identifier: GPL-2.0-only

//! Closures as work.
//!
//! C header: none.

use super::{impl_has_work, new_work, Work, WorkItem};
use crate::{
    alloc::{AllocError, Flags},
    prelude::*,
};

/// A closure with what is needed to queue it.
#[pin_data]
pub(super) struct ClosureWork<T> {
    #[pin]
    work: Work<ClosureWork<T>>,
    func: Option<T>,
}

impl_has_work! {
    impl{T} HasWork<Self> for ClosureWork<T> { self.work }
}

impl<T: FnOnce()> ClosureWork<T> {
    pub(super) fn new(func: T, flags: Flags) -> Result<Pin<KBox<Self>>, AllocError> {
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
        // SAFETY: Only the closure is moved, which is not pinned.
        let this = unsafe { this.as_mut().get_unchecked_mut() };
        if let Some(func) = this.func.take() {
            func()
        }
    }
}
