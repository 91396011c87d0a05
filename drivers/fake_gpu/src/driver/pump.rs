// SPDX-License-Identifier: GPL-2.0-only
//! The work item that starts jobs, and frees those that are over.
#![forbid(unsafe_code)]

use super::{
    job::InFences,
    ring::Ring,
    state::{
        Power,
        State, //
    },
};
use crate::device::{
    reg,
    Command,
    DWORDS, //
};
use dma_fence::Signalling;
use kernel::{
    impl_has_work,
    sync::Arc,
    workqueue::{
        self,
        WorkItem, //
    },
};

/// The dwords of a job.
const JOB: u32 = 2 * Command::SIZE;

impl_has_work! {
    impl HasWork<Self, 1> for Ring { self.pump_work }
}

impl WorkItem<1> for Ring {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.recover_fault();
        let mut state = this.state.lock();
        this.retire(&mut state);
        drop(state);
        this.signal();
        Ring::start(&this);
        this.reap();
        Ring::end_work(this);
    }
}

impl Ring {
    /// There may be something to do: queues the work item. From any context.
    pub(super) fn kick(this: &Arc<Self>) {
        let state = this.state.lock();
        // UNTIL(owned-queue): this belongs on a `WQ_MEM_RECLAIM` queue of the driver's own.
        let enqueue = || workqueue::system_highpri().enqueue::<_, 1>(this.clone());
        this.works.queue(&state, enqueue);
    }

    /// Starts the jobs that are ready, as far as there is room on the ring. May sleep.
    pub(super) fn start(this: &Arc<Self>) {
        let _signalling = Signalling::begin();
        let mut any = false;
        loop {
            let mut state = this.state.lock();
            if !this.can_start(&mut state) {
                break;
            }
            let in_fences = this.emit(&mut state);
            Ring::watch(this, &mut state);
            drop(state);
            // Not under the ring's lock: a fence's comes first.
            drop(in_fences);
            any = true;
        }
        if any {
            this.registers.write(reg::DOORBELL, 1);
        }
    }

    /// True if there is a job to start, and room for it.
    fn can_start(&self, state: &mut State) -> bool {
        let ready = state.is_ready() && state.power == Power::On;
        state.wants_room = ready && !self.has_room(state);
        if !state.wants_room {
            self.relax(state);
            return ready;
        }
        self.registers.write(reg::IRQ_ENABLE, 1);
        // There may be room since the last look, for which there was no interrupt.
        self.has_room(state)
    }

    fn has_room(&self, state: &State) -> bool {
        let used = state.tail.wrapping_sub(self.registers.read(reg::HEAD));
        DWORDS - used >= JOB
    }

    /// Writes a job's commands to the ring, those of the next that is ready; returns the registrations
    /// that it needs no more.
    fn emit(&self, state: &mut State) -> Option<InFences> {
        let (job, number, in_fences) = state.start()?;
        for command in [job.command(), Command::Fence(number)] {
            self.registers.memory().put(state.tail, command);
            state.tail = state.tail.wrapping_add(Command::SIZE);
        }
        self.registers.write(reg::TAIL, state.tail);
        Some(in_fences)
    }

    /// Frees the jobs whose fences have signalled. May sleep.
    pub(super) fn reap(&self) {
        loop {
            let job = self.state.lock().take_finished();
            if job.is_none() {
                break;
            }
        }
    }
}

#[cfg(all(test, feature = "debug"))]
mod tests {
    use super::*;
    use crate::driver::{
        Config,
        FakeGpu,
        Job, //
    };
    use kernel::{
        prelude::*,
        testing::{
            vcpu,
            Explorer, //
        },
        time::{
            delay::fsleep,
            Delta, //
        },
    };

    /// Fills the ring with commands that take no time, of which the last tells that it is over.
    fn fill(ring: &Ring) {
        let mut state = ring.state.lock();
        let number = state.next_number();
        state.tail = DWORDS - Command::SIZE;
        let last = Command::Fence(number);
        let memory = ring.registers.memory();
        memory.put(state.tail - Command::SIZE, last);
        ring.registers.write(reg::TAIL, state.tail);
    }

    /// It empties at any moment of the look for room, all at once: nothing comes after that.
    fn room_comes() -> Result {
        let gpu = FakeGpu::new(Config {
            rings: 1,
            watchdog: None,
            ..Config::default()
        })?;
        let ring = &gpu.rings[0];
        let context = gpu.context(0, c"client")?;
        fill(ring);
        ring.registers.write(reg::DOORBELL, 1);
        let fence = context.submit(Job::Work(0), &[])?;
        // Not waited for, which would look again.
        for _ in 0..3 {
            vcpu::settle();
            fsleep(Delta::from_millis(1));
        }
        assert_eq!(fence.status(), Some(Ok(())), "the job is forgotten");
        Ok(())
    }

    #[test]
    fn room_that_comes_during_the_look_is_used() {
        let explorer = Explorer::new().schedules(100_000);
        let search = explorer.search(1, || room_comes().expect("there is memory"));
        assert!(search.expect("each schedule ends well").complete);
    }
}
