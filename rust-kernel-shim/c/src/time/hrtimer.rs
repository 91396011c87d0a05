// SPDX-License-Identifier: GPL-2.0-only
//! High-resolution timers: functions that a clock's interrupt calls.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)
//!
//! A kernel thread plays the clock: it sleeps until the next timer is due, and serves one
//! interrupt for each that is. It is created for the first timer and ends with the last. Time is
//! virtual on a virtual CPU, and real otherwise; the grain is a nanosecond.

use crate::{
    ffi::{c_int, c_uint, c_void},
    WARN_ON,
};
use crate::{
    globals, kthread_create, ktime_t, sched::spinlock::Relax, serve_hardirq, serve_softirq,
    set_current_state, task_struct, wake_up_process, CLOCK_BOOTTIME, CLOCK_MONOTONIC,
    CLOCK_REALTIME, CLOCK_TAI, TASK_UNINTERRUPTIBLE,
};
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};
use machine::{clock, task};
use spin::mutex::SpinMutex;

/// What a timer's function wants to come next.
pub type hrtimer_restart = c_uint;
/// Nothing.
pub const hrtimer_restart_HRTIMER_NORESTART: hrtimer_restart = 0;
/// The timer starts again, with its expiry, which the function has moved.
pub const hrtimer_restart_HRTIMER_RESTART: hrtimer_restart = 1;

/// How a timer's time is to be understood, and where its function is called.
pub type hrtimer_mode = c_uint;

/// The modes: sums of what is wanted.
macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const $name: hrtimer_mode = $value;
    )*};
}

const PINNED: hrtimer_mode = 2;
const SOFT: hrtimer_mode = 4;
const HARD: hrtimer_mode = 8;

modes! {
    /// A point in time.
    hrtimer_mode_HRTIMER_MODE_ABS = 0;
    /// A span from now.
    hrtimer_mode_HRTIMER_MODE_REL = 1;
    /// A point in time, on this processor.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED = PINNED;
    /// A span from now, on this processor.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED = 1 | PINNED;
    /// A point in time, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_SOFT = SOFT;
    /// A span from now, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_SOFT = 1 | SOFT;
    /// A point in time, on this processor, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED_SOFT = PINNED | SOFT;
    /// A span from now, on this processor, in a soft interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED_SOFT = 1 | PINNED | SOFT;
    /// A point in time, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_HARD = HARD;
    /// A span from now, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_HARD = 1 | HARD;
    /// A point in time, on this processor, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_ABS_PINNED_HARD = PINNED | HARD;
    /// A span from now, on this processor, in a hard interrupt.
    hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD = 1 | PINNED | HARD;
}

type Function = Option<unsafe extern "C" fn(timer: *mut hrtimer) -> hrtimer_restart>;

/// A function to be called at a time.
///
/// # Invariants
///
/// `queued` is true exactly while the timer is on the list of its machine. It and `next` change
/// only under the lock of that list.
#[repr(C)]
pub struct hrtimer {
    next: *mut hrtimer,
    expires: AtomicI64,
    queued: AtomicBool,
    clock: c_uint,
    soft: bool,
    function: Function,
}

impl hrtimer {
    fn now(&self) -> ktime_t {
        match self.clock {
            CLOCK_REALTIME | CLOCK_TAI => clock::real(),
            _ => clock::monotonic(),
        }
    }
}

/// The timers of one machine.
pub(crate) struct HrTimers(SpinMutex<Inner, Relax>);

/// # Invariants
///
/// `alive` is true exactly while there is a thread that will look at the list again; `task` is
/// that thread, once it runs.
struct Inner {
    /// In the order in which they were started.
    first: *mut hrtimer,
    alive: bool,
    task: *mut task_struct,
    /// Whose function is being called.
    running: *mut hrtimer,
}

// SAFETY: All that the pointers lead to is used under the lock.
unsafe impl Send for Inner {}

impl HrTimers {
    pub(crate) const fn new() -> Self {
        Self(SpinMutex::new(Inner {
            first: null_mut(),
            alive: false,
            task: null_mut(),
            running: null_mut(),
        }))
    }
}

impl Inner {
    /// The link that leads to `timer`, or the last one if it is not there.
    fn link_to(&mut self, timer: *mut hrtimer) -> &mut *mut hrtimer {
        let mut link = &mut self.first;
        while !link.is_null() && !core::ptr::eq(*link, timer) {
            // SAFETY: On the list, so it is valid; the lock makes the link ours.
            link = unsafe { &mut (**link).next };
        }
        link
    }

