// SPDX-License-Identifier: GPL-2.0-only
//! The engine of a ring: executes its commands, a bit with each tick.
#![forbid(unsafe_code)]

use super::{
    clock,
    faults::Dice,
    line::Line,
    reg,
    Command,
    Fault,
    Faults,
    Interrupt,
    RingMemory,
    DWORDS, //
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        barrier::smp_mb,
        Arc,
        Mutex,
        SpinLockIrq, //
    },
    time::hrtimer::HrTimer,
};

/// By how many ticks something is late.
const LATE: u32 = 60;

/// The reason why an engine does nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stuck {
    Hung,
    Faulted,
}

struct State {
    head: u32,
    /// Units of work that are left of the current command.
    work: u32,
    stuck: Option<Stuck>,
    /// A number whose second half is still to be written, and the ticks until then.
    torn: Option<(u32, u32)>,
    /// The ticks until a late interrupt.
    late: Option<u32>,
    /// The clock ticks.
    ticking: bool,
    off: bool,
    dice: Dice,
}

/// The events of a tick, of which the driver is to be notified.
#[derive(Default)]
struct Event {
    interrupt: bool,
    fault: bool,
    spurious: bool,
    #[cfg(fault = "visible")]
    seqno: Option<u32>,
}

/// An engine and its registers.
///
/// All that it writes to memory, it writes under the lock of `state`; so nothing comes after a
/// reset.
#[pin_data]
pub(super) struct Engine<H: Interrupt> {
    index: usize,
    memory: Arc<KVec<RingMemory>>,
    line: Arc<Line<H>>,
    tail: Atomic<u32>,
    speed: Atomic<u32>,
    irq_enable: Atomic<u32>,
    activity: Atomic<u32>,
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    pub(super) timer: HrTimer<Self>,
    #[pin]
    pub(super) clock: Mutex<clock::Ticking<H>>,
}

