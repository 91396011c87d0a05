// SPDX-License-Identifier: GPL-2.0-only
//! Interrupt lines, and the handlers of drivers.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h)
//!
//! A line belongs to a machine, and its interrupts are edges, as those of a PCI device are (MSI):
//! one that comes while the handlers run has them run once more, and while the line is disabled it
//! is remembered. One for which there is no handler is lost.
//!
//! What differs from Linux: a simulated device raises its line itself ([`debug_irq_raise`]); and
//! waiting for handlers always sleeps, where Linux spins for those in hard interrupts. Where a
//! schedule is explored, an interrupt may be lost, or late: a timer of the line's has it come then.

use super::{
    irq_work::{init_irq_work, irq_work, irq_work_queue, irq_work_sync},
    irqflags::{in_hardirq, irqs_disabled, local_irq_disable},
};
use crate::{
    container_of,
    ffi::{c_char, c_int, c_uint, c_ulong, c_void},
    from_char_ptr, get_task_struct,
    globals::{self, Globals},
    init_waitqueue_head, kfree, kmalloc_obj, kthread_create, kthread_should_stop, kthread_stop,
    lockdep::{dep_map, slept, How, Off, What},
    may_sleep, put_task_struct,
    rule::{site, Site},
    sched::{spinlock::Relax, wait::wait_event},
    task_struct,
    time::hrtimer::{
        arm, hrtimer, hrtimer_cancel, hrtimer_mode_HRTIMER_MODE_REL, hrtimer_restart,
        hrtimer_restart_HRTIMER_NORESTART, hrtimer_setup,
    },
    wait_queue_head, wake_up_all, wake_up_process, CLOCK_MONOTONIC, EBUSY, EINVAL, ENOMEM,
    GFP_KERNEL, INIT_LIST_HEAD, MAX_SCHEDULE_TIMEOUT, TASK_COMM_LEN, TASK_IDLE, TASK_RUNNING, WARN,
    WARN_ON,
};
use core::{
    cell::UnsafeCell,
    fmt::Write,
    mem::{replace, take, MaybeUninit},
    panic::Location,
    ptr::{self, addr_of_mut, null, null_mut},
};
use machine::{
    blocked::{self, Thing, KINDS},
    failed, task,
    vcpu::{self, Interrupt},
};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// What a handler did, or wants.
pub type irqreturn_t = c_uint;
/// It was not the device of this handler.
pub const irqreturn_IRQ_NONE: irqreturn_t = 0;
/// It was, and it is done.
pub const irqreturn_IRQ_HANDLED: irqreturn_t = 1;
/// The thread of the handler is to run.
pub const irqreturn_IRQ_WAKE_THREAD: irqreturn_t = 2;

/// A handler of interrupts.
pub type irq_handler_t = Option<unsafe extern "C" fn(irq: c_int, dev: *mut c_void) -> irqreturn_t>;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const $name: c_uint = $value;
    )*};
}

flags! {
    /// As the line is set up.
    IRQF_TRIGGER_NONE = 0;
    /// At a rising edge.
    IRQF_TRIGGER_RISING = 1 << 0;
    /// At a falling edge.
    IRQF_TRIGGER_FALLING = 1 << 1;
    /// While the level is high: there are only edges here.
    IRQF_TRIGGER_HIGH = 1 << 2;
    /// While the level is low: there are only edges here.
    IRQF_TRIGGER_LOW = 1 << 3;
    /// All of these.
    IRQF_TRIGGER_MASK = 0xf;
    /// The line may have more handlers.
    IRQF_SHARED = 1 << 7;
    /// It is no surprise if it may not.
    IRQF_PROBE_SHARED = 1 << 8;
    /// The interrupt is that of a timer.
    IRQF_TIMER = 1 << 9 | IRQF_NO_SUSPEND | IRQF_NO_THREAD;
    /// The interrupt is one processor's; of no meaning here.
    IRQF_PERCPU = 1 << 10;
    /// It stays with its processor; of no meaning here.
    IRQF_NOBALANCING = 1 << 11;
    /// It is polled; of no meaning here.
    IRQF_IRQPOLL = 1 << 12;
    /// The line stays masked until the thread is done, if it has levels; edges are not masked.
    IRQF_ONESHOT = 1 << 13;
    /// It comes during suspend too; there is none here.
    IRQF_NO_SUSPEND = 1 << 14;
    /// It is enabled at resume; there is none here.
    IRQF_FORCE_RESUME = 1 << 15;
    /// No thread can do its work.
    IRQF_NO_THREAD = 1 << 16;
    /// It is enabled early at resume; there is none here.
    IRQF_EARLY_RESUME = 1 << 17;
    /// It comes during suspend if another handler of the line needs it; there is none here.
    IRQF_COND_SUSPEND = 1 << 18;
    /// The line stays disabled until [`enable_irq`].
    IRQF_NO_AUTOEN = 1 << 19;
    /// It is not looked for interrupts that run away, which is not done here.
    IRQF_NO_DEBUG = 1 << 20;
}

