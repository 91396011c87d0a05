// SPDX-License-Identifier: GPL-2.0-only
//! Reservation objects, as C has them: their text, their memory, and their readers.
#![cfg_attr(not(feature = "debug"), allow(unused_imports))]

use ::dma_fence::{
    bindings::{
        self as c, dma_fence, dma_resv, dma_resv_iter,
        dma_resv_usage_DMA_RESV_USAGE_BOOKKEEP as BOOKKEEP,
        dma_resv_usage_DMA_RESV_USAGE_KERNEL as FOR_KERNEL,
        dma_resv_usage_DMA_RESV_USAGE_READ as READ, dma_resv_usage_DMA_RESV_USAGE_WRITE as WRITE,
    },
    testing::{context, expect_no_report, issue_arc, Plain},
    ArcDriverFence, Fence, FenceContextOps, PollOp,
};
use core::{ptr::null_mut, slice};
use kernel::{
    bindings::{kfree, seq_file},
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Completion,
    },
    testing::{
        expect_report,
        memory::{fail_nth, rcu_barrier},
        spawn, vcpu, Explorer,
    },
    time::{Delta, Instant, Monotonic},
    types::Opaque,
};
use std::{boxed::Box, string::String, vec::Vec};

/// A reservation object without fences.
struct Resv(Box<Opaque<dma_resv>>);

// SAFETY: Any task may use it.
unsafe impl Send for Resv {}
// SAFETY: As above.
unsafe impl Sync for Resv {}

impl Resv {
    fn new() -> Self {
        let new = Self(Box::new(Opaque::uninit()));
        // SAFETY: The memory is its own.
        unsafe { c::dma_resv_init(new.get()) };
        new
    }

    fn get(&self) -> *mut dma_resv {
        self.0.get()
    }

    /// Calls `body` with the lock held.
    fn locked<R>(&self, body: impl FnOnce(*mut dma_resv) -> R) -> R {
        // SAFETY: It is valid, and not locked by this task.
        unsafe { assert_eq!(c::dma_resv_lock(self.get(), null_mut()), 0) };
        let result = body(self.get());
        // SAFETY: This task holds the lock.
        unsafe { c::dma_resv_unlock(self.get()) };
        result
    }

    /// Adds a fence.
    fn add(&self, fence: &Fence, usage: u32) -> Result {
        self.locked(|obj| {
            // SAFETY: The lock is held, and the fence valid.
            unsafe {
                to_result(c::dma_resv_reserve_fences(obj, 1))?;
                c::dma_resv_add_fence(obj, raw(fence), usage);
            }
            Ok(())
        })
    }

    /// The fences of a usage that have not signalled.
    fn fences(&self, usage: u32) -> Result<Vec<*mut dma_fence>> {
        let (mut count, mut fences) = (0, null_mut());
        // SAFETY: It is valid; the references and the memory are this call's.
        unsafe {
            to_result(c::dma_resv_get_fences(
                self.get(),
                usage,
                &mut count,
                &mut fences,
            ))?;
            let all = match count {
                0 => &[],
                _ => slice::from_raw_parts(fences, count as usize),
            };
            let all = all.to_vec();
            all.iter().for_each(|&fence| c::dma_fence_put(fence));
            kfree(fences.cast());
            Ok(all)
        }
    }
}

impl Drop for Resv {
    fn drop(&mut self) {
        // SAFETY: No other task uses it any more.
        unsafe { c::dma_resv_fini(self.get()) };
    }
}

fn raw(fence: &Fence) -> *mut dma_fence {
    core::ptr::from_ref(fence).cast_mut().cast()
}

/// So many fences, each of a context of its own.
fn fences(count: usize) -> Result<Vec<(ArcDriverFence<Plain>, ARef<Fence>)>> {
    (0..count).map(|_| issue_arc(&context(Plain)?)).collect()
}

/// Signals all of them.
fn signal(all: Vec<(ArcDriverFence<Plain>, ARef<Fence>)>) {
    all.into_iter()
        .for_each(|(issued, _)| issued.signal(Ok(())));
}