impl<H: Interrupt> Engine<H> {
    pub(super) fn new(
        index: usize,
        memory: Arc<KVec<RingMemory>>,
        line: Arc<Line<H>>,
        faults: Faults,
        seed: u64,
    ) -> Result<Arc<Self>> {
        let state = State {
            head: 0,
            work: 0,
            stuck: None,
            torn: None,
            late: None,
            ticking: false,
            off: false,
            dice: Dice::new(faults, seed ^ (index as u64) << 32),
        };
        Arc::pin_init(
            try_pin_init!(Self {
                index,
                memory,
                line,
                tail: Atomic::new(0),
                speed: Atomic::new(reg::NORMAL),
                irq_enable: Atomic::new(0),
                activity: Atomic::new(0),
                state <- new_spinlock_irq!(state, "Engine::state"),
                timer <- HrTimer::new(),
                clock <- clock::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn memory(&self) -> &RingMemory {
        &self.memory[self.index]
    }

    pub(super) fn read(&self, register: u32) -> u32 {
        match register {
            reg::TAIL => self.tail.load(Relaxed),
            reg::HEAD => self.state.lock().head,
            reg::IRQ_ENABLE => self.irq_enable.load(Relaxed),
            reg::CLOCK => self.speed.load(Relaxed),
            reg::FAULTED => u32::from(self.state.lock().stuck == Some(Stuck::Faulted)),
            reg::ACTIVITY => self.activity.load(Relaxed),
            _ => u32::MAX,
        }
    }

    pub(super) fn write(this: &Arc<Self>, register: u32, value: u32) {
        match register {
            // Pairs with the Acquire in `execute`: the commands before it can be read.
            reg::TAIL => this.tail.store(value, Release),
            reg::DOORBELL => Self::doorbell(this),
            reg::IRQ_ENABLE => {
                this.irq_enable.store(value, Relaxed);
                // If our store comes before the load in `tick`, there is an interrupt; if not,
                // what the engine has written before that load is seen by a driver that looks now.
                smp_mb(Full);
            }
            reg::CLOCK => this.speed.store(value.clamp(1, reg::BOOST), Relaxed),
            reg::ENGINE_RESET => this.reset(),
            _ => {}
        }
    }

    fn doorbell(this: &Arc<Self>) {
        let mut state = this.state.lock();
        if state.ticking || state.off {
            return;
        }
        state.ticking = true;
        drop(state);
        clock::start(this);
    }

    pub(super) fn reset(&self) {
        let mut state = self.state.lock();
        if let Some((seqno, _)) = state.torn.take() {
            self.memory().write_second(seqno);
        }
        state.head = self.tail.load(Relaxed);
        state.work = 0;
        state.stuck = None;
        state.late = None;
    }

    pub(super) fn switch_off(&self) {
        self.state.lock().off = true;
        clock::stop(self);
    }

    /// One tick of the clock; false if that need not go on. Called in hardirq context.
    pub(super) fn tick(&self) -> bool {
        let mut event = Event::default();
        let mut state = self.state.lock();
        if state.off {
            state.ticking = false;
            return false;
        }
        self.finish_late(&mut state, &mut event);
        for _ in 0..self.speed.load(Relaxed) {
            self.execute(&mut state, &mut event);
        }
        event.spurious = state.dice.throw(Fault::SpuriousInterrupt);
        let idle = state.stuck.is_some() || state.head == self.tail.load(Acquire);
        let goes_on = (!idle || state.work > 0) || state.torn.is_some() || state.late.is_some();
        state.ticking = goes_on;
        drop(state);
        self.tell(event);
        goes_on
    }

    /// Completes what has been delayed for long enough.
    fn finish_late(&self, state: &mut State, event: &mut Event) {
        state.torn = match state.torn {
            Some((seqno, 0)) => {
                self.memory().write_second(seqno);
                None
            }
            torn => torn.map(|(seqno, ticks)| (seqno, ticks - 1)),
        };
        state.late = match state.late {
            Some(0) => {
                event.interrupt = true;
                None
            }
            late => late.map(|ticks| ticks - 1),
        };
    }

    /// Executes a unit of work, and all before and after it that takes no time.
    fn execute(&self, state: &mut State, event: &mut Event) {
        let mut worked = false;
        while state.stuck.is_none() {
            if state.work > 0 {
                if worked {
                    return;
                }
                worked = true;
                state.work -= 1;
                self.activity.add(1u32, Relaxed);
                continue;
            }
            match self.tail.load(Acquire).wrapping_sub(state.head) {
                0 => return,
                // No command ends there, or it would have been overwritten.
                ahead if !(Command::SIZE..=DWORDS).contains(&ahead) => {
                    self.fault(state, event);
                    return;
                }
                _ => {}
            }
            match self.memory().get(state.head) {
                Command::Nop => {}
                Command::Work(_) if state.dice.throw(Fault::Hang) => {
                    state.stuck = Some(Stuck::Hung);
                }
                Command::Work(units) => state.work = units,
                Command::Fence(seqno) => self.write_back(state, event, seqno),
                Command::Wait { ring, seqno } => match self.memory.get(ring as usize) {
                    Some(other) if other.reached(seqno) => {}
                    Some(_) => return,
                    None => self.fault(state, event),
                },
                Command::Hang => state.stuck = Some(Stuck::Hung),
                Command::Fault => self.fault(state, event),
            }
            if state.stuck.is_none() {
                state.head = state.head.wrapping_add(Command::SIZE);
                self.activity.add(1u32, Relaxed);
            }
        }
    }

    fn fault(&self, state: &mut State, event: &mut Event) {
        state.stuck = Some(Stuck::Faulted);
        event.fault = true;
    }

    /// Writes a number back; then there is an interrupt, if all goes well.
    fn write_back(&self, state: &mut State, event: &mut Event, seqno: u32) {
        #[cfg(not(fault = "visible"))]
        self.memory().write_first(seqno);
        if state.dice.throw(Fault::TornWriteBack) {
            self.memory().write_first(seqno);
            state.torn = Some((seqno, LATE));
        } else {
            state.torn = None;
            #[cfg(not(fault = "visible"))]
            self.memory().write_second(seqno);
            #[cfg(fault = "visible")]
            {
                event.seqno = Some(seqno);
            }
        }
        if state.dice.throw(Fault::LostInterrupt) {
            return;
        }
        if state.dice.throw(Fault::LateInterrupt) {
            state.late = Some(LATE);
        } else {
            event.interrupt = true;
        }
    }

    /// Raises an interrupt if there is a reason, and the driver wants to know.
    fn tell(&self, event: Event) {
        // Pairs with the barrier in `write`.
        smp_mb(Full);
        let enabled = self.irq_enable.load(Relaxed) != 0;
        if event.fault || event.interrupt && enabled {
            self.line.raise(1 << self.index);
        } else if event.spurious {
            self.line.raise(0);
        }
        #[cfg(fault = "visible")]
        if let Some(seqno) = event.seqno {
            self.memory().write_first(seqno);
            self.memory().write_second(seqno);
        }
    }
}