    /// Puts the timer behind all others.
    ///
    /// # Safety
    ///
    /// The timer is initialised and not queued, and stays valid while it is.
    unsafe fn insert(&mut self, timer: *mut hrtimer) {
        *self.link_to(null_mut()) = timer;
        // SAFETY: By the safety requirements.
        unsafe {
            (*timer).next = null_mut();
            (*timer).queued.store(true, Relaxed);
        }
    }

    /// Takes the timer off the list; false if it is not there.
    ///
    /// # Safety
    ///
    /// The timer is initialised.
    unsafe fn remove(&mut self, timer: *mut hrtimer) -> bool {
        // SAFETY: By the safety requirements.
        let timer = unsafe { &*timer };
        // INVARIANT: It is taken off below.
        if !timer.queued.swap(false, Relaxed) {
            return false;
        }
        *self.link_to(core::ptr::from_ref(timer).cast_mut()) = timer.next;
        true
    }

    /// The timer that is due next, of those that are due at the same time the one that was
    /// started first; and the nanoseconds until then.
    fn next(&self) -> Option<(*mut hrtimer, i64)> {
        let mut best = None;
        let mut timer = self.first;
        // SAFETY: On the list, so it is valid.
        while let Some(this) = unsafe { timer.as_ref() } {
            let left = this.expires.load(Relaxed).saturating_sub(this.now());
            if best.is_none_or(|(_, least)| left.max(0) < least) {
                best = Some((timer, left.max(0)));
            }
            timer = this.next;
        }
        best
    }

    /// Has the thread look at the list again.
    fn kick(&mut self) {
        // SAFETY: The thread does not end before it has said so under the lock, and one that
        // was just created not before it was woken.
        unsafe {
            if !self.alive {
                self.alive = true;
                let name = crate::as_char_ptr(c"hrtimers");
                let task = kthread_create(hrtimer_thread, null_mut(), name);
                // An error pointer is -ENOMEM.
                crate::BUG_ON!(task.addr().cast_signed() == -12);
                wake_up_process(task);
            } else if !self.task.is_null() {
                wake_up_process(self.task);
            }
        }
    }
}

/// # Safety
///
/// None; it is a thread's function.
unsafe extern "C" fn hrtimer_thread(_data: *mut c_void) -> c_int {
    globals::with(|globals| {
        let timers = &globals.hrtimers;
        loop {
            let mut inner = timers.0.lock();
            inner.task = core::ptr::from_ref(task::current()).cast_mut();
            match inner.next() {
                None => {
                    inner.alive = false;
                    inner.task = null_mut();
                    return;
                }
                Some((timer, ..=0)) => {
                    inner.running = timer;
                    // SAFETY: On the list, so it is valid.
                    let soft = unsafe {
                        inner.remove(timer);
                        (*timer).soft
                    };
                    drop(inner);
                    // SAFETY: It was queued, and now it is the one that runs.
                    let call = || unsafe { timers.call(timer) };
                    if soft {
                        serve_softirq(call);
                    } else {
                        serve_hardirq(call);
                    }
                }
                Some((_, left)) => {
                    // Before the lock is released, so that no wake-up is lost.
                    // SAFETY: The task blocks, or goes on, below.
                    unsafe { set_current_state(TASK_UNINTERRUPTIBLE) };
                    drop(inner);
                    task::current().schedule(Some(left.unsigned_abs().into()));
                }
            }
        }
    });
    0
}

impl HrTimers {
    /// Calls the timer's function, and starts the timer again if that says so.
    ///
    /// # Safety
    ///
    /// The timer is the one that runs.
    unsafe fn call(&self, timer: *mut hrtimer) {
        // SAFETY: Whoever wants to free the timer waits until it does not run.
        let function = unsafe { (*timer).function };
        // SAFETY: Who started the timer vouches for the function.
        let restart = function.map(|function| unsafe { function(timer) });
        let mut inner = self.0.lock();
        if restart == Some(hrtimer_restart_HRTIMER_RESTART) {
            // SAFETY: As above: whoever says so has not freed it. Not if somebody has
            // started it meanwhile, for another time perhaps.
            unsafe {
                if !(*timer).queued.load(Relaxed) {
                    inner.insert(timer);
                }
            }
        }
        inner.running = null_mut();
    }
}