/// A handler of a line.
struct irqaction {
    next: *mut irqaction,
    desc: *mut irq_desc,
    handler: irq_handler_t,
    thread_fn: irq_handler_t,
    dev_id: *mut c_void,
    flags: c_uint,
    name: *const c_char,
    thread: *mut task_struct,
    /// The thread is to run, once more.
    run_thread: bool,
    /// The test that has requested it, and where, in a debug kernel.
    test: u64,
    asked: Option<Site>,
    /// Held while the handler runs, and while its thread does.
    dep_maps: [dep_map; 2],
}

/// An interrupt line.
///
/// # Invariants
///
/// All fields change under the lock of the machine's lines only; `irq` and `machine`
/// never do.
pub struct irq_desc {
    next: *mut irq_desc,
    irq: c_uint,
    /// The number of the machine.
    machine: u64,
    /// The handlers, in the order of their requests.
    action: *mut irqaction,
    /// How often it was disabled.
    depth: c_uint,
    /// An interrupt came while it was disabled, or its handlers ran.
    pending: bool,
    in_progress: bool,
    /// Threads that were woken and are not done.
    threads_active: c_uint,
    /// Takes the interrupt once interrupts are enabled.
    raise: irq_work,
    /// Takes one that is late.
    late: hrtimer,
}

struct Inner {
    first: *mut irq_desc,
    /// The number of the last line.
    last: c_uint,
    ready: bool,
}

// SAFETY: The lines are used under the lock.
unsafe impl Send for Inner {}

/// The lines of one machine.
pub(crate) struct Irqs {
    inner: SpinMutex<Inner, Relax>,
    /// Woken whenever the handlers of a line, or a thread, are done.
    done: UnsafeCell<MaybeUninit<wait_queue_head>>,
}

// SAFETY: `inner` is used under its lock, under which `done`, which has its own, is initialised.
unsafe impl Sync for Irqs {}
// SAFETY: Nothing in it belongs to a thread. It does not move once `done` is initialised.
unsafe impl Send for Irqs {}

type Guard<'a> = SpinMutexGuard<'a, Inner>;

