// SPDX-License-Identifier: GPL-2.0-only
//! A fence in one line of text.

use super::{
    super::contract, dma_fence, dma_fence_driver_name, dma_fence_is_signaled,
    dma_fence_timeline_name,
};
use kernel::{
    bindings::{rcu_read_lock, rcu_read_unlock, seq_file, seq_puts, seq_vprintf},
    str::CStrExt as _,
};

/// Writes `CONTEXT:SEQNO TIMELINE DRIVER {un}signalled` and a newline; the names are empty if the
/// fence has signalled. Polls, once. From any context; takes the lock if polling signals it.
///
/// # Safety
///
/// `seq` is a valid file.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn dma_fence_describe(fence: *mut dma_fence, seq: *mut seq_file) {
    contract::needs_fence!(fence, "dma_fence_describe");
    // SAFETY: The caller has a reference, and `seq` is valid; the names are used inside the section
    // in which they were asked for.
    unsafe {
        rcu_read_lock();
        let (timeline, driver, un) = if dma_fence_is_signaled(fence) {
            (c"".as_char_ptr(), c"".as_char_ptr(), "")
        } else {
            (
                dma_fence_timeline_name(fence),
                dma_fence_driver_name(fence),
                "un",
            )
        };
        seq_vprintf(
            seq,
            format_args!("{}:{} ", (*fence).context, (*fence).seqno),
        );
        seq_puts(seq, timeline);
        seq_puts(seq, c" ".as_char_ptr());
        seq_puts(seq, driver);
        seq_vprintf(seq, format_args!(" {un}signalled\n"));
        rcu_read_unlock();
    }
}
