// SPDX-License-Identifier: GPL-2.0-only
//! A driver that forgets the guard of a lock.

use kernel::{prelude::*, sync::new_mutex};

pub(crate) fn run(wrong: bool) -> Result {
    let jobs = KBox::pin_init(new_mutex!(0, "jobs"), GFP_KERNEL)?;
    let mut guard = jobs.lock();
    *guard += 1;
    if wrong {
        core::mem::forget(guard);
    } else {
        drop(guard);
    }
    drop(jobs);
    Ok(())
}