#[test]
fn a_description_has_what_implicit_synchronisation_waits_for() {
    expect_no_report(|| {
        let (resv, all) = (Resv::new(), fences(4)?);
        for ((_, fence), usage) in all.iter().zip([FOR_KERNEL, WRITE, READ, BOOKKEEP]) {
            resv.add(fence, usage)?;
        }
        let mut all = all.into_iter();
        signal(all.by_ref().take(1).collect());
        let mut buffer = [0; 256];
        let mut seq = seq_file {
            buf: buffer.as_mut_ptr(),
            size: buffer.len(),
            count: 0,
            private: null_mut(),
        };
        // SAFETY: The lock is held, and the buffer outlives the call.
        resv.locked(|obj| unsafe { c::dma_resv_describe(obj, &mut seq) });
        let text = String::from_utf8_lossy(&buffer[..seq.count]).into_owned();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[0].starts_with("\tkernel fence:") && lines[0].ends_with("   signalled"),
            "{text}"
        );
        for (line, usage) in lines[1..].iter().zip(["write", "read"]) {
            assert!(line.starts_with(&format!("\t{usage} fence:")), "{text}");
            assert!(line.ends_with(":7 timeline driver unsignalled"), "{text}");
        }
        signal(all.collect());
        Ok(())
    });
}

#[test]
fn a_fence_that_is_there_needs_no_slot() {
    expect_no_report(|| {
        let (resv, all) = (Resv::new(), fences(2)?);
        let (a, b) = (&all[0].1, &all[1].1);
        resv.add(a, READ)?;
        resv.add(b, READ)?;
        // Nothing is reserved, and nothing is left over in a debug kernel.
        // SAFETY: The lock is held, and the fence valid.
        resv.locked(|obj| unsafe { c::dma_resv_add_fence(obj, raw(a), READ) });
        assert_eq!(resv.fences(READ)?, [raw(a), raw(b)]);
        // Nor does a fence in the place of one that has signalled.
        let mut all = all.into_iter();
        signal(all.by_ref().take(1).collect());
        let more = fences(1)?;
        // SAFETY: As above.
        resv.locked(|obj| unsafe { c::dma_resv_add_fence(obj, raw(&more[0].1), WRITE) });
        assert_eq!(resv.fences(READ)?[0], raw(&more[0].1));
        signal(all.collect());
        signal(more);
        Ok(())
    });
}

#[test]
fn what_is_reserved_drops_what_has_signalled() {
    expect_no_report(|| {
        let (resv, mut all) = (Resv::new(), fences(9)?);
        for (_, fence) in &all {
            resv.add(fence, BOOKKEEP)?;
        }
        let rest = all.split_off(7);
        signal(all);
        // SAFETY: The lock is held.
        resv.locked(|obj| unsafe { to_result(c::dma_resv_reserve_fences(obj, 20)) })?;
        let pending: Vec<_> = rest.iter().map(|(_, fence)| raw(fence)).collect();
        assert_eq!(resv.fences(BOOKKEEP)?, pending);
        // SAFETY: It is valid.
        let signaled = |usage| unsafe { c::dma_resv_test_signaled(resv.get(), usage) };
        assert!(signaled(READ) && !signaled(BOOKKEEP));
        signal(rest);
        assert!(signaled(BOOKKEEP));
        Ok(())
    });
}

#[test]
fn a_copy_has_what_has_not_signalled() {
    expect_no_report(|| {
        let (from, to, mut all) = (Resv::new(), Resv::new(), fences(3)?);
        for ((_, fence), usage) in all.iter().zip([WRITE, READ, BOOKKEEP]) {
            from.add(fence, usage)?;
            to.add(fence, FOR_KERNEL)?;
        }
        all.remove(0).0.signal(Ok(()));
        let copy = |to: &Resv, from: &Resv| {
            // SAFETY: The lock of `to` is held.
            to.locked(|obj| unsafe { to_result(c::dma_resv_copy_fences(obj, from.get())) })
        };
        copy(&to, &from)?;
        let (read, bookkeep) = (raw(&all[0].1), raw(&all[1].1));
        assert_eq!(to.fences(WRITE)?, []);
        assert_eq!(to.fences(READ)?, [read]);
        assert_eq!(to.fences(BOOKKEEP)?, [read, bookkeep]);
        copy(&to, &Resv::new())?;
        assert_eq!(to.fences(BOOKKEEP)?, []);
        signal(all);
        Ok(())
    });
}