impl Irqs {
    pub(crate) const fn new() -> Self {
        Self {
            inner: SpinMutex::new(Inner {
                first: null_mut(),
                last: 0,
                ready: false,
            }),
            done: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Takes the lock, not for long; from any context, as the one of the pools of workers.
    fn lock(&self) -> Guard<'_> {
        task::point();
        let mut inner = self.inner.lock();
        if !inner.ready {
            inner.ready = true;
            // SAFETY: `self` does not move from here on: `Globals` is only used in a static or
            // boxed. `done` is used only after this.
            unsafe { init_waitqueue_head(self.done()) };
        }
        inner
    }

    fn done(&self) -> *mut wait_queue_head {
        self.done.get().cast()
    }

    fn wake(&self, _inner: &mut Inner) {
        // SAFETY: Initialised, since the lock was taken.
        unsafe { wake_up_all(self.done()) };
    }
}

impl Inner {
    fn find(&mut self, irq: c_uint) -> Option<*mut irq_desc> {
        let mut desc = self.first;
        // SAFETY: On the list, so it is valid.
        while !desc.is_null() && unsafe { (*desc).irq } != irq {
            // SAFETY: As above.
            desc = unsafe { (*desc).next };
        }
        (!desc.is_null()).then_some(desc)
    }
}

/// Calls `f` under the lock with a line of this machine, if there is one of that number.
fn with<R>(irq: c_uint, f: impl FnOnce(*mut irq_desc) -> R) -> Option<R> {
    globals::with(|globals| {
        let mut inner = globals.irqs.lock();
        inner.find(irq).map(f)
    })
}

/// What a task that waits for handlers is said to wait for.
fn handlers_of(irq: c_uint) -> Thing {
    Thing {
        how: "run",
        ..Thing::new("the handlers of an interrupt", (KINDS + 11, irq.into()))
    }
}

/// A new line of this machine; null without memory. May sleep.
pub fn debug_irq_line() -> *mut irq_desc {
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let desc: *mut irq_desc = unsafe { kmalloc_obj(GFP_KERNEL) };
    if desc.is_null() {
        return desc;
    }
    globals::with(|globals| {
        let mut inner = globals.irqs.lock();
        inner.last += 1;
        // SAFETY: The block is large enough, and ours until it is on the list.
        unsafe {
            init_irq_work(addr_of_mut!((*desc).raise), Some(raised));
            let raise = ptr::read(addr_of_mut!((*desc).raise));
            let (clock, mode) = (CLOCK_MONOTONIC, hrtimer_mode_HRTIMER_MODE_REL);
            // CAST: A small number.
            hrtimer_setup(
                addr_of_mut!((*desc).late),
                Some(comes),
                clock as c_int,
                mode,
            );
            let late = ptr::read(addr_of_mut!((*desc).late));
            desc.write(irq_desc {
                next: replace(&mut inner.first, desc),
                irq: inner.last,
                machine: globals.number(),
                action: null_mut(),
                depth: 1,
                pending: false,
                in_progress: false,
                threads_active: 0,
                raise,
                late,
            });
            // Its link is its first field, and leads to itself, which has moved.
            INIT_LIST_HEAD(addr_of_mut!((*desc).late).cast());
        }
    });
    desc
}

/// The number of a line. From any context.
pub unsafe fn debug_irq_number(desc: *const irq_desc) -> c_uint {
    // SAFETY: `desc` is valid: the caller's guarantee. The number never changes.
    unsafe { (*desc).irq }
}

/// True if the line is one of the task's machine; else there is a warning.
unsafe fn is_ours(globals: &Globals, desc: *const irq_desc) -> bool {
    // SAFETY: `desc` is valid: the caller's guarantee. The machine never changes.
    let ours = unsafe { (*desc).machine } == globals.number();
    !WARN!(!ours, "the interrupt line is one of another machine")
}

/// The end of a line. One that has a handler, or is of another machine, stays. May sleep.
///
/// # Safety
///
/// `desc` is from [`debug_irq_line`], and not used any more.
pub unsafe fn debug_irq_line_goes(desc: *mut irq_desc) {
    // SAFETY: `desc` is valid, and raised no more: the caller's guarantee.
    unsafe {
        hrtimer_cancel(addr_of_mut!((*desc).late));
        irq_work_sync(addr_of_mut!((*desc).raise));
    }
    let unused = globals::with(|globals| {
        // SAFETY: `desc` is valid: the caller's guarantee.
        if !unsafe { is_ours(globals, desc) } {
            return false;
        }
        let mut inner = globals.irqs.lock();
        // SAFETY: `desc` is valid; the lock is held.
        let action = unsafe { (*desc).action };
        if WARN_ON!(!action.is_null()) {
            return false;
        }
        let mut link = &raw mut inner.first;
        // SAFETY: The line is on the list, whose links are valid.
        unsafe {
            while *link != desc {
                link = addr_of_mut!((**link).next);
            }
            *link = (*desc).next;
        }
        true
    });
    if unused {
        // SAFETY: From `kmalloc_obj()`, and off the list.
        unsafe { kfree(desc.cast()) };
    }
}

/// A simulated device raises its line: the handlers run at once, in a hard interrupt, if interrupts
/// are enabled here, or if this is one already; else when they are enabled. From any context.
///
/// # Safety
///
/// `desc` is valid until its handlers have run.
pub unsafe fn debug_irq_raise(desc: *mut irq_desc) {
    // SAFETY: `desc` is valid: the caller's guarantee.
    if !globals::with(|globals| unsafe { is_ours(globals, desc) }) {
        return;
    }
    let interrupt = vcpu::with(|vcpu| vcpu.interrupt());
    match interrupt.unwrap_or(Interrupt::Comes) {
        Interrupt::Comes => (),
        Interrupt::Lost => return,
        // SAFETY: `desc` is valid until `debug_irq_line_goes()`, which cancels the timer. One that is
        // late already comes with this one.
        Interrupt::Late(ns) => unsafe {
            let mode = hrtimer_mode_HRTIMER_MODE_REL;
            arm(addr_of_mut!((*desc).late), ns.into(), mode);
            return;
        },
    }
    // SAFETY: `in_hardirq()` has no preconditions.
    if unsafe { in_hardirq() } {
        // SAFETY: `desc` is valid: the caller's guarantee.
        globals::with(|globals| unsafe { handle_edge_irq(&globals.irqs, desc) });
    } else {
        // SAFETY: `desc` is valid until then: the caller's guarantee.
        unsafe { irq_work_queue(addr_of_mut!((*desc).raise)) };
    }
}

/// An interrupt that was late.
///
/// # Safety
///
/// `timer` is that of an [`irq_desc`].
unsafe extern "C" fn comes(timer: *mut hrtimer) -> hrtimer_restart {
    // SAFETY: The caller says so.
    let desc = unsafe { container_of!(timer, irq_desc, late) };
    // SAFETY: The line is valid until its timer was cancelled.
    globals::with(|globals| unsafe { handle_edge_irq(&globals.irqs, desc) });
    hrtimer_restart_HRTIMER_NORESTART
}

/// # Safety
///
/// `work` is that of an [`irq_desc`].
unsafe extern "C" fn raised(work: *mut irq_work) {
    // SAFETY: The caller says so.
    let desc = unsafe { container_of!(work, irq_desc, raise) };
    // SAFETY: The line is valid as long as its work is queued.
    globals::with(|globals| unsafe { handle_edge_irq(&globals.irqs, desc) });
}

/// Runs the handlers of a line, in a hard interrupt.
///
/// # Safety
///
/// `desc` is valid, and one of `irqs`.
unsafe fn handle_edge_irq(irqs: &Irqs, desc: *mut irq_desc) {
    let mut inner = irqs.lock();
    // SAFETY: `desc` is valid: the caller's guarantee. It is used under the lock.
    unsafe {
        if (*desc).in_progress || (*desc).depth != 0 {
            (*desc).pending = !(*desc).action.is_null();
            return;
        }
        let thing = handlers_of((*desc).irq);
        blocked::acquired(thing, Location::caller());
        loop {
            (*desc).pending = false;
            (*desc).in_progress = true;
            inner = handle_irq_event(irqs, inner, desc);
            (*desc).in_progress = false;
            if !(*desc).pending || (*desc).depth != 0 {
                break;
            }
        }
        blocked::released(thing.id);
    }
    // Under the lock: a waiter frees the line.
    irqs.wake(&mut inner);
}

/// # Safety
///
/// As [`handle_edge_irq`], and the line is in progress, so that no handler of it is freed.
unsafe fn handle_irq_event<'a>(
    irqs: &'a Irqs,
    mut inner: Guard<'a>,
    desc: *mut irq_desc,
) -> Guard<'a> {
    // SAFETY: `desc` is valid: the caller's guarantee. The lock is held.
    let mut action = unsafe { (*desc).action };
    while !action.is_null() {
        drop(inner);
        // SAFETY: Not freed while the line is in progress.
        let result = unsafe { run(action, false) };
        // SAFETY: `irqs_disabled()` has no preconditions.
        let enabled = unsafe { !irqs_disabled() };
        // SAFETY: As above.
        let irq = unsafe { (*desc).irq };
        if WARN!(enabled, "irq {irq} handler enabled interrupts") {
            // SAFETY: `local_irq_disable()` has no preconditions.
            unsafe { local_irq_disable() };
        }
        inner = irqs.lock();
        // SAFETY: As above, and the lock is held.
        unsafe {
            if result == irqreturn_IRQ_WAKE_THREAD {
                wake_thread(&mut inner, action);
            }
            action = (*action).next;
        }
    }
    inner
}

