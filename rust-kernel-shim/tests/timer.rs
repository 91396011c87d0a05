// SPDX-License-Identifier: GPL-2.0-only

//! C's timers, in jiffies of virtual time.

use core::ptr;
use kernel::{
    bindings::{
        jiffies, mod_timer, timer_delete, timer_delete_sync, timer_init_key, timer_list,
        timer_pending,
    },
    str::CStrExt as _,
    testing::{in_serving_softirq, vcpu},
    time::{delay::fsleep, Delta},
};
use std::sync::Mutex;

#[repr(C)]
struct Timer<'a> {
    base: timer_list,
    number: u32,
    order: &'a Mutex<Vec<(u32, usize)>>,
}

/// # Safety
///
/// The timer is from [`timer`], and on no queue.
unsafe extern "C" fn note(timer: *mut timer_list) {
    // SAFETY: The timer is that of a `Timer`, from a box, and not used after this.
    let timer = unsafe { Box::from_raw(timer.cast::<Timer<'_>>()) };
    assert!(in_serving_softirq());
    // SAFETY: `jiffies()` has no preconditions.
    let at = unsafe { jiffies() };
    timer.order.lock().unwrap().push((timer.number, at));
}

/// A timer that frees itself.
fn timer(number: u32, order: &Mutex<Vec<(u32, usize)>>) -> *mut timer_list {
    let mut timer = Box::<Timer<'_>>::new_uninit();
    let this = timer.as_mut_ptr();
    // SAFETY: The memory is valid for writes, and each field is written once.
    unsafe {
        timer_init_key(
            &raw mut (*this).base,
            Some(note),
            0,
            c"timer".as_char_ptr(),
            ptr::null_mut(),
        );
        (&raw mut (*this).number).write(number);
        (&raw mut (*this).order).write(order);
    }
    Box::into_raw(timer).cast()
}

#[test]
fn timers_come_in_the_order_of_their_times() {
    let order = vcpu::fifo(|| {
        let order = Mutex::new(Vec::new());
        let timers: Vec<_> = (0..6).map(|n| timer(n, &order)).collect();
        // SAFETY: The timers are valid: none is called before this task sleeps.
        let now = unsafe {
            let now = jiffies();
            assert!(!timer_pending(timers[0]));
            for (timer, after) in timers
                .iter()
                .zip([100, 1, 2, 1, usize::MAX, usize::MAX / 2])
            {
                assert_eq!(mod_timer(*timer, now.wrapping_add(after)), 0);
            }
            assert!(timers.iter().all(|timer| timer_pending(*timer)));
            assert_eq!(mod_timer(timers[0], now + 3), 1);
            assert_eq!(mod_timer(timers[2], now + 4), 1);
            assert_eq!(timer_delete(timers[5]), 1);
            assert_eq!(timer_delete_sync(timers[5]), 0);
            assert_eq!(mod_timer(timers[5], now + 9), 0);
            assert_eq!(timer_delete_sync(timers[5]), 1);
            assert!(!timer_pending(timers[5]));
            note_unused(timers[5]);
            now
        };
        fsleep(Delta::from_millis(40));
        let order = order.into_inner().unwrap().into_iter();
        order.map(|(n, at)| (n, at - now)).collect::<Vec<_>>()
    });
    // The fifth is due before now, as for C's `time_before()`.
    assert_eq!(order.unwrap(), [(4, 0), (1, 1), (3, 1), (0, 3), (2, 4)]);
}

/// Frees a timer that was not called.
///
/// # Safety
///
/// It is from [`timer`], and on no queue.
unsafe fn note_unused(timer: *mut timer_list) {
    // SAFETY: The timer is from a box, and on no queue: the caller's guarantee.
    drop(unsafe { Box::from_raw(timer.cast::<Timer<'_>>()) });
}
