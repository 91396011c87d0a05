// SPDX-License-Identifier: GPL-2.0-only
//! C's global variables: one set for all threads that run freely, and one for each virtual CPU.

use super::{
    debugobjects::{debug_machine_ended, debug_machine_left, debug_time_passed},
    devices::bus::Buses,
    fs::fdtable::Files,
    irq::irqdesc::Irqs,
    lockdep::LockdepMode,
    rcu::{rcu_show_left, Callbacks, Domains, Progress},
    slab::Failing,
    time::queue::Timers,
    workqueue::Pools,
};
use core::{
    any::Any,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering::Relaxed},
};
use machine::{
    cpu::{self, Cpu},
    expected,
    vcpu::{self, Vcpu},
};

/// The processors that threads which run freely are taken to have.
const FREE_PROCESSORS: usize = 4;

/// C's global variables.
pub struct Globals {
    /// The number of the machine; 0 for all threads that run freely.
    pub(super) number: u64,
    /// The youngest request for a grace period that has come to its end.
    pub(super) covered: AtomicU64,
    /// True if no rule is checked here.
    pub(super) unchecked: AtomicBool,
    /// What lockdep was told before it was used, a bit each.
    pub(super) primed: AtomicU32,
    /// What lockdep looks at, see `lockdep::Mode`; 0 if that was not asked yet.
    #[cfg_attr(any(not(feature = "debug"), loom, tsan), allow(dead_code))]
    pub(super) lockdep: AtomicU8,
    /// True if the caller that runs the machine takes its reports.
    pub(super) expects: AtomicBool,
    /// True while the machine ends.
    pub(super) ending: AtomicBool,
    pub(super) callbacks: Callbacks,
    pub(super) progress: Progress,
    pub(super) domains: Domains,
    pub(super) pools: Pools,
    pub(super) timers: Timers,
    pub(super) irqs: Irqs,
    pub(super) buses: Buses,
    pub(super) failing: Failing,
    pub(super) files: Files,
}

machine::global! {
    static FREE: Globals = Globals::new(0, FREE_PROCESSORS, true);
}

/// The number of the next machine.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Globals {
    machine::const_fn! {
        fn new(number: u64, processors: usize, workers_stay: bool) -> Self {
            Self {
                number,
                covered: AtomicU64::new(0),
                unchecked: AtomicBool::new(false),
                primed: AtomicU32::new(0),
                lockdep: AtomicU8::new(0),
                expects: AtomicBool::new(false),
                ending: AtomicBool::new(false),
                callbacks: Callbacks::new(),
                progress: Progress::new(),
                domains: Domains::new(),
                pools: Pools::new(processors, workers_stay),
                timers: Timers::new(),
                irqs: Irqs::new(),
                buses: Buses::new(),
                failing: Failing::new((0, "")),
                files: Files::new(),
            }
        }
    }

    /// A fresh set for a virtual CPU: for one processor, and with workers that end when they have
    /// nothing to do, since a machine ends with its last task.
    pub fn machine() -> Self {
        Self::next(1)
    }

    /// As [`machine`](Self::machine), where the task with the run token stands for the other
    /// processors: items of work are run beside each other.
    pub fn explored() -> Self {
        Self::next(FREE_PROCESSORS)
    }

    /// What lockdep looks at, if that is said.
    pub fn lockdep(self, mode: Option<LockdepMode>) -> Self {
        if let Some(mode) = mode {
            self.lockdep.store(mode as u8, Relaxed);
        }
        self
    }

    fn next(processors: usize) -> Self {
        let number = NEXT.fetch_add(1, Relaxed);
        expected::starts(number);
        Self::new(number, processors, false)
    }

    /// The number of the machine.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// True unless these are those of all threads that run freely.
    pub(super) fn has_vcpu(&self) -> bool {
        self.number != 0
    }

    /// The caller that runs the machine takes its reports, see [`take_reports`].
    pub fn expecting(self) -> Self {
        self.expects.store(true, Relaxed);
        self
    }
}

impl vcpu::Hooks for Globals {
    fn idle(&self) -> bool {
        let served = self.callbacks.serve();
        self.domains.serve(false) || served
    }

    fn grace_period_is_due(&self) -> bool {
        self.callbacks.pending()
    }

    fn time_passed(&self) {
        debug_time_passed();
    }

    fn left(&self) {
        debug_machine_left();
    }

    fn ended(&self, blocked: usize) {
        self.ending.store(true, Relaxed);
        if blocked == 0 {
            rcu_show_left(self.number, "RCU callbacks left behind:");
        }
        debug_machine_ended(blocked);
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn held_reports(&self) -> Option<u64> {
        self.expects.load(Relaxed).then_some(self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Calls `f` with the variables of the machine that this task belongs to.
#[inline]
pub fn with<R>(f: impl FnOnce(&Globals) -> R) -> R {
    cpu::with(|cpu| with_on(cpu, f))
}

/// The same, on this thread.
#[inline(always)]
pub(crate) fn with_on<R>(cpu: &Cpu, f: impl FnOnce(&Globals) -> R) -> R {
    vcpu::with_any_on(cpu, |vcpu| {
        let globals: &Globals = match vcpu {
            Some(vcpu) => own(vcpu),
            None => &FREE,
        };
        f(globals)
    })
}

/// The variables of a machine.
#[inline(never)]
fn own(vcpu: &Vcpu) -> &Globals {
    vcpu.hooks().downcast_ref().unwrap_or(&FREE)
}