/// Wakes the thread of a handler, unless it is to run anyway.
///
/// # Safety
///
/// `action` is valid.
unsafe fn wake_thread(_inner: &mut Inner, action: *mut irqaction) {
    // SAFETY: `action` is valid, and its line with it. The lock is held. The thread ends when the
    // action does.
    unsafe {
        let thread = (*action).thread;
        let irq = (*(*action).desc).irq;
        if WARN!(
            thread.is_null(),
            "IRQ {irq} device {:?} returned IRQ_WAKE_THREAD but no thread function available.",
            from_char_ptr((*action).name)
        ) {
            return;
        }
        if !replace(&mut (*action).run_thread, true) {
            (*(*action).desc).threads_active += 1;
            wake_up_process(thread);
        }
    }
}

/// Runs a handler, or the function of its thread, for its test, with what stands for it held.
///
/// # Safety
///
/// `action` is valid.
unsafe fn run(action: *mut irqaction, thread: bool) -> irqreturn_t {
    // SAFETY: `action` is valid, and its line with it: the caller's guarantee. What is used here
    // never changes. The caller of `request_threaded_irq()` vouches for the function.
    unsafe {
        let map = &(*action).dep_maps[usize::from(thread)];
        let instance = ptr::from_ref(map).addr();
        let function = match thread {
            false => (*action).handler,
            true => (*action).thread_fn,
        };
        let (irq, dev) = ((*(*action).desc).irq.cast_signed(), (*action).dev_id);
        let how = How::run((*action).asked);
        map.acquire(instance, What::Event, how, Location::caller());
        let result = failed::work_for((*action).test, || {
            function.map_or(irqreturn_IRQ_NONE, |function| function(irq, dev))
        });
        map.release(instance, What::Event);
        result
    }
}