/// A reader that has found a fence goes on when the list has been taken away.
#[test]
fn a_list_that_is_taken_away_ends_a_reading() {
    expect_no_report(|| {
        let (resv, all) = (Resv::new(), fences(1)?);
        resv.add(&all[0].1, READ)?;
        let mut cursor = dma_resv_iter::new();
        // SAFETY: The object is valid, and its lock is held to change it.
        unsafe {
            c::dma_resv_iter_begin(&mut cursor, resv.get(), READ);
            let first = c::dma_resv_iter_first_unlocked(&mut cursor);
            assert_eq!(first, raw(&all[0].1));
            let none = Resv::new();
            resv.locked(|obj| to_result(c::dma_resv_copy_fences(obj, none.get())))?;
            assert!(c::dma_resv_iter_next_unlocked(&mut cursor).is_null());
            c::dma_resv_iter_end(&mut cursor);
        }
        signal(all);
        Ok(())
    });
}

#[test]
fn a_wait_that_may_not_sleep_does_not() {
    /// Signals when it is enabled.
    struct Late;

    impl FenceContextOps for Late {
        type FenceDataType = ();

        const ENABLE_SIGNALING: Option<PollOp<Self>> = Some(|_| Some(Ok(())));
    }

    expect_no_report(|| {
        let (resv, all) = (Resv::new(), fences(1)?);
        let (late, fence) = issue_arc(&context(Late)?)?;
        resv.add(&fence, READ)?;
        resv.add(&all[0].1, READ)?;
        let start = Instant::<Monotonic>::now();
        // SAFETY: The object is valid.
        let wait = |timeout| unsafe { c::dma_resv_wait_timeout(resv.get(), READ, false, timeout) };
        assert_eq!(wait(0), 0);
        assert_eq!(start.elapsed(), Delta::ZERO);
        signal(all);
        assert_eq!((wait(0), wait(7)), (1, 7));
        late.signal(Ok(()));
        Ok(())
    });
}

/// Each allocation fails in turn: the error comes back, and nothing is left behind or was changed.
#[test]
fn each_allocation_may_fail() {
    let fails = |nth| {
        move || {
            let (resv, other, all) = (Resv::new(), Resv::new(), fences(3)?);
            let (result, reached) = fail_nth(nth, || -> Result {
                resv.locked(|obj| {
                    // SAFETY: The lock is held, and the fences valid.
                    unsafe {
                        to_result(c::dma_resv_reserve_fences(obj, 2))?;
                        c::dma_resv_add_fence(obj, raw(&all[0].1), READ);
                        c::dma_resv_add_fence(obj, raw(&all[1].1), READ);
                        to_result(c::dma_resv_reserve_fences(obj, 40))
                    }
                })?;
                resv.fences(READ)?;
                let mut singleton = null_mut();
                // SAFETY: All is valid, and the lock is held of what changes.
                unsafe {
                    let got = c::dma_resv_get_singleton(resv.get(), READ, &mut singleton);
                    to_result(got)?;
                    c::dma_fence_put(singleton);
                    other.locked(|obj| to_result(c::dma_resv_copy_fences(obj, resv.get())))?;
                }
                Ok(())
            });
            let left = resv.fences(READ)?.len();
            signal(all);
            Ok::<_, Error>((result, reached, left))
        }
    };
    // Two lists, the fences, the fences and the array, and the copy. What is left when a machine ends is
    // reported.
    for nth in 1..=6 {
        let left = if nth == 1 { 0 } else { 2 };
        let end = vcpu::fifo(fails(nth));
        assert_eq!(end, Ok(Ok((Err(ENOMEM), true, left))), "allocation {nth}");
    }
    assert_eq!(vcpu::fifo(fails(7)), Ok(Ok((Ok(()), false, 2))));
}

