// SPDX-License-Identifier: GPL-2.0-only
//! Waiting until a buffer can be read or written.
//!
//! C file mirrored: [`drivers/dma-buf/dma-buf.c`](srctree/drivers/dma-buf/dma-buf.c)

use super::{
    super::{
        dma_fence, dma_fence_add_callback, dma_fence_cb, dma_fence_get, dma_fence_put,
        dma_resv_iter, dma_resv_iter_begin, dma_resv_iter_first, dma_resv_iter_next, dma_resv_lock,
        dma_resv_unlock, dma_resv_usage_rw,
    },
    dma_buf,
};
use core::{
    mem::offset_of,
    ptr::{addr_of_mut, null_mut},
};
use kernel::bindings::{
    __poll_t, file, fput, get_file, poll_table, poll_wait, spin_lock_irqsave,
    spin_unlock_irqrestore, wake_up_all, EPOLLIN, EPOLLOUT,
};

/// One direction in which a buffer is polled.
#[repr(C)]
pub(super) struct dma_buf_poll_cb_t {
    cb: dma_fence_cb,
    pub(super) dmabuf: *mut dma_buf,
    /// What the callback that was added stands for; under `poll_lock`.
    active: __poll_t,
}

/// The callback, also called without a fence: wakes those who poll.
///
/// # Safety
///
/// `cb` is the first member of a direction, whose callback is over.
unsafe extern "C" fn dma_buf_poll_cb(fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: The reference to the file, which keeps all this, is given back last.
    unsafe {
        let dcb: *mut dma_buf_poll_cb_t = cb.cast();
        let this = (*dcb).dmabuf;
        let flags = spin_lock_irqsave(addr_of_mut!((*this).poll_lock));
        (*dcb).active = 0;
        spin_unlock_irqrestore(addr_of_mut!((*this).poll_lock), flags);
        wake_up_all(addr_of_mut!((*this).poll));
        dma_fence_put(fence);
        // Pairs with `get_file()` in `poll_one()`.
        fput((*this).file);
    }
}

/// Looks whether one direction is ready: false if it is not, and a callback will tell.
///
/// # Safety
///
/// The lock of the reservation object is held; `dcb` is that of the direction.
unsafe fn poll_one(this: *mut dma_buf, dcb: *mut dma_buf_poll_cb_t, event: __poll_t) -> bool {
    // SAFETY: The caller's guarantees. Each callback has a reference to its fence and to the file.
    unsafe {
        let flags = spin_lock_irqsave(addr_of_mut!((*this).poll_lock));
        let busy = (*dcb).active != 0;
        if !busy {
            (*dcb).active = event;
        }
        spin_unlock_irqrestore(addr_of_mut!((*this).poll_lock), flags);
        if busy {
            return false;
        }
        get_file((*this).file);
        let cb = addr_of_mut!((*dcb).cb);
        let mut cursor = dma_resv_iter::new();
        let usage = dma_resv_usage_rw(event == EPOLLOUT);
        dma_resv_iter_begin(&mut cursor, (*this).resv, usage);
        let mut fence = dma_resv_iter_first(&mut cursor);
        while !fence.is_null() {
            dma_fence_get(fence);
            if dma_fence_add_callback(fence, cb, Some(dma_buf_poll_cb)) == 0 {
                return false;
            }
            dma_fence_put(fence);
            fence = dma_resv_iter_next(&mut cursor);
        }
        // Others may wait as well.
        dma_buf_poll_cb(null_mut(), cb);
        true
    }
}

/// Reading waits for those who write, and writing for all.
///
/// # Safety
///
/// There is a reference to the file; `table` is valid.
pub(super) unsafe extern "C" fn dma_buf_poll(file: *mut file, table: *mut poll_table) -> __poll_t {
    // SAFETY: The caller's guarantees.
    unsafe {
        let this: *mut dma_buf = (*file).private_data.cast();
        poll_wait(file, addr_of_mut!((*this).poll), table);
        let wanted = table.as_ref().map_or(!0, |table| table._key) & (EPOLLIN | EPOLLOUT);
        if wanted == 0 {
            return 0;
        }
        let mut ready = 0;
        dma_resv_lock((*this).resv, null_mut());
        for (event, dcb) in [
            (EPOLLOUT, addr_of_mut!((*this).cb_out)),
            (EPOLLIN, addr_of_mut!((*this).cb_in)),
        ] {
            if wanted & event != 0 && poll_one(this, dcb, event) {
                ready |= event;
            }
        }
        dma_resv_unlock((*this).resv);
        ready
    }
}

/// Kept in step with what the callbacks are found by.
const _: () = assert!(offset_of!(dma_buf_poll_cb_t, cb) == 0);
