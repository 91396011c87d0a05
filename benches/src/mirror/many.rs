// SPDX-License-Identifier: GPL-2.0-only
//! Operations on many fences, or by many threads.

use super::{called, init, make, OPS};
use crate::{
    measure::{each, used},
    processors::on_the_second,
};
use ::dma_fence::bindings::*;
use kernel::bindings::*;
use std::{
    hint::black_box,
    mem::MaybeUninit,
    ptr,
    sync::{
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
        OnceLock,
    },
    thread,
    time::{Duration, Instant},
};

/// A fence that other threads use as well.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Shared(*mut dma_fence);

// SAFETY: Fences may be used by any thread.
unsafe impl Send for Shared {}
// SAFETY: As above.
unsafe impl Sync for Shared {}

/// A fence whose signal calls so many callbacks; each counts.
pub(crate) fn callbacks<const K: usize>(n: u64) -> f64 {
    let mut room = MaybeUninit::<dma_fence>::uninit();
    let mut cbs = Vec::<MaybeUninit<dma_fence_cb>>::new();
    cbs.resize_with(K, MaybeUninit::uninit);
    let fence = room.as_mut_ptr();
    each(n.div_ceil(K as u64), |i| {
        // SAFETY: Nothing is in use any more, as the last fence was signalled.
        unsafe {
            init(fence, i);
            for cb in &mut cbs {
                dma_fence_add_callback(fence, cb.as_mut_ptr(), Some(called));
            }
            dma_fence_signal(fence);
        }
    })
}

/// A thousand fences, of which the last has signalled.
fn wait_any_of(n: u64, timeout: isize) -> f64 {
    static ALL: OnceLock<Vec<Shared>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let all: Vec<_> = (0..1000).map(|i| Shared(make(i))).collect();
        // SAFETY: It is alive.
        unsafe { dma_fence_signal(all[999].0) };
        all
    });
    let mut all: Vec<_> = all.iter().map(|fence| fence.0).collect();
    let mut index = 0;
    each(n, |_| {
        // SAFETY: They are all alive.
        let left = unsafe {
            dma_fence_wait_any_timeout(all.as_mut_ptr(), 1000, false, timeout, &mut index)
        };
        black_box(left);
    })
}

pub(crate) fn wait_any_poll(n: u64) -> f64 {
    wait_any_of(n, 0)
}

pub(crate) fn wait_any(n: u64) -> f64 {
    wait_any_of(n, 100)
}

/// Threads that begin at the same time; each calls `body` with its number.
pub(crate) fn together(threads: usize, body: impl Fn(usize) + Sync) -> f64 {
    let go = AtomicBool::new(false);
    thread::scope(|scope| {
        let start = |number| {
            let (go, body) = (&go, &body);
            scope.spawn(move || {
                // Pairs with the Release below: the clock has begun.
                while !go.load(Acquire) {
                    thread::yield_now();
                }
                body(number);
            })
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        let begin = Instant::now();
        // Pairs with the Acquire above.
        go.store(true, Release);
        for thread in threads {
            thread.join().expect("no panic");
        }
        begin.elapsed().as_nanos() as f64
    })
}

/// So many threads, each with a fence of its own, or all with the first.
pub(crate) fn threads<const THREADS: usize, const OWN: bool>(n: u64) -> f64 {
    /// Fences of which no two are in a cache line.
    #[repr(align(128))]
    struct Apart(MaybeUninit<dma_fence>);
    let mut rooms: Vec<_> = (0..THREADS).map(|_| Apart(MaybeUninit::uninit())).collect();
    let fence = |(i, room): (usize, &mut Apart)| {
        let fence = room.0.as_mut_ptr();
        // SAFETY: It is its own room.
        unsafe { init(fence, i as u64) };
        Shared(fence)
    };
    let fences: Vec<_> = rooms.iter_mut().enumerate().map(fence).collect();
    let took = together(THREADS, |thread| {
        let Shared(fence) = fences[if OWN { thread } else { 0 }];
        let mut cb = MaybeUninit::<dma_fence_cb>::uninit();
        for _ in 0..n {
            // SAFETY: The callback is removed each time before it is added again.
            unsafe {
                dma_fence_add_callback(fence, cb.as_mut_ptr(), Some(called));
                dma_fence_remove_callback(fence, cb.as_mut_ptr());
            }
        }
    });
    for fence in fences {
        // SAFETY: It is alive.
        unsafe { dma_fence_signal(fence.0) };
    }
    took
}

/// Two threads, each of which waits for the other.
pub(crate) fn round_trip(n: u64) -> f64 {
    let all: Vec<_> = (0..n).map(|i| [Shared(make(i)), Shared(make(i))]).collect();
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            on_the_second();
            for [there, back] in &all {
                // SAFETY: Both are alive.
                unsafe {
                    dma_fence_wait(there.0, false);
                    dma_fence_signal(back.0);
                }
            }
        });
        each(n, |i| {
            let [there, back] = all[i as usize];
            // SAFETY: Both are alive.
            unsafe {
                dma_fence_signal(there.0);
                dma_fence_wait(back.0, false);
            }
        })
    });
    for Shared(fence) in all.into_iter().flatten() {
        // SAFETY: It is the last reference.
        unsafe { dma_fence_put(fence) };
    }
    took
}

