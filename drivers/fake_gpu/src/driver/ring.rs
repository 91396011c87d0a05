// SPDX-License-Identifier: GPL-2.0-only
//! A ring: its registers, its lock, and the order in which its fences signal.
#![forbid(unsafe_code)]

use super::{
    irq::Registers,
    ops::JobState,
    state::State,
    works::Works, //
};
use crate::device::reg;
use dma_fence::Signalling;
use kernel::{
    new_condvar, new_delayed_work, new_spinlock_irq, new_work,
    prelude::*,
    sync::{
        Arc,
        CondVar,
        SpinLockIrq, //
    },
    time::Jiffies,
    workqueue::{
        DelayedWork,
        Work, //
    },
};

/// A ring of the GPU.
///
/// Its lock is taken inside of a fence's lock, by an op or a callback of it; so no fence is
/// touched under it.
#[pin_data]
pub(super) struct Ring {
    pub(super) registers: Registers,
    pub(super) watchdog: Option<Jiffies>,
    #[pin]
    pub(super) state: SpinLockIrq<State>,
    /// Told when jobs are over.
    #[pin]
    pub(super) progress: CondVar,
    pub(super) works: Arc<Works>,
    #[pin]
    pub(super) pump_work: Work<Ring, 1>,
    #[pin]
    pub(super) watchdog_work: DelayedWork<Ring, 2>,
}

impl Ring {
    pub(super) fn new(registers: Registers, watchdog: Option<Jiffies>) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                registers,
                watchdog,
                state <- new_spinlock_irq!(State::new(), "Ring::state"),
                progress <- new_condvar!("Ring::progress"),
                works: Arc::pin_init(Works::new(), GFP_KERNEL)?,
                pump_work <- new_work!("Ring::pump_work"),
                watchdog_work <- new_delayed_work!("Ring::watchdog_work"),
            }),
            GFP_KERNEL,
        )
    }

    /// A waiter or a callback is there for this job; true if that has enabled the interrupt. From
    /// any context.
    pub(super) fn want(&self, job: &JobState) -> bool {
        let mut state = self.state.lock();
        if !job.want() {
            return false;
        }
        let enable = state.wanted == 0;
        state.wanted += 1;
        self.registers.write(reg::IRQ_ENABLE, 1);
        enable
    }

    /// A deadline is near: boosts the clock. From any context.
    pub(super) fn boost(&self) {
        let state = self.state.lock();
        if !state.is_idle() {
            self.registers.write(reg::CLOCK, reg::BOOST);
        }
    }

    /// Decides about what was written back, and switches off what is no longer needed. True if
    /// anything was.
    pub(super) fn retire(&self, state: &mut State) -> bool {
        let any = state.retire(self.registers.memory());
        self.relax(state);
        any
    }

    /// Switches off what is no longer needed.
    pub(super) fn relax(&self, state: &State) {
        if state.wanted == 0 && !state.wants_room {
            self.registers.write(reg::IRQ_ENABLE, 0);
        }
        if state.is_idle() {
            self.registers.write(reg::CLOCK, reg::NORMAL);
        }
    }

    /// Signals the fences of all jobs that are over, in order. If another thread does so already,
    /// leaves it to that one. From any context; callbacks run here.
    pub(super) fn signal(&self) {
        let mut state = self.state.lock();
        if state.signalling {
            return;
        }
        let _signalling = Signalling::begin();
        state.signalling = true;
        while let Some((fence, result)) = state.take_over() {
            drop(state);
            fence.signal(result);
            state = self.state.lock();
        }
        state.signalling = false;
        self.progress.notify_all();
    }
}
