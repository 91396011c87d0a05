// SPDX-License-Identifier: GPL-2.0-only
//! What the C mirror does and the language of the scenarios has no words for.

use ::dma_fence::{
    bindings::{self as c, dma_fence, dma_fence_ops, seq_file},
    testing::{context, issue_arc, Plain, EVENTS},
};
use kernel::{
    bindings::{
        allow_signal, get_current, kzalloc_obj, rcu_read_lock, rcu_read_unlock, send_sig,
        GFP_KERNEL, SIGUSR1,
    },
    ffi::c_char,
    prelude::{GFP_KERNEL as MAY_SLEEP, *},
    testing::{expect_bug, vcpu, without_checks},
    time::{delay::fsleep, hrtimer::HrTimerExpires as _, Delta, Instant, Monotonic},
    workqueue,
};
use std::{
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

extern "C" fn name(_fence: *mut dma_fence) -> *const c_char {
    c"name".as_char_ptr()
}

/// A fence with these numbers and one reference, which is the caller's.
fn fence(seqno64: bool, context: u64, seqno: u64) -> *mut dma_fence {
    static OPS: dma_fence_ops = dma_fence_ops {
        get_driver_name: Some(name),
        get_timeline_name: Some(name),
        ..pin_init::zeroed()
    };
    let init = if seqno64 {
        c::dma_fence_init64
    } else {
        c::dma_fence_init
    };
    // SAFETY: The memory is new, and freed with the fence; the ops are static.
    unsafe {
        let fence = kzalloc_obj::<dma_fence>(GFP_KERNEL);
        init(fence, &OPS, null_mut(), context, seqno);
        fence
    }
}

#[test]
fn a_reference_in_a_section_is_none_to_what_is_going() {
    let mut fence = fence(false, 1, 1);
    // SAFETY: The fence is valid until the section ends, and each reference is dropped once.
    unsafe {
        rcu_read_lock();
        assert_eq!(c::dma_fence_get_rcu(fence), fence);
        assert_eq!(c::dma_fence_get_rcu_safe(&mut fence), fence);
        c::dma_fence_signal(fence);
        for _ in 0..3 {
            c::dma_fence_put(fence);
        }
        assert!(c::dma_fence_get_rcu(fence).is_null());
        rcu_read_unlock();
    }
}

#[test]
fn a_signal_without_the_lock_is_warned_of() {
    let fence = fence(false, 1, 1);
    // SAFETY: Only we know of the fence, so that the lock keeps no other task out.
    unsafe {
        expect_bug("spinlock.rs", || c::dma_fence_signal_locked(fence));
        c::dma_fence_put(fence);
    }
}

#[test]
fn a_fence_knows_that_it_was_initialised() {
    // SAFETY: Null is allowed, and so is memory of zeroes; the other is a valid fence.
    unsafe {
        assert!(!c::dma_fence_was_initialized(null_mut()));
        let blank = kzalloc_obj::<dma_fence>(GFP_KERNEL);
        assert!(!c::dma_fence_was_initialized(blank));
        c::dma_fence_free(blank);
        let fence = fence(false, 1, 1);
        assert!(c::dma_fence_was_initialized(fence));
        c::dma_fence_put(fence);
    }
}

#[test]
fn numbers_compare_by_the_width_of_the_fence() {
    const HALF: u64 = 1 << 31;
    for (a, b, narrow, wide) in [
        (2, 1, true, true),
        (1, 1, false, false),
        (0, u64::from(u32::MAX), true, false),
        (HALF - 1, 0, true, true),
        (HALF, 0, false, true),
        (1 << 32, 0, false, true),
        (0, u64::MAX, true, false),
    ] {
        for (seqno64, later) in [(false, narrow), (true, wide)] {
            let fence = fence(seqno64, 1, 1);
            // SAFETY: The fence is valid; its only reference is dropped last.
            unsafe {
                assert_eq!(c::__dma_fence_is_later(fence, a, b), later, "{a} {b}");
                c::dma_fence_put(fence);
            }
        }
    }
}

#[test]
fn contexts_are_allocated_in_a_row() {
    // Others allocate as well, so that nothing more is certain.
    // SAFETY: Any number of contexts may be asked for.
    let [first, next] = [5, 1].map(|n| unsafe { c::dma_fence_context_alloc(n) });
    assert!(first > 0 && next >= first + 5);
}

#[test]
fn an_event_shows_half_of_the_numbers_and_a_description_all() {
    let fence = fence(true, 0x7_0000_0003, 0x9_0000_0004);
    let mut event = String::new();
    let mut buffer = [0; 256];
    let mut seq = seq_file {
        buf: buffer.as_mut_ptr(),
        size: buffer.len(),
        count: 0,
        private: core::ptr::null_mut(),
    };
    // SAFETY: The fence is valid until its only reference is dropped; the buffer outlives the call.
    unsafe {
        rcu_read_lock();
        EVENTS[0].print(fence.cast(), &mut event).unwrap();
        rcu_read_unlock();
        c::dma_fence_describe(fence, &mut seq);
        c::dma_fence_put(fence);
    }
    assert_eq!(event, "driver=name timeline=name context=3 seqno=4");
    assert_eq!(
        String::from_utf8_lossy(&buffer[..seq.count]),
        "30064771075:38654705668 name name unsignalled\n"
    );
}

#[test]
fn wait_any_may_be_given_nothing() {
    let mut fence = fence(false, 1, 1);
    let any = |fences, count| {
        // SAFETY: As many fences as `count` says, and nowhere to write the index to.
        unsafe { c::dma_fence_wait_any_timeout(fences, count, false, 5, null_mut()) }
    };
    assert_eq!(without_checks(|| any(null_mut(), 0)), -22);
    // SAFETY: The fence is valid; its only reference is dropped last.
    unsafe {
        c::dma_fence_signal(fence);
        assert_eq!(any(&mut fence, 1), 5);
        c::dma_fence_put(fence);
    }
}

#[test]
fn a_signal_that_came_before_ends_a_wait_unless_the_fence_has_signalled() {
    const ERESTARTSYS: isize = -512;
    let waited = vcpu::fifo(|| {
        let fence = fence(false, 1, 1);
        // SAFETY: The task is the current one; the fence is valid until its only reference is
        // dropped.
        unsafe {
            allow_signal(SIGUSR1);
            send_sig(SIGUSR1, get_current(), 1);
            let wait = |intr, timeout| c::dma_fence_wait_timeout(fence, intr, timeout);
            let pending = [wait(true, 7), wait(true, 0), wait(false, 7)];
            c::dma_fence_signal(fence);
            let signalled = wait(true, 7);
            c::dma_fence_put(fence);
            (pending, signalled)
        }
    });
    assert_eq!(waited, Ok(([ERESTARTSYS, ERESTARTSYS, 0], 7)));
}

#[test]
fn time_is_exact() {
    vcpu::fifo(|| {
        let (issued, fence) = issue_arc(&context(Plain).unwrap()).unwrap();
        let start = Instant::<Monotonic>::now();
        let signals = move || {
            fsleep(Delta::from_millis(100));
            issued.signal(Ok(()));
        };
        workqueue::system().try_spawn(MAY_SLEEP, signals).unwrap();
        // 25 of the jiffies have passed.
        assert_eq!(fence.wait_timeout(1000), Some(975));
        assert_eq!(start.elapsed(), Delta::from_millis(100));
        let time = fence.timestamp().unwrap();
        assert_eq!(time.as_nanos(), start.as_nanos() + 100_000_000);
    })
    .unwrap();
}

/// How often the fences of the test below were polled.
static POLLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn polled(_fence: *mut dma_fence) -> bool {
    POLLS.fetch_add(1, SeqCst);
    false
}

/// How often a sort compares is counted in its own test.
#[test]
fn a_merge_of_many_asks_each_twice() {
    static OPS: dma_fence_ops = dma_fence_ops {
        get_driver_name: Some(name),
        get_timeline_name: Some(name),
        signaled: Some(polled),
        ..pin_init::zeroed()
    };
    const CONTEXTS: usize = 1000;
    const FENCES: usize = match cfg!(debug_assertions) {
        true => 20_000,
        false => 100_000,
    };
    // SAFETY: The fences are new, and freed with their last references; there is a cursor for each.
    unsafe {
        let first = c::dma_fence_context_alloc(CONTEXTS as u32);
        // The latest of each context is neither the first nor the last of it.
        let number = |n: usize| (n * 7919 % FENCES) as u64;
        let fence = |n: usize| {
            let fence = kzalloc_obj::<dma_fence>(GFP_KERNEL);
            let context = first + (n % CONTEXTS) as u64;
            c::dma_fence_init64(fence, &OPS, null_mut(), context, number(n));
            fence
        };
        let mut fences: std::vec::Vec<_> = (0..FENCES).map(fence).collect();
        let mut cursors: std::vec::Vec<_> = fences
            .iter()
            .map(|_| c::dma_fence_unwrap::default())
            .collect();
        let merged = c::__dma_fence_unwrap_merge(FENCES, fences.as_mut_ptr(), cursors.as_mut_ptr());
        assert_eq!(POLLS.load(SeqCst), 2 * FENCES);
        for n in 0..CONTEXTS {
            let kept = c::dma_fence_array_next(merged, n as u32);
            let all = (n..FENCES).step_by(CONTEXTS).map(number);
            let of = (c::dma_fence_context(kept), Some(c::dma_fence_seqno(kept)));
            assert_eq!(of, (first + n as u64, all.max()));
        }
        assert!(c::dma_fence_array_next(merged, CONTEXTS as u32).is_null());
        c::dma_fence_put(merged);
        for fence in fences {
            c::dma_fence_signal(fence);
            c::dma_fence_put(fence);
        }
    }
}