/// A chain of n nodes, of the same fence.
fn chain(n: u64, fence: *mut dma_fence) -> *mut dma_fence {
    let mut last = ptr::null_mut();
    for seqno in 1..=n {
        // SAFETY: The node is new, and gets the references.
        unsafe {
            let node = dma_fence_chain_alloc();
            dma_fence_chain_init(node, last, dma_fence_get(fence), seqno);
            last = node.cast();
        }
    }
    last
}

fn walk(n: u64, signalled: bool) -> f64 {
    let fence = make(1);
    let last = chain(n, fence);
    // SAFETY: The references are put that are had.
    unsafe {
        if signalled {
            dma_fence_signal(fence);
        }
        let took = each(1, |_| {
            dma_fence_chain_for_each(last, |node| {
                black_box(node);
                false
            });
        });
        dma_fence_put(last);
        if !signalled {
            dma_fence_signal(fence);
        }
        dma_fence_put(fence);
        took
    }
}

pub(crate) fn chain_walk(n: u64) -> f64 {
    walk(n, false)
}

pub(crate) fn chain_collect(n: u64) -> f64 {
    walk(n, true)
}

/// An array of these.
fn array(fences: &[*mut dma_fence]) -> *mut dma_fence {
    // SAFETY: The block has room for all of them, and the array gets it, and the references.
    unsafe {
        let members: *mut *mut dma_fence = kmalloc_objs(fences.len(), GFP_KERNEL);
        for (i, fence) in fences.iter().enumerate() {
            members.add(i).write(dma_fence_get(*fence));
        }
        dma_fence_array_create(fences.len() as i32, members, 1000, 1).cast()
    }
}

pub(crate) fn array_complete(n: u64) -> f64 {
    let one = |_| {
        let fences: Vec<_> = (0..1024).map(make).collect();
        let all = array(&fences);
        // SAFETY: All are alive until they are put.
        unsafe {
            dma_fence_enable_signaling(all);
            let took = each(1024, |i| {
                dma_fence_signal(fences[i as usize]);
            });
            dma_fence_put(all);
            for fence in fences {
                dma_fence_put(fence);
            }
            took
        }
    };
    (0..n.div_ceil(1024)).map(one).sum()
}

/// Merges two arrays of so many fences each; each fence counts.
pub(crate) fn merge<const HALF: u64>(n: u64) -> f64 {
    let count = 2 * HALF;
    let fence = |i: u64| {
        let context = 1 + i.wrapping_mul(2_654_435_761) % count;
        // SAFETY: The block has room for a fence.
        unsafe {
            let fence = kmalloc_obj(GFP_KERNEL);
            dma_fence_init(fence, &OPS, ptr::null_mut(), context, i);
            fence
        }
    };
    let fences: Vec<_> = (0..count).map(fence).collect();
    let (a, b) = fences.split_at(HALF as usize);
    let mut heads = [array(a), array(b)];
    let one = |_| {
        let mut cursors = [const { MaybeUninit::<dma_fence_unwrap>::uninit() }; 2];
        let mut merged = ptr::null_mut();
        let took = each(1, |_| {
            // SAFETY: Both are alive, and there are two cursors.
            merged = unsafe {
                __dma_fence_unwrap_merge(2, heads.as_mut_ptr(), cursors.as_mut_ptr().cast())
            };
        });
        // SAFETY: The reference is the caller's.
        unsafe { dma_fence_put(merged) };
        took
    };
    let took = (0..n.div_ceil(count)).map(one).sum();
    // SAFETY: These are the last references but those of the arrays.
    unsafe {
        for head in heads {
            dma_fence_put(head);
        }
        for fence in fences {
            dma_fence_signal(fence);
            dma_fence_put(fence);
        }
    }
    took
}

/// An object with 64 fences, of as many contexts, which the caller puts away. The fences are beside each
/// other, as in C, so that no column has more pages than another.
struct Resv {
    resv: Box<MaybeUninit<dma_resv>>,
    fences: Box<[MaybeUninit<dma_fence>; 64]>,
}

