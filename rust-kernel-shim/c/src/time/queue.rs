// SPDX-License-Identifier: GPL-2.0-only
//! The queue of timers, and the kernel thread that plays the clock.
//!
//! Each machine has a queue and, while that is not empty, a thread that sleeps until the next timer
//! is due and serves one interrupt for each that is. Time is virtual on a virtual CPU, and real
//! otherwise; the grain is a nanosecond.
//!
//! One lock serves all machines: a timer may be stopped, or started again, by a task of another
//! machine than the one whose queue it is on. No task loses its run token while it holds the lock.

use super::hrtimer::{hrtimer, hrtimer_restart_HRTIMER_RESTART};
use crate::{
    debug::active,
    ffi::{c_int, c_void},
    globals, ktime_t, list_add_tail, list_del_init, list_empty, list_head,
    lockdep::{How, What},
    serve_hardirq, serve_softirq, task_struct, INIT_LIST_HEAD, TASK_IDLE, TASK_NORMAL,
    TASK_RUNNING,
};
use core::{
    cell::UnsafeCell,
    panic::Location,
    ptr::{self, addr_of_mut, null_mut},
};
use machine::{
    blocked::{self, Thing, KINDS},
    clock, failed, task,
};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// The timers of one machine.
pub(crate) struct Timers(UnsafeCell<Queue>);

// SAFETY: What is in the cell is used under `CALLS`' lock only.
unsafe impl Sync for Timers {}
// SAFETY: It is sent only before it is first used.
unsafe impl Send for Timers {}

/// # Invariants
///
/// All timers on the list are valid, and `thread` is not null then. The machine does not end before
/// that thread, which takes itself out under the lock.
struct Queue {
    /// Timers in the order in which they were started; null links until it is first used.
    list: list_head,
    thread: *mut task_struct,
}

/// A call of a timer's function that has not returned; it is on the stack of the thread.
struct Call {
    next: *mut Call,
    timer: *const hrtimer,
    timers: *const Timers,
}

/// The calls of all machines, the last to begin first.
pub(super) struct Calls(*mut Call);

// SAFETY: All that the pointer leads to is used under the lock.
unsafe impl Send for Calls {}

/// Its lock protects the queues of all machines, too.
static CALLS: SpinMutex<Calls> = SpinMutex::new(Calls(null_mut()));

/// The guard of the lock.
pub(super) type Guard = SpinMutexGuard<'static, Calls>;

/// Takes the lock; from any context.
pub(super) fn lock() -> Guard {
    CALLS.lock()
}

impl Calls {
    /// The link that leads to the first call for which `f` holds, or the last link of all.
    fn find(&mut self, f: impl Fn(&Call) -> bool) -> &mut *mut Call {
        let mut link = &mut self.0;
        // SAFETY: A call is valid while it is on the list, which is ours.
        while let Some(call) = unsafe { link.as_mut() }.filter(|call| !f(call)) {
            link = &mut call.next;
        }
        link
    }

    /// The machine that calls the timer's function now.
    pub(super) fn caller_of(&mut self, timer: *const hrtimer) -> Option<*const Timers> {
        // SAFETY: Null, or a call, which is valid while it is on the list.
        let call = unsafe { self.find(|call| ptr::eq(call.timer, timer)).as_ref() };
        call.map(|call| call.timers)
    }