/// Makes `timer` one that calls `function`, by one of the clocks.
///
/// # Safety
///
/// `timer` is valid for writes.
pub unsafe fn hrtimer_setup(
    timer: *mut hrtimer,
    function: Function,
    clock_id: c_int,
    mode: hrtimer_mode,
) {
    let clock = clock_id.cast_unsigned();
    let known = [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI].contains(&clock);
    WARN_ON!(!known || function.is_none());
    // SAFETY: By the safety requirements.
    unsafe {
        timer.write(hrtimer {
            next: null_mut(),
            expires: AtomicI64::new(0),
            queued: AtomicBool::new(false),
            clock,
            soft: mode & SOFT != 0,
            function,
        })
    };
}

/// Starts a timer, or changes when it is due: in, or at, `tim` nanoseconds. From any context.
///
/// The timer may be up to `delta_ns` late; here it is not.
///
/// # Safety
///
/// `timer` is initialised, and stays valid until its function has been called for the last time
/// or it is cancelled; the function may be called by another thread.
pub unsafe fn hrtimer_start_range_ns(
    timer: *mut hrtimer,
    tim: ktime_t,
    _delta_ns: u64,
    mode: hrtimer_mode,
) {
    task::point();
    globals::with(|globals| {
        let mut inner = globals.hrtimers.0.lock();
        // SAFETY: By the safety requirements.
        unsafe {
            inner.remove(timer);
            let start = if mode & hrtimer_mode_HRTIMER_MODE_REL != 0 {
                (*timer).now()
            } else {
                0
            };
            (*timer).expires.store(start.saturating_add(tim), Relaxed);
            inner.insert(timer);
        }
        inner.kick();
    });
}

/// Stops a timer: 1 if it was to come, 0 if not, -1 if its function is running, in which case
/// nothing is stopped. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn hrtimer_try_to_cancel(timer: *mut hrtimer) -> c_int {
    task::point();
    globals::with(|globals| {
        let mut inner = globals.hrtimers.0.lock();
        if core::ptr::eq(inner.running, timer) {
            return -1;
        }
        // SAFETY: By the safety requirements.
        let queued = unsafe { inner.remove(timer) };
        if queued {
            // Perhaps there is nothing left to wait for.
            inner.kick();
        }
        queued.into()
    })
}

/// Stops a timer, and waits while its function is running: 1 if it was to come, else 0. From any
/// context in which the function could run meanwhile.
///
/// # Safety
///
/// `timer` is initialised, and the caller is not its function.
pub unsafe fn hrtimer_cancel(timer: *mut hrtimer) -> c_int {
    loop {
        // SAFETY: By the safety requirements.
        let result = unsafe { hrtimer_try_to_cancel(timer) };
        if result >= 0 {
            return result;
        }
        // SAFETY: There is nothing to promise.
        unsafe { crate::cpu_relax() };
    }
}

/// Moves the expiry past `now` by as many intervals as it takes, and gives their number: 0 if it
/// is past `now` already. From the timer's function, or while the timer is stopped.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn hrtimer_forward(timer: *mut hrtimer, now: ktime_t, interval: ktime_t) -> u64 {
    // SAFETY: By the safety requirements.
    let timer = unsafe { &*timer };
    let expires = timer.expires.load(Relaxed);
    let late = now.saturating_sub(expires);
    if late < 0 || WARN_ON!(timer.queued.load(Relaxed)) {
        return 0;
    }
    let interval = interval.max(1);
    let intervals = late / interval + 1;
    let moved = intervals.saturating_mul(interval);
    timer.expires.store(expires.saturating_add(moved), Relaxed);
    intervals.unsigned_abs()
}

/// When the timer is due, or was: nanoseconds of its clock. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn hrtimer_get_expires(timer: *const hrtimer) -> ktime_t {
    // SAFETY: By the safety requirements.
    unsafe { &(*timer).expires }.load(Relaxed)
}

/// The time by the timer's clock. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn hrtimer_cb_get_time(timer: *const hrtimer) -> ktime_t {
    // SAFETY: By the safety requirements.
    unsafe { &*timer }.now()
}

/// True while the timer is to come or its function is running. From any context.
///
/// # Safety
///
/// `timer` is initialised.
pub unsafe fn hrtimer_active(timer: *const hrtimer) -> bool {
    globals::with(|globals| {
        let inner = globals.hrtimers.0.lock();
        // SAFETY: By the safety requirements.
        let queued = unsafe { &(*timer).queued }.load(Relaxed);
        queued || core::ptr::eq(inner.running, timer)
    })
}
