// SPDX-License-Identifier: GPL-2.0-only
//! What a driver has declared that its fences reach is looked after for each of them.

#![cfg(all(feature = "debug", not(any(loom, tsan))))]

use ::dma_fence::bindings::{
    __dma_fence_debug_declare, __dma_fence_debug_drop_data, __dma_fence_debug_publish, dma_fence,
    dma_fence_init, dma_fence_ops, dma_fence_put, dma_fence_signal,
};
use kernel::{
    bindings::{kfree, kzalloc_obj},
    ffi::c_char,
    prelude::*,
    str::CString,
    testing::{memory::rcu_barrier, report::reports_of},
};
use std::{ptr::null_mut, string::String, vec::Vec};

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"name".as_char_ptr()
}

static OPS: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    get_timeline_name: Some(name),
    ..pin_init::zeroed()
};

/// A context, whose names are two blocks.
struct Context {
    block: *mut u64,
    names: [CString; 2],
}

impl Context {
    fn new() -> Self {
        // SAFETY: A new block.
        let block = unsafe { kzalloc_obj(kernel::bindings::GFP_KERNEL) };
        let names = [c"driver", c"ring"].map(|name| CString::try_from(name).unwrap());
        Self { block, names }
    }

    /// A fence that others know, with data of 8 bytes behind it.
    fn fence(&self, seqno: u64) -> *mut dma_fence {
        // SAFETY: The block has the room of a fence.
        unsafe {
            let fence: *mut dma_fence =
                kzalloc_obj::<(dma_fence, u64)>(kernel::bindings::GFP_KERNEL).cast();
            dma_fence_init(fence, &OPS, null_mut(), 1, seqno);
            let [driver, ring] = &self.names;
            __dma_fence_debug_declare(fence, self.block.addr(), [driver, ring]);
            __dma_fence_debug_publish(fence);
            fence
        }
    }

    /// Frees the block, and then the names.
    fn free(self) {
        // SAFETY: Nothing uses it but the checks.
        unsafe { kfree(self.block.cast()) };
    }
}

fn end(fence: *mut dma_fence) {
    // SAFETY: The reference is the first and last.
    unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
    }
}

/// What is reported of `f`: the first line of each.
fn said(f: impl FnOnce() + Send + 'static) -> Vec<String> {
    let (reports, end) = reports_of(f);
    assert_eq!(end, Ok(()));
    let first = |text: &str| text.lines().next().unwrap_or_default().to_string();
    reports.iter().map(|report| first(&report.text)).collect()
}

const BEFORE: &str = "freed although the fence has not signalled, fence 1:";

#[test]
fn data_that_is_dropped_is_reached() {
    let dropped = |size| {
        said(move || {
            let context = Context::new();
            let fence = context.fence(1);
            let data = fence.addr() + size_of::<dma_fence>();
            __dma_fence_debug_drop_data(fence, data, size);
            end(fence);
            rcu_barrier();
            context.free();
        })
    };
    let expected = format!("BUG: dma-fence: fence data {BEFORE}1 (driver:ring)");
    assert_eq!(dropped(8), [expected]);
    // There is none.
    assert!(dropped(0).is_empty());
}

#[test]
fn what_belongs_to_a_context_is_reached_by_all_its_fences() {
    let said = said(|| {
        let context = Context::new();
        let fences = [1, 2, 3].map(|seqno| context.fence(seqno));
        let [first, second, third] = fences;
        end(first);
        rcu_barrier();
        context.free();
        [second, third].into_iter().for_each(end);
        // Another in the same memory has fences of its own.
        rcu_barrier();
        let context = Context::new();
        let fence = context.fence(4);
        end(fence);
        rcu_barrier();
        context.free();
    });
    let expected = ["context", "name", "name"];
    let expected = expected.map(|what| format!("BUG: dma-fence: {what} {BEFORE}2 (driver:ring)"));
    assert_eq!(said, expected);
}
