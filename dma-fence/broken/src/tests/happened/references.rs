// SPDX-License-Identifier: GPL-2.0-only
//! References that are taken too late, given up twice, or left.

use crate::exporter::{finish, job, job_with, notify, pending_job, zeroed, Timeline, Waiter, OPS};
use ::dma_fence::bindings::{
    dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_put,
    dma_fence_remove_callback, dma_fence_set_error, dma_fence_signal, dma_fence_wait,
    dma_fence_was_initialized,
};
use core::ptr::null_mut;
use kernel::{
    bindings::{kfree, synchronize_rcu},
    prelude::*,
    testing::vcpu,
    workqueue,
};

/// A job is pushed, and its worker done with it, before the submission takes its own reference.
pub(super) fn got_after_the_push(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let raw = fence as usize;
    // SAFETY: The reference is the worker's from the push on; the timeline is ours. The mistake is
    // that the fence may have been freed when the reference is taken.
    unsafe {
        let early = (!wrong).then(|| dma_fence_get(fence));
        workqueue::system().try_spawn(GFP_KERNEL, move || {
            let fence = raw as *mut dma_fence;
            dma_fence_signal(fence);
            dma_fence_put(fence);
        })?;
        vcpu::settle();
        let fence = match early {
            Some(fence) => fence,
            None => dma_fence_get(fence), // BUG
        };
        dma_fence_wait(fence, false);
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A submission fails before its memory has become a fence, and the error path puts it.
pub(super) fn put_of_what_was_never_a_fence(wrong: bool) -> Result {
    let memory = zeroed::<dma_fence>()?;
    // SAFETY: The memory is ours. The mistake is that it is no fence.
    unsafe {
        if wrong || dma_fence_was_initialized(memory) {
            dma_fence_put(memory); // BUG
        } else {
            kfree(memory.cast());
        }
    }
    Ok(())
}

/// A job keeps a reference for its end, which an error path forgets.
pub(super) fn left_on_an_error_path(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours. The mistake is that one is never put.
    unsafe {
        let kept_by_the_job = dma_fence_get(fence); // BUG
        dma_fence_set_error(fence, -5);
        dma_fence_signal(fence);
        if !wrong {
            dma_fence_put(kept_by_the_job);
        }
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A request for a deadline refuses the fence of another timeline, and returns with its reference.
pub(super) fn left_by_a_refused_request(wrong: bool) -> Result {
    /// # Safety
    ///
    /// `found` is a fence.
    unsafe fn set_deadline(found: *mut dma_fence, wrong: bool) -> Result {
        // SAFETY: It is a fence: the caller's guarantee. The mistake is the early return.
        unsafe {
            let fence = dma_fence_get(found); // BUG
            let own = fence.is_null();
            if !own && wrong {
                return Err(EINVAL);
            }
            dma_fence_put(fence);
        }
        Err(EINVAL)
    }
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        assert_eq!(set_deadline(fence, wrong), Err(EINVAL));
        finish(timeline, [fence]);
    }
    Ok(())
}

/// # Safety
///
/// The fence signals, and the reference that was taken for the callback is this one's.
unsafe extern "C" fn wake_and_put(fence: *mut dma_fence, _cb: *mut dma_fence_cb) {
    // SAFETY: The reference is the callback's.
    unsafe { dma_fence_put(fence) }; // BUG
}

/// A poll takes a reference for its callback; both the callback and the poll itself put it.
pub(super) fn put_twice_by_a_poll(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let cb = zeroed::<dma_fence_cb>()?;
    // SAFETY: The callback's memory is ours, and goes after the signal. The mistake is the put.
    unsafe {
        dma_fence_get(fence);
        dma_fence_add_callback(fence, cb, Some(wake_and_put));
        if wrong {
            dma_fence_put(fence); // BUG
        }
        dma_fence_signal(fence);
        dma_fence_put(fence); // BUG
        kfree(cb.cast());
        finish(timeline, []);
    }
    Ok(())
}

/// The last update of an address space is remembered before the next one replaces and puts it, and
/// then put once more.
pub(super) fn chosen_before_it_was_replaced(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    let mut last = job(timeline, 1)?;
    // SAFETY: The references in `last` are the address space's, and the timeline is ours. The mistake
    // is that `chosen` is used without a reference.
    unsafe {
        dma_fence_signal(last);
        let mut chosen = last;
        let new = job(timeline, 2)?;
        dma_fence_put(last); // BUG
        last = new;
        if !wrong {
            chosen = last;
        }
        let exported = dma_fence_get(chosen); // BUG
        dma_fence_signal(last);
        dma_fence_put(exported);
        if wrong {
            dma_fence_put(chosen); // BUG
        }
        dma_fence_put(last);
        finish(timeline, []);
    }
    Ok(())
}

/// An export fails and puts the driver's own reference too; the interrupt signals what has gone.
pub(super) fn put_before_the_hardware_is_done(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference and the timeline are ours. The mistake is the second put.
    unsafe {
        let exported = dma_fence_get(fence);
        // No file descriptor is left.
        dma_fence_put(exported);
        if wrong {
            dma_fence_put(fence); // BUG
        }
        dma_fence_signal(fence); // BUG
        dma_fence_put(fence);
        finish(timeline, []);
    }
    Ok(())
}

/// A buffer is closed and freed while its poll waits for a fence by a callback in it.
pub(super) fn closed_while_its_callback_is_pending(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    let buffer = zeroed::<Waiter>()?;
    // SAFETY: The buffer, the reference and the timeline are ours. The mistake is that the callback
    // is pending when its memory goes.
    unsafe {
        dma_fence_add_callback(fence, &raw mut (*buffer).cb, Some(notify)); // BUG
        if !wrong {
            dma_fence_remove_callback(fence, &raw mut (*buffer).cb);
        }
        kfree(buffer.cast()); // BUG
        finish(timeline, [fence]);
    }
    Ok(())
}

/// Commands that could not be sent have no fence; what attaches it does not ask.
pub(super) fn no_fence_attached(wrong: bool) -> Result {
    let fence: *mut dma_fence = null_mut();
    if !wrong {
        return Ok(());
    }
    // SAFETY: The mistake is that there is no fence.
    unsafe { dma_fence_signal(fence) }; // BUG
    Ok(())
}

/// The lock of an engine's fences goes with the engine, and one of the fences is looked at later.
pub(super) fn lock_of_the_unplugged(wrong: bool) -> Result {
    let timeline = Timeline::new()?;
    // SAFETY: The references and the timeline are ours. The mistake is that its lock goes first.
    unsafe {
        let fence = job_with(timeline, 1, &OPS, &raw mut (*timeline).lock)?; // BUG
        dma_fence_signal(fence);
        synchronize_rcu();
        if wrong {
            Timeline::free(timeline); // BUG
        }
        dma_fence_put(fence);
        synchronize_rcu();
        if !wrong {
            Timeline::free(timeline);
        }
    }
    Ok(())
}
