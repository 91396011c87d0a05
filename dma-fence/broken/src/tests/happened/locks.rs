// SPDX-License-Identifier: GPL-2.0-only
//! What is locked, allocated or waited for where the signal of a fence may need it.

use crate::exporter::{finish, job, pending_job, zeroed};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_begin_signalling, dma_fence_cb,
    dma_fence_end_signalling, dma_fence_get_status, dma_fence_is_signaled, dma_fence_lock_irqsave,
    dma_fence_put, dma_fence_signal, dma_fence_signal_locked, dma_fence_unlock_irqrestore,
    dma_fence_wait_timeout,
};
use kernel::{
    bindings::{self, kfree, kmalloc_obj},
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// A driver that is told whether to make its mistake.
pub(super) type Driver = fn(bool) -> Result;

macro_rules! names {
    ($($name:ident)*) => {
        [$((stringify!($name), $name as Driver)),*]
    };
}

/// All of them, which `scripts/kernel-lane --misuses` has Linux's lockdep judge as well.
pub(super) const ALL: [(&str, Driver); 6] = names! {
    wait_in_the_signalling_section
    mutex_in_a_callback
    memory_that_is_reclaimed_in_the_section
    mutex_held_across_a_wait
    last_reference_of_a_pending_fence
    signal_under_the_lock_of_the_fence
};

/// Jobs that are known to a client, and its callback.
#[repr(C)]
struct Client {
    cb: dma_fence_cb,
    jobs: *const Mutex<u32>,
    sleeps: bool,
}

fn jobs() -> Result<Arc<Mutex<u32>>> {
    Arc::pin_init(new_mutex!(0, "Client::jobs"), GFP_KERNEL)
}

/// What needs the fence is looked at before what signals it goes on.
pub(super) fn wait_in_the_signalling_section(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        let cookie = dma_fence_begin_signalling(); // BUG
        if wrong {
            dma_fence_wait_timeout(fence, false, 1); // BUG
        } else {
            dma_fence_is_signaled(fence);
        }
        dma_fence_end_signalling(cookie);
        finish(timeline, [fence]);
    }
    Ok(())
}

/// # Safety
///
/// The callback is that of a [`Client`] that lives.
unsafe extern "C" fn count(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    let client: *mut Client = cb.cast();
    // SAFETY: It is the first member of a `Client`: the caller's guarantee.
    unsafe {
        if (*client).sleeps {
            *(*(*client).jobs).lock() += 1; // BUG
        } else if let Some(mut jobs) = (*(*client).jobs).try_lock() {
            *jobs += 1;
        }
    }
}

/// A callback takes a lock that its holder may sleep with.
pub(super) fn mutex_in_a_callback(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let (client, jobs) = (zeroed::<Client>()?, jobs()?);
    // SAFETY: All of this is ours.
    unsafe {
        (*client).jobs = &raw const *jobs;
        (*client).sleeps = wrong;
        dma_fence_add_callback(fence, &raw mut (*client).cb, Some(count));
        finish(timeline, [fence]);
        kfree(client.cast());
    }
    Ok(())
}

/// A note is taken of each job that is signalled.
pub(super) fn memory_that_is_reclaimed_in_the_section(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference, the timeline and the memory are ours.
    unsafe {
        let cookie = dma_fence_begin_signalling(); // BUG
        let flags = if wrong {
            bindings::GFP_KERNEL
        } else {
            bindings::GFP_NOWAIT
        };
        let note = kmalloc_obj::<u64>(flags); // BUG
        dma_fence_signal(fence);
        dma_fence_end_signalling(cookie);
        kfree(note.cast());
        finish(timeline, [fence]);
    }
    Ok(())
}

/// A client waits with the lock that the section needs.
pub(super) fn mutex_held_across_a_wait(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let jobs = jobs()?;
    // SAFETY: The reference and the timeline are ours.
    unsafe {
        let guard = jobs.lock(); // BUG
        let guard = wrong.then_some(guard);
        dma_fence_wait_timeout(fence, false, 1); // BUG
        drop(guard);
        let cookie = dma_fence_begin_signalling(); // BUG
        *jobs.lock() += 1; // BUG
        dma_fence_signal(fence);
        dma_fence_end_signalling(cookie);
        finish(timeline, [fence]);
    }
    Ok(())
}

/// # Safety
///
/// The fence lives.
unsafe extern "C" fn ask(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The callback is the first member of a `Client`, and the fence lives.
    unsafe {
        if (*cb.cast::<Client>()).sleeps {
            dma_fence_get_status(fence); // BUG
        }
    }
}

/// The reference of the hardware is dropped in place of a client's.
pub(super) fn last_reference_of_a_pending_fence(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let other = job(timeline, 2)?; // BUG
    let client = zeroed::<Client>()?;
    // SAFETY: All of this is ours. The mistake is that the fence has not signalled.
    unsafe {
        dma_fence_add_callback(other, &raw mut (*client).cb, Some(ask));
        dma_fence_signal(fence);
        if !wrong {
            dma_fence_signal(other);
        }
        dma_fence_put(other); // BUG
        finish(timeline, [fence]);
        kfree(client.cast());
    }
    Ok(())
}

/// A ring that has the lock of its job takes it again to signal.
pub(super) fn signal_under_the_lock_of_the_fence(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours. The mistake waits for itself.
    unsafe {
        let flags = dma_fence_lock_irqsave(fence); // BUG
        if wrong {
            dma_fence_signal(fence); // BUG
        } else {
            dma_fence_signal_locked(fence);
        }
        dma_fence_unlock_irqrestore(fence, flags);
        finish(timeline, [fence]);
    }
    Ok(())
}
