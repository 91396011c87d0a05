// SPDX-License-Identifier: GPL-2.0-only
//! A ring with a lock for what was submitted and one for what is done, which a reset takes in its own
//! order.

use kernel::{
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

#[pin_data]
struct Ring {
    #[pin]
    submitted: Mutex<u32>,
    #[pin]
    done: Mutex<u32>,
}

impl Ring {
    /// The hardware has done a job.
    fn complete(&self) {
        let mut submitted = self.submitted.lock();
        *submitted -= 1;
        *self.done.lock() += 1;
    }

    /// All that was done is to be done again.
    fn reset(&self, wrong: bool) {
        let (mut submitted, mut done);
        if wrong {
            done = self.done.lock();
            submitted = self.submitted.lock(); // Another task may have it, and wait for `done`.
        } else {
            submitted = self.submitted.lock();
            done = self.done.lock();
        }
        *submitted += core::mem::take(&mut *done);
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let ring = pin_init!(Ring {
        submitted <- new_mutex!(1, "Ring::submitted"),
        done <- new_mutex!(0, "Ring::done"),
    });
    let ring = Arc::pin_init(ring, GFP_KERNEL)?;
    ring.complete();
    ring.reset(wrong);
    Ok(())
}
