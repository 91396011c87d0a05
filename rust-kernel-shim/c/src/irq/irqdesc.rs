// SPDX-License-Identifier: GPL-2.0-only
//! Interrupt lines, and how simulated devices raise them.
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
    handle::{comes, handle_edge_irq, raised},
    irq_work::{init_irq_work, irq_work, irq_work_queue, irq_work_sync},
    irqflags::in_hardirq,
};
use crate::{
    ffi::{c_char, c_int, c_uint, c_void},
    globals::{self, Globals},
    init_waitqueue_head, kfree, kmalloc_obj,
    lockdep::dep_map,
    rule::Site,
    sched::spinlock::Relax,
    task_struct,
    time::hrtimer::{arm, hrtimer, hrtimer_cancel, hrtimer_mode_HRTIMER_MODE_REL, hrtimer_setup},
    wait_queue_head, wake_up_all, CLOCK_MONOTONIC, GFP_KERNEL, INIT_LIST_HEAD, WARN, WARN_ON,
};
use core::{
    cell::UnsafeCell,
    mem::{replace, MaybeUninit},
    ptr::{self, addr_of_mut, null_mut},
};
use machine::{
    blocked::{Thing, KINDS},
    task,
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
    /// The line stays disabled until [`enable_irq`](crate::enable_irq).
    IRQF_NO_AUTOEN = 1 << 19;
    /// It is not looked for interrupts that run away, which is not done here.
    IRQF_NO_DEBUG = 1 << 20;
}

/// When a handler was requested, as a stamp of RCU's, and where.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) stamp: u64,
    pub(crate) at: Site,
}

/// A handler of a line.
pub(super) struct irqaction {
    pub(super) next: *mut irqaction,
    pub(super) desc: *mut irq_desc,
    pub(super) handler: irq_handler_t,
    pub(super) thread_fn: irq_handler_t,
    pub(super) dev_id: *mut c_void,
    pub(super) flags: c_uint,
    pub(super) name: *const c_char,
    pub(super) thread: *mut task_struct,
    /// The thread is to run, once more.
    pub(super) run_thread: bool,
    /// The test that has requested it, and when and where, in a debug kernel.
    pub(super) test: u64,
    pub(super) asked: Option<Asked>,
    /// Held while the handler runs, and while its thread does.
    pub(super) dep_maps: [dep_map; 2],
}

/// An interrupt line.
///
/// # Invariants
///
/// All fields change under the lock of the machine's lines only; `irq` and `machine`
/// never do.
pub struct irq_desc {
    pub(super) next: *mut irq_desc,
    pub(super) irq: c_uint,
    /// The number of the machine.
    pub(super) machine: u64,
    /// The handlers, in the order of their requests.
    pub(super) action: *mut irqaction,
    /// How often it was disabled.
    pub(super) depth: c_uint,
    /// An interrupt came while it was disabled, or its handlers ran.
    pub(super) pending: bool,
    pub(super) in_progress: bool,
    /// Threads that were woken and are not done.
    pub(super) threads_active: c_uint,
    /// Takes the interrupt once interrupts are enabled.
    pub(super) raise: irq_work,
    /// Takes one that is late.
    pub(super) late: hrtimer,
}

pub(super) struct Inner {
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

pub(super) type Guard<'a> = SpinMutexGuard<'a, Inner>;

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
    pub(super) fn lock(&self) -> Guard<'_> {
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

    pub(super) fn done(&self) -> *mut wait_queue_head {
        self.done.get().cast()
    }

    pub(super) fn wake(&self, _inner: &mut Inner) {
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
pub(super) fn with<R>(irq: c_uint, f: impl FnOnce(*mut irq_desc) -> R) -> Option<R> {
    globals::with(|globals| {
        let mut inner = globals.irqs.lock();
        inner.find(irq).map(f)
    })
}

/// The handlers of this machine's lines, in a debug kernel: by which tests, when and where they were
/// requested. The lock is not held between two of them.
pub(crate) fn requests() -> impl Iterator<Item = (u64, Asked)> {
    let nth = |wanted: usize| {
        globals::with(|globals| {
            let inner = globals.irqs.lock();
            let (mut desc, mut count) = (inner.first, 0);
            // SAFETY: The lines are valid, and their actions, while the lock is held.
            unsafe {
                while !desc.is_null() {
                    let mut action = (*desc).action;
                    while !action.is_null() {
                        if count == wanted {
                            return (*action).asked.map(|asked| ((*action).test, asked));
                        }
                        count += 1;
                        action = (*action).next;
                    }
                    desc = (*desc).next;
                }
            }
            None
        })
    };
    (0..).map_while(nth)
}

/// What a task that waits for handlers is said to wait for.
pub(super) fn handlers_of(irq: c_uint) -> Thing {
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