/// The thread of a handler.
///
/// # Safety
///
/// `data` is an [`irqaction`] that is valid until the thread has ended.
unsafe extern "C" fn irq_thread(data: *mut c_void) -> c_int {
    let action: *mut irqaction = data.cast();
    let me = task::current();
    globals::with(|globals| loop {
        // Before the look, so that no wake-up is lost.
        me.set_state(TASK_IDLE);
        let inner = globals.irqs.lock();
        // SAFETY: `action` is valid: the caller's guarantee. The lock is held.
        let run = unsafe { take(&mut (*action).run_thread) };
        drop(inner);
        // SAFETY: `kthread_should_stop()` has no preconditions.
        if !run && unsafe { kthread_should_stop() } {
            return me.set_state(TASK_RUNNING);
        }
        if !run {
            me.schedule(None);
            slept();
            continue;
        }
        me.set_state(TASK_RUNNING);
        // SAFETY: As above.
        unsafe {
            let thing = handlers_of((*(*action).desc).irq);
            blocked::acquired(thing, Location::caller());
            self::run(action, true);
            blocked::released(thing.id);
        }
        let mut inner = globals.irqs.lock();
        // SAFETY: As above, and the lock is held.
        unsafe { (*(*action).desc).threads_active -= 1 };
        globals.irqs.wake(&mut inner);
    });
    0
}

/// Has `handler` called for the interrupts of a line, with `dev`. May sleep.
///
/// Returns 0, or what [`request_threaded_irq`] does.
///
/// # Safety
///
/// As [`request_threaded_irq`].
#[track_caller]
pub unsafe fn request_irq(
    irq: c_uint,
    handler: irq_handler_t,
    flags: c_ulong,
    name: *const c_char,
    dev: *mut c_void,
) -> c_int {
    // SAFETY: The caller's guarantees are the same.
    unsafe { request_threaded_irq(irq, handler, None, flags, name, dev) }
}

extern "C" fn default_handler(_irq: c_int, _dev: *mut c_void) -> irqreturn_t {
    irqreturn_IRQ_WAKE_THREAD
}