impl Resv {
    fn new() -> Self {
        let mut fences = Box::new([const { MaybeUninit::uninit() }; 64]);
        for (i, fence) in (1..).zip(fences.iter_mut()) {
            // SAFETY: There is a fence's room, and none in use.
            unsafe { dma_fence_init(fence.as_mut_ptr(), &OPS, ptr::null_mut(), i, 1) }
        }
        Self {
            resv: Box::new(MaybeUninit::uninit()),
            fences,
        }
    }

    /// Adds the fences to a new object, which is put away, or else is there.
    fn fill(&mut self) {
        let resv = self.resv.as_mut_ptr();
        // SAFETY: No object is there yet; the fences are alive.
        unsafe {
            dma_resv_init(resv);
            dma_resv_lock(resv, ptr::null_mut());
            for fence in self.fences.iter_mut() {
                dma_resv_reserve_fences(resv, 1);
                dma_resv_add_fence(resv, fence.as_mut_ptr(), dma_resv_usage_DMA_RESV_USAGE_READ);
            }
            dma_resv_unlock(resv);
        }
    }

    fn empty(&mut self) {
        // SAFETY: There is an object.
        unsafe { dma_resv_fini(self.resv.as_mut_ptr()) };
    }
}

impl Drop for Resv {
    fn drop(&mut self) {
        for fence in self.fences.iter_mut() {
            // SAFETY: It is a fence, that stays until here.
            unsafe { dma_fence_signal(fence.as_mut_ptr()) }
        }
    }
}

pub(crate) fn resv_add(n: u64) -> f64 {
    let mut resv = Resv::new();
    let one = |_| {
        let took = each(1, |_| resv.fill());
        resv.empty();
        took
    };
    (0..n.div_ceil(64)).map(one).sum()
}

pub(crate) fn resv_iterate(n: u64) -> f64 {
    let mut resv = Resv::new();
    resv.fill();
    let mut room = MaybeUninit::<dma_resv_iter>::uninit();
    let (cursor, object) = (room.as_mut_ptr(), resv.resv.as_mut_ptr());
    // SAFETY: No lock is held.
    unsafe { rcu_barrier() };
    let took = each(n.div_ceil(64), |_| {
        // SAFETY: The object is there, and the cursor is used by this alone.
        unsafe {
            dma_resv_iter_begin(cursor, object, dma_resv_usage_DMA_RESV_USAGE_READ);
            let mut fence = dma_resv_iter_first_unlocked(cursor);
            while !fence.is_null() {
                used(fence);
                fence = dma_resv_iter_next_unlocked(cursor);
            }
            dma_resv_iter_end(cursor);
        }
    });
    resv.empty();
    took
}

pub(crate) fn synchronize(n: u64) -> f64 {
    // SAFETY: No lock is held.
    each(n, |_| unsafe { synchronize_rcu() })
}

/// Grace periods with a reader that is in and out of sections.
pub(crate) fn synchronize_reader(n: u64) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            on_the_second();
            while !stop.load(Relaxed) {
                // SAFETY: The section that is entered is left.
                unsafe {
                    rcu_read_lock();
                    for i in 0..20 {
                        black_box(i);
                    }
                    rcu_read_unlock();
                }
            }
        });
        thread::sleep(Duration::from_millis(1));
        let took = synchronize(n);
        stop.store(true, Relaxed);
        took
    })
}

extern "C" fn nothing(head: *mut callback_head) {
    black_box(head);
}

pub(crate) fn call_rcu_many(n: u64) -> f64 {
    let head = |_| callback_head {
        next: ptr::null_mut(),
        func: None,
    };
    let mut heads: Vec<_> = (0..n).map(head).collect();
    each(1, |_| {
        for head in &mut heads {
            // SAFETY: It stays until the barrier below is over.
            unsafe { call_rcu(head, Some(nothing)) };
        }
        // SAFETY: No lock is held.
        unsafe { rcu_barrier() };
    })
}

/// So many fences that stay.
pub(crate) fn memory(n: u64) -> f64 {
    each(n, |i| {
        black_box(make(i));
    })
}

/// Fences that are pending.
pub(crate) struct Many(Vec<*mut dma_fence>);

impl Many {
    pub(crate) fn new(n: u64) -> Self {
        Self((0..n).map(make).collect())
    }

    /// Signals them, and puts them.
    pub(crate) fn end(self) {
        for fence in self.0 {
            // SAFETY: The reference is its first and last.
            unsafe {
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
        }
    }
}

/// Allocates a block of the size of a fence, and frees it.
pub(crate) fn blocks(n: u64) -> f64 {
    each(n, |_| {
        // SAFETY: The block is a new one.
        unsafe {
            let block: *mut dma_fence = kmalloc_obj(GFP_KERNEL);
            kfree(black_box(block).cast_const().cast());
        }
    })
}
