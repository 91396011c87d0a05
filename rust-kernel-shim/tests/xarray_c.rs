// SPDX-License-Identifier: GPL-2.0-only
//! C's arrays: readers without a lock, and memory that is returned. One test, which has the books of
//! the process to itself.

use kernel::{
    bindings::{self, xa_limit_32b, xarray, GFP_ATOMIC, XA_FLAGS_ALLOC, XA_PRESENT, XA_ZERO_ENTRY},
    ffi::c_void,
    testing::{
        expect_bug,
        memory::{live_blocks, rcu_barrier},
    },
};
use std::{
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

/// Indices below one node, two, and many.
const INDICES: [usize; 8] = [0, 1, 63, 64, 65, 4095, 1 << 30, usize::MAX];

/// The entry that belongs at an index, which is no pointer.
fn entry_for(index: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(index << 2 & 0xffff_fffc | 1 << 40)
}

struct Shared(*mut xarray);

// SAFETY: The array's lock, and RCU, protect it.
unsafe impl Sync for Shared {}

/// Readers find the entry of an index or none, while a writer builds the tree and takes it down.
fn readers_need_no_lock(xa: &Shared) {
    let over = AtomicBool::new(false);
    // SAFETY: The array is initialised.
    thread::scope(|s| unsafe {
        for _ in 0..3 {
            s.spawn(|| {
                while !over.load(Relaxed) {
                    for index in INDICES {
                        let entry = bindings::xa_load(xa.0, index);
                        assert!(entry.is_null() || entry == entry_for(index));
                    }
                    let mut index = 0;
                    let mut entry = bindings::xa_find(xa.0, &mut index, usize::MAX, XA_PRESENT);
                    while !entry.is_null() {
                        assert_eq!(entry, entry_for(index));
                        let end = usize::MAX;
                        entry = bindings::xa_find_after(xa.0, &mut index, end, XA_PRESENT);
                    }
                }
            });
        }
        for round in 0..300 {
            for n in 0..16 {
                let index = INDICES[(round * 7 + n * 5) % 8];
                let entry = entry_for(index);
                if n % 2 == 0 {
                    let old = bindings::xa_store(xa.0, index, entry, GFP_ATOMIC);
                    assert!(old.is_null() || old == entry);
                } else {
                    let old = bindings::xa_erase(xa.0, index);
                    assert!(old.is_null() || old == entry);
                }
            }
        }
        over.store(true, Relaxed);
    });
}

#[test]
fn arrays_as_in_c() {
    let before = live_blocks();
    let mut array = MaybeUninit::<xarray>::uninit();
    let xa = Shared(array.as_mut_ptr());
    // SAFETY: The array is initialised first, and is not used after it was destroyed.
    unsafe {
        bindings::xa_init_flags(xa.0, XA_FLAGS_ALLOC);
        readers_need_no_lock(&xa);
        for index in INDICES {
            bindings::xa_erase(xa.0, index);
        }
        assert!(bindings::xa_empty(xa.0));
        rcu_barrier();
        assert_eq!(live_blocks(), before, "an empty array has no memory");

        // Errors are entries that are no pointers.
        let retry = XA_ZERO_ENTRY.map_addr(|addr| addr - 4);
        let error = expect_bug("an array's own", || {
            bindings::xa_store(xa.0, 1, retry, GFP_ATOMIC)
        });
        assert!(bindings::xa_is_err(error) && bindings::xa_err(error) == -22);
        for entry in [
            null_mut(),
            XA_ZERO_ENTRY,
            retry,
            entry_for(1),
            entry_for(usize::MAX),
        ] {
            assert!(!bindings::xa_is_err(entry) && bindings::xa_err(entry) == 0);
        }

        // What is taken without an entry has none for those who ask.
        let mut id = u32::MAX;
        let take = |id, entry| bindings::xa_alloc(xa.0, id, entry, xa_limit_32b, GFP_ATOMIC);
        assert_eq!((take(&mut id, null_mut()), id), (0, 0));
        assert_eq!((take(&mut id, entry_for(1)), id), (0, 1));
        let mut index = 0;
        let found = bindings::xa_find(xa.0, &mut index, 1, XA_PRESENT);
        assert_eq!((found, index), (entry_for(1), 1));
        assert!(bindings::xa_find(xa.0, &mut index, 0, XA_PRESENT).is_null());
        assert!(bindings::xa_find_after(xa.0, &mut index, usize::MAX, XA_PRESENT).is_null());

        bindings::xa_lock(xa.0);
        let swap = |old, new| bindings::__xa_cmpxchg(xa.0, 1, old, new, GFP_ATOMIC);
        assert_eq!(swap(null_mut(), null_mut()), entry_for(1));
        assert_eq!(swap(entry_for(1), XA_ZERO_ENTRY), entry_for(1));
        assert!(swap(XA_ZERO_ENTRY, null_mut()).is_null());
        bindings::xa_unlock(xa.0);
        assert_eq!((take(&mut id, entry_for(1)), id), (0, 1));

        bindings::xa_store(xa.0, usize::MAX, entry_for(usize::MAX), GFP_ATOMIC);
        bindings::xa_destroy(xa.0);
        assert!(bindings::xa_empty(xa.0));
    }
    rcu_barrier();
    assert_eq!(live_blocks(), before);
}