/// Has `handler` called in a hard interrupt for the interrupts of a line, with `dev`, and `thread_fn`
/// in a thread if that says so; without a `handler`, always. May sleep.
///
/// Returns 0; `-EINVAL` if there is no such line or such flags; `-EBUSY` if it has a handler and not
/// both share it; `-ENOMEM`.
///
/// # Safety
///
/// The functions may be called with `dev`, in these contexts, until [`free_irq`] has returned; the
/// name lives as long.
#[track_caller]
pub unsafe fn request_threaded_irq(
    irq: c_uint,
    handler: irq_handler_t,
    thread_fn: irq_handler_t,
    flags: c_ulong,
    name: *const c_char,
    dev: *mut c_void,
) -> c_int {
    may_sleep();
    let at = Location::caller();
    // CAST: The flags of a handler are below 32 bits.
    let flags = flags as c_uint;
    let has = |flag| flags & flag != 0;
    let refused = has(IRQF_SHARED) && (dev.is_null() || has(IRQF_NO_AUTOEN))
        || has(IRQF_COND_SUSPEND) && (!has(IRQF_SHARED) || has(IRQF_NO_SUSPEND))
        || has(IRQF_TRIGGER_HIGH | IRQF_TRIGGER_LOW)
        || handler.is_none() && (thread_fn.is_none() || !has(IRQF_ONESHOT));
    let Some(desc) = with(irq, |desc| desc).filter(|_| !refused) else {
        return -EINVAL.cast_signed();
    };
    // SAFETY: `kmalloc_obj()` has no preconditions.
    let action: *mut irqaction = unsafe { kmalloc_obj(GFP_KERNEL) };
    if action.is_null() {
        return -ENOMEM.cast_signed();
    }
    let handler = handler.or(Some(default_handler));
    let map = |function: irq_handler_t| {
        let key = function.map_or(null_mut(), |function| function as *mut c_void);
        // SAFETY: A name lives forever. All handlers of a function are of one class.
        unsafe { dep_map::named(name, key.cast(), What::Event) }
    };
    // SAFETY: The block is large enough, and ours.
    unsafe {
        action.write(irqaction {
            next: null_mut(),
            desc,
            handler,
            thread_fn,
            dev_id: dev,
            flags,
            name,
            thread: null_mut(),
            run_thread: false,
            test: failed::this_test(),
            asked: cfg!(feature = "debug").then(|| site(at)),
            dep_maps: [map(handler), map(thread_fn)],
        });
    }
    // SAFETY: The action is ours, and the thread ends before it does.
    let result = match unsafe { start_thread(action) } {
        // SAFETY: The lock is held, and the action ours.
        0 => with(irq, |desc| unsafe { add(desc, action) }).unwrap_or(-EINVAL.cast_signed()),
        error => error,
    };
    if result != 0 {
        // SAFETY: On no line.
        unsafe { free(action) };
    }
    result
}

/// Starts the thread of a handler, if it is to have one; 0, or an error.
///
/// # Safety
///
/// `action` is the caller's, and freed by [`free`].
unsafe fn start_thread(action: *mut irqaction) -> c_int {
    // SAFETY: The action is the caller's, and its line is there.
    unsafe {
        if (*action).thread_fn.is_none() {
            return 0;
        }
        let mut comm = Comm([0; TASK_COMM_LEN], 0);
        let name = from_char_ptr((*action).name);
        let _ = write!(
            comm,
            "irq/{}-{}",
            (*(*action).desc).irq,
            Bytes(name.to_bytes())
        );
        let thread = kthread_create(irq_thread, action.cast(), comm.0.as_ptr());
        // C: `IS_ERR()`.
        if thread.addr() > usize::MAX - 4095 {
            return -ENOMEM.cast_signed();
        }
        get_task_struct(thread);
        (*action).thread = thread;
        wake_up_process(thread);
    }
    0
}

/// The name of a task, and how much of it there is.
struct Comm([u8; TASK_COMM_LEN], usize);

impl Write for Comm {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for &byte in text.as_bytes().iter().take(TASK_COMM_LEN - 1 - self.1) {
            self.0[self.1] = byte;
            self.1 += 1;
        }
        Ok(())
    }
}

/// Bytes that are text, as far as they are.
struct Bytes<'a>(&'a [u8]);

impl core::fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(self.0).unwrap_or("?"))
    }
}

/// Adds a handler to a line; 0, or `-EBUSY`.
///
/// # Safety
///
/// The line is valid, and its lock held; `action` is the caller's.
unsafe fn add(desc: *mut irq_desc, action: *mut irqaction) -> c_int {
    // SAFETY: The caller's guarantees. The actions of a line are valid.
    unsafe {
        let new = (*action).flags;
        let mut link = addr_of_mut!((*desc).action);
        if !(*link).is_null() {
            let old = (**link).flags;
            let differ = (old ^ new) & (IRQF_TRIGGER_MASK | IRQF_ONESHOT) != 0;
            if old & new & IRQF_SHARED == 0 || differ {
                return -EBUSY.cast_signed();
            }
        } else {
            (*desc).depth = (new & IRQF_NO_AUTOEN != 0).into();
            (*desc).pending = false;
        }
        while !(*link).is_null() {
            link = addr_of_mut!((**link).next);
        }
        *link = action;
    }
    0
}

/// Ends a handler.
///
/// # Safety
///
/// `action` is from [`request_threaded_irq`], on no line, and does not run.
#[track_caller]
unsafe fn free(action: *mut irqaction) {
    // SAFETY: The action is the caller's. The thread ends only when it is asked to.
    unsafe {
        let thread = (*action).thread;
        if !thread.is_null() {
            kthread_stop(thread);
            put_task_struct(thread);
        }
        kfree(action.cast());
    }
}

