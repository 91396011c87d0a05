// SPDX-License-Identifier: GPL-2.0-only
//! Memory from the slab: what is in it.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use kernel::{bindings::*, ffi::c_void};
use std::{ptr::null, slice};

fn resize(p: *const c_void, size: usize, flags: gfp_t) -> *mut u8 {
    let new = unsafe { krealloc_node_align(p, size, 8, GFP_KERNEL | flags, NUMA_NO_NODE) };
    assert!(!new.is_null());
    new.cast()
}

#[test]
fn zeroed_memory_stays_zeroed_as_it_grows() {
    for size in 1..100 {
        for more in [1, 3, 7, 40] {
            // What is given next has been used before.
            let used = [(); 8].map(|()| resize(null(), size + 15, 0));
            for p in used {
                unsafe {
                    p.write_bytes(0xff, size + 15);
                    kfree(p.cast());
                }
            }
            let p = resize(null(), size, __GFP_ZERO);
            let p = resize(p.cast(), size + more, __GFP_ZERO);
            let bytes = unsafe { slice::from_raw_parts(p, size + more) };
            assert!(bytes.iter().all(|&b| b == 0), "{size} + {more}: {bytes:?}");
            unsafe { kfree(p.cast()) };
        }
    }
}