/// A reader that goes on after the list was replaced, and the old one freed, begins anew.
#[test]
fn a_list_that_is_replaced_is_read_anew() {
    expect_no_report(|| {
        let (resv, all) = (Resv::new(), fences(3)?);
        resv.add(&all[0].1, READ)?;
        resv.add(&all[1].1, READ)?;
        let mut cursor = dma_resv_iter::new();
        let mut found = Vec::new();
        // SAFETY: The object is valid.
        unsafe {
            c::dma_resv_iter_begin(&mut cursor, resv.get(), READ);
            let mut fence = c::dma_resv_iter_first_unlocked(&mut cursor);
            while !fence.is_null() {
                found.push((fence, c::dma_resv_iter_is_restarted(&mut cursor)));
                if found.len() == 1 {
                    // More than any list has of its own.
                    resv.locked(|obj| to_result(c::dma_resv_reserve_fences(obj, 16)))?;
                    resv.add(&all[2].1, READ)?;
                    rcu_barrier();
                }
                fence = c::dma_resv_iter_next_unlocked(&mut cursor);
            }
            c::dma_resv_iter_end(&mut cursor);
        }
        let [a, b, c] = [0, 1, 2].map(|n| raw(&all[n].1));
        assert_eq!(found, [(a, true), (a, true), (b, false), (c, false)]);
        signal(all);
        Ok(())
    });
}

/// Reads the list while another task replaces it, and the old one is freed: in all schedules with as
/// many preemptions.
#[cfg(feature = "debug")]
fn read_while_it_is_replaced(preemptions: usize, read: fn(&Resv, [*mut dma_fence; 2])) {
    let search = Explorer::new()
        .schedules(100_000)
        .search(preemptions, move || {
            let resv = Arc::new(Resv::new(), GFP_KERNEL).unwrap();
            let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
            let all = fences(2).unwrap();
            resv.add(&all[0].1, READ).unwrap();
            let (other, ends, second) = (resv.clone(), done.clone(), all[1].1.clone());
            spawn(move || {
                other.add(&second, READ).unwrap();
                drop(second);
                ends.complete_all();
            });
            read(&resv, [0, 1].map(|n| raw(&all[n].1)));
            done.wait_for_completion();
            signal(all);
        });
    let search = search.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(search.complete, "{search:?}");
}

/// One preemption for the other task, one for the end of the grace period.
#[test]
#[cfg(feature = "debug")]
fn a_reader_finds_each_fence_once_whatever_happens_meanwhile() {
    read_while_it_is_replaced(2, |resv, all| {
        let found = resv.fences(READ).unwrap();
        assert!(found == all[..1] || found == all, "{found:?}");
    });
}

/// A reader that has begun anew may find no memory then.
#[test]
#[cfg(feature = "debug")]
fn a_reader_that_begins_anew_may_fail() {
    static FAILED: Atomic<i32> = Atomic::new(0);
    read_while_it_is_replaced(1, |resv, [first, _]| {
        let (found, reached) = fail_nth(2, || resv.fences(READ));
        match found {
            Ok(found) => assert!(!reached && found[0] == first),
            Err(error) => {
                assert!(reached && error == ENOMEM);
                FAILED.store(1, Relaxed);
            }
        }
    });
    assert_eq!(FAILED.load(Relaxed), 1);
}

/// Lockdep knows from the start that fences are waited for under the lock.
#[test]
#[cfg(not(any(loom, tsan)))]
fn the_lock_is_not_taken_where_a_fence_is_to_be_signalled() {
    expect_report("signalling-section", || {
        let resv = Resv::new();
        // SAFETY: The section ends where it began.
        unsafe {
            let cookie = c::dma_fence_begin_signalling();
            resv.locked(|_| ());
            c::dma_fence_end_signalling(cookie);
        }
    });
}