/// Takes the handler back that was requested with `dev`, and waits until it does not run any more,
/// nor its thread. Returns its name, or null if there is none. May sleep.
///
/// # Safety
///
/// The caller is neither of the two, or it waits for itself, forever.
#[track_caller]
pub unsafe fn free_irq(irq: c_uint, dev: *mut c_void) -> *const c_char {
    may_sleep();
    let at = Location::caller();
    // SAFETY: The line is valid, and its actions are; the lock is held.
    let found = with(irq, |desc| unsafe {
        let mut link = addr_of_mut!((*desc).action);
        while !(*link).is_null() && (**link).dev_id != dev {
            link = addr_of_mut!((**link).next);
        }
        let action = *link;
        if !action.is_null() {
            *link = (*action).next;
        }
        if (*desc).action.is_null() {
            (*desc).depth = 1;
            (*desc).pending = false;
        }
        action
    });
    let action = found.unwrap_or(null_mut());
    if WARN!(action.is_null(), "Trying to free already-free IRQ {irq}") {
        return null();
    }
    // SAFETY: Off the line, so it is ours. What runs does not change it, but for `run_thread`.
    unsafe {
        touch(&(*action).dep_maps, at);
        wait_until_done(irq);
        let name = (*action).name;
        free(action);
        name
    }
}

/// The task is about to wait for a handler and its thread, for lockdep.
fn touch([handler, thread]: &[dep_map; 2], at: &'static Location<'static>) {
    handler.touch(Off::Hard, at);
    thread.touch(Off::None, at);
}

/// Waits until neither handlers of the line run nor their threads.
#[track_caller]
fn wait_until_done(irq: c_uint) {
    let _waits = blocked::waiting(handlers_of(irq));
    // SAFETY: The line is valid, and the lock held.
    let busy = |desc: *mut irq_desc| unsafe { (*desc).in_progress || (*desc).threads_active != 0 };
    let done = || with(irq, busy) != Some(true);
    if !done() {
        // SAFETY: The first lock has initialised the queue.
        globals::with(|globals| unsafe {
            wait_event(globals.irqs.done(), 0, MAX_SCHEDULE_TIMEOUT, done)
        });
    }
}

/// Waits until the handlers of the line that run now do not run any more, nor their threads. May
/// sleep.
///
/// # Safety
///
/// The caller is none of them, or it waits for itself, forever.
#[track_caller]
pub unsafe fn synchronize_irq(irq: c_uint) {
    may_sleep();
    let at = Location::caller();
    // Copies, since a handler may go; the first stands for all.
    let first = with(irq, |desc| {
        // SAFETY: The line is valid, and the lock held.
        let action = unsafe { (*desc).action };
        // SAFETY: As above; the maps never change.
        let maps = unsafe { (!action.is_null()).then(|| &(*action).dep_maps) };
        maps.map(|maps| maps.each_ref().map(dep_map::copy))
    });
    if let Some(maps) = first.flatten() {
        touch(&maps, at);
    }
    wait_until_done(irq);
}

/// Disables a line until [`enable_irq`] is called as often; its handlers may still run. From any
/// context.
pub unsafe fn disable_irq_nosync(irq: c_uint) {
    // SAFETY: The line is valid, and the lock held.
    with(irq, |desc| unsafe { (*desc).depth += 1 });
}

/// As [`disable_irq_nosync`], and waits until they do not. May sleep.
///
/// # Safety
///
/// As [`synchronize_irq`].
#[track_caller]
pub unsafe fn disable_irq(irq: c_uint) {
    // SAFETY: The caller's guarantees are the same.
    unsafe {
        disable_irq_nosync(irq);
        synchronize_irq(irq);
    }
}

/// Undoes one [`disable_irq`]; an interrupt that came meanwhile comes now. From any context.
pub unsafe fn enable_irq(irq: c_uint) {
    // SAFETY: The line is valid, and the lock held.
    let raise = with(irq, |desc| unsafe {
        if WARN!((*desc).depth == 0, "Unbalanced enable for IRQ {irq}") {
            return None;
        }
        (*desc).depth -= 1;
        ((*desc).depth == 0 && (*desc).pending).then(|| addr_of_mut!((*desc).raise))
    });
    if let Some(raise) = raise.flatten() {
        // SAFETY: The caller knows of the line, which is there.
        unsafe { irq_work_queue(raise) };
    }
}