    /// True if the timer's function never returns: the machine that calls it got stuck.
    pub(super) fn stuck_in(&mut self, timer: *const hrtimer) -> bool {
        let Some(timers) = self.caller_of(timer) else {
            return false;
        };
        // SAFETY: The machine does not end before the call, nor does its thread, which makes it.
        let thread = unsafe { &*(*timers).queue(self).thread };
        thread.vcpu().is_some_and(|vcpu| vcpu.is_stuck())
    }
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Queue {
            list: list_head::new(),
            thread: null_mut(),
        }))
    }

    /// From the first call on the queue is not moved.
    fn queue<'a>(&'a self, _lock: &'a mut Calls) -> &'a mut Queue {
        // SAFETY: The lock is the caller's while the result is used.
        let queue = unsafe { &mut *self.0.get() };
        if queue.list.next.is_null() {
            // SAFETY: The list is ours.
            unsafe { INIT_LIST_HEAD(&mut queue.list) };
        }
        queue
    }

    /// Puts the timer behind all others, and has the thread look. A timer whose function is being
    /// called stays with the machine that calls it. Ends the machine if the host has no thread.
    ///
    /// # Safety
    ///
    /// The timer is initialised, not queued, and stays valid until its function has been called for
    /// the last time or it was removed; the function may be called by another thread.
    pub(super) unsafe fn insert(&self, mut lock: Guard, timer: *mut hrtimer) {
        // SAFETY: A call is valid while it is on the list, and its machine does not end before it.
        let timers = lock
            .caller_of(timer)
            .map_or(self, |timers| unsafe { &*timers });
        let queue = timers.queue(&mut lock);
        // First the thread: a timer that is queued is called some time.
        if queue.thread.is_null() {
            // SAFETY: The function has no preconditions.
            queue.thread = unsafe { task::spawn(timer_thread, null_mut(), b"timers", || {}) };
            if queue.thread.is_null() {
                drop(lock);
                machine::end(format_args!("the host has no thread for `timers`"));
            }
        }
        // SAFETY: The timer is valid, and on no list.
        unsafe {
            list_add_tail(addr_of_mut!((*timer).link), &mut queue.list);
            (*timer).timers = timers;
            (*timer).test = failed::this_test();
        }
        queue.kick();
    }

    /// Calls functions until there is no timer left.
    fn serve(&self) {
        let me = task::current();
        loop {
            // Before the list is read, so that no wake-up is lost.
            me.set_state(TASK_IDLE);
            let mut lock = lock();
            let queue = self.queue(&mut lock);
            match queue.next() {
                Some((_, left @ 1..)) => {
                    drop(lock);
                    me.schedule(Some(left.unsigned_abs().into()));
                }
                // SAFETY: On the list.
                Some((timer, _)) => unsafe { self.call(lock, timer) },
                None => {
                    queue.thread = null_mut();
                    drop(lock);
                    return me.set_state(TASK_RUNNING);
                }
            }
        }
    }

    /// Takes the timer off the list and calls its function, and starts it again if that says so.
    ///
    /// # Safety
    ///
    /// The timer is on the list.
    unsafe fn call(&self, mut lock: Guard, timer: *mut hrtimer) {
        let mut call = Call {
            next: lock.0,
            timer,
            timers: self,
        };
        let this = addr_of_mut!(call);
        lock.0 = this;
        // SAFETY: On the list, so it is valid.
        let (soft, function, test, dep_map) = unsafe {
            list_del_init(addr_of_mut!((*timer).link));
            (
                (*timer).soft,
                (*timer).function,
                (*timer).test,
                (*timer).dep_map.copy(),
            )
        };
        drop(lock);
        let asked = active::site_of(timer.addr());
        task::current().set_state(TASK_RUNNING);
        let thing = function_of(timer);
        blocked::acquired(thing, Location::caller());
        // SAFETY: The caller that started the timer vouches for the function.
        let function = || function.map(|function| unsafe { function(timer) });
        let run = || {
            // The copy, since the timer may go.
            let instance = ptr::from_ref(&dep_map).addr();
            let how = How::run(asked);
            dep_map.acquire(instance, What::Event, how, Location::caller());
            let result = failed::work_for(test, function);
            dep_map.release(instance, What::Event);
            result
        };
        let restart = match soft {
            true => serve_softirq(run),
            false => serve_hardirq(run),
        };
        blocked::released(thing.id);
        let mut lock = self::lock();
        // From here on other machines may start it as theirs.
        *lock.find(|call| ptr::eq(call, this)) = call.next;
        // SAFETY: A function that wants its timer started has not freed it. Not if it was started
        // meanwhile, for another time perhaps.
        unsafe {
            if restart == Some(hrtimer_restart_HRTIMER_RESTART) && !queued(timer) {
                failed::work_for(test, || self.insert(lock, timer));
            }
        }
    }
}

/// The function of a timer, for which others may wait.
pub(super) fn function_of(timer: *const hrtimer) -> Thing {
    Thing {
        how: "run",
        ..Thing::new("the function of a timer", (KINDS + 10, timer.addr() as u64))
    }
}

impl Queue {
    /// The timer that is due next, of those that are due at the same time the one that was started
    /// first; and the nanoseconds until then.
    fn next(&mut self) -> Option<(*mut hrtimer, ktime_t)> {
        let (monotonic, real) = (clock::monotonic(), clock::real());
        let mut best = None;
        let head = &raw mut self.list;
        let mut link = self.list.next;
        while link != head {
            let timer: *mut hrtimer = link.cast();
            // SAFETY: On the list, so it is valid; its link is its first field.
            let this = unsafe { &*timer };
            let left = this.left(monotonic, real);
            if best.is_none_or(|(_, least)| left < least) {
                best = Some((timer, left));
            }
            link = this.link.next;
        }
        best
    }

    fn has(&mut self, timer: *const hrtimer) -> bool {
        let (head, mut link) = (&raw mut self.list, self.list.next);
        while link != head {
            if ptr::eq(link.cast(), timer) {
                return true;
            }
            // SAFETY: On the list.
            link = unsafe { (*link).next };
        }
        false
    }

    /// Wakes the thread, to read the list again.
    fn kick(&mut self) {
        // SAFETY: The thread does not end before it has taken itself out.
        unsafe { &*self.thread }.wake(TASK_NORMAL);
    }
}

/// True if the timer is on a list.
///
/// # Safety
///
/// The timer is initialised, and the caller holds the lock.
pub(super) unsafe fn queued(timer: *const hrtimer) -> bool {
    // SAFETY: The timer is initialised, and its link changes under the lock only.
    unsafe { !list_empty(&raw const (*timer).link) }
}

/// Takes the timer off the list that it is on; false if it is on none.
pub(super) unsafe fn remove(lock: &mut Calls, timer: *mut hrtimer) -> bool {
    // SAFETY: The timer is initialised, and the lock held. The machine of its list has not ended.
    unsafe {
        let queued = queued(timer);
        if queued {
            list_del_init(addr_of_mut!((*timer).link));
            // Perhaps there is nothing left to wait for.
            (*(*timer).timers).queue(lock).kick();
        }
        queued
    }
}

extern "C" fn timer_thread(_data: *mut c_void) -> c_int {
    globals::with(|globals| globals.timers.serve());
    0
}

/// True if a timer is on the list of this machine. What `timer` leads to is not looked at.
pub(crate) fn timer_armed(timer: *const hrtimer) -> bool {
    globals::with(|globals| globals.timers.queue(&mut lock()).has(timer))
}

/// Takes a timer back whose memory is about to be freed; false if it is not on the list of this
/// machine.
pub(crate) fn timer_freed(timer: *mut hrtimer) -> bool {
    globals::with(|globals| {
        let mut lock = lock();
        // SAFETY: On the list, so it is valid.
        globals.timers.queue(&mut lock).has(timer) && unsafe { remove(&mut lock, timer) }
    })
}
