// SPDX-License-Identifier: GPL-2.0-only
//! The hardware alone, as a driver sees it.

#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use fake_gpu::{
    device::{reg, Command, Device, Interrupt, Mmio, RingRegisters, MAX_RINGS},
    Fault, Faults,
};
use kernel::{
    irq::{Handler, IrqReturn},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    testing::{self, vcpu},
    time::{delay::fsleep, Delta},
};

/// Counts interrupts.
struct Counter(Atomic<u32>);

impl Interrupt for Counter {}

impl Handler for Counter {
    fn handle(&self) -> IrqReturn {
        assert!(testing::in_hardirq());
        self.0.add(1u32, Relaxed);
        IrqReturn::Handled
    }
}

/// A device with a driver that only counts.
struct Bench {
    device: Arc<Device<Counter>>,
    rings: [RingRegisters<Counter>; 3],
    counter: Arc<Counter>,
    tails: [u32; 2],
}

impl Bench {
    fn new(faults: Faults) -> Result<Self> {
        let device = Device::new(2, faults, 1)?;
        let counter = Arc::new(Counter(Atomic::new(0)), GFP_KERNEL)?;
        device.connect(counter.clone());
        // The last one is not there.
        let rings = [0, 1, 2].map(|ring| RingRegisters::new(&device, ring));
        let tails = [0; 2];
        Ok(Self {
            device,
            rings,
            counter,
            tails,
        })
    }

    fn submit(&mut self, ring: usize, commands: &[Command]) {
        let tail = &mut self.tails[ring];
        for &command in commands {
            self.rings[ring].memory().put(*tail, command);
            *tail += Command::SIZE;
        }
        self.rings[ring].write(reg::TAIL, *tail);
        self.rings[ring].write(reg::DOORBELL, 1);
    }

    fn read(&self, ring: usize, register: u32) -> u32 {
        self.rings[ring].read(register)
    }

    fn write(&self, ring: usize, register: u32, value: u32) {
        self.rings[ring].write(register, value);
    }

    fn interrupts(&self) -> u32 {
        self.counter.0.load(Relaxed)
    }

    fn seqno(&self, ring: usize) -> Option<u32> {
        self.rings[ring].memory().seqno()
    }
}

/// Sleeps for `n` jiffies, in each of which the clock ticks 40 times.
fn jiffies(n: i64) {
    fsleep(Delta::from_millis(4 * n));
}

/// Runs `body` on a machine of its own.
fn bench<R: Send + 'static>(
    faults: Faults,
    body: impl FnOnce(&mut Bench) -> R + Send + 'static,
) -> Result<R> {
    vcpu::fifo(move || {
        let mut bench = Bench::new(faults)?;
        let result = body(&mut bench);
        bench.device.disconnect();
        Ok(result)
    })
    .expect("the machine ends")
}

#[test]
fn commands_are_read_as_they_were_written() {
    let commands = [
        Command::Nop,
        Command::Work(u32::MAX),
        Command::Fence(7),
        Command::Wait { ring: 31, seqno: 9 },
        Command::Hang,
        Command::Fault,
    ];
    assert_eq!(commands.map(|c| Command::decode(c.encode())), commands);
    assert_eq!(Command::decode([u32::MAX, 0]), Command::Fault);
}

#[test]
fn work_takes_time_and_nothing_else_does() -> Result {
    bench(Faults::NONE, |bench| {
        let commands = [Command::Nop, Command::Work(100), Command::Fence(1)];
        bench.submit(0, &commands);
        jiffies(2);
        assert_eq!(bench.seqno(0), Some(0));
        jiffies(1);
        assert_eq!(bench.seqno(0), Some(1));
        assert_eq!(bench.read(0, reg::HEAD), bench.read(0, reg::TAIL));
        bench.write(0, reg::CLOCK, reg::BOOST);
        bench.submit(0, &[Command::Work(400), Command::Fence(2)]);
        jiffies(3);
        assert_eq!(bench.seqno(0), Some(2));
    })
}

#[test]
fn a_ring_waits_for_another() -> Result {
    bench(Faults::NONE, |bench| {
        let wait = Command::Wait { ring: 0, seqno: 1 };
        bench.submit(1, &[wait, Command::Fence(1)]);
        jiffies(4);
        assert_eq!(bench.seqno(1), Some(0));
        bench.submit(0, &[Command::Work(5), Command::Fence(1)]);
        jiffies(2);
        assert_eq!(bench.seqno(1), Some(1));
        bench.submit(1, &[Command::Wait { ring: 2, seqno: 1 }]);
        jiffies(1);
        assert_eq!(bench.read(1, reg::FAULTED), 1);
    })
}

#[test]
fn an_interrupt_that_is_not_enabled_is_forgotten() -> Result {
    bench(Faults::NONE, |bench| {
        bench.submit(0, &[Command::Fence(1)]);
        jiffies(1);
        bench.write(0, reg::IRQ_ENABLE, 1);
        jiffies(1);
        let seen = |bench: &Bench| [bench.interrupts(), bench.device.read32(reg::STATUS)];
        assert_eq!(seen(bench), [0, 0]);
        bench.submit(0, &[Command::Fence(2)]);
        jiffies(1);
        assert_eq!(seen(bench), [1, 1]);
        bench.device.write32(reg::STATUS, 1);
        assert_eq!(bench.device.read32(reg::STATUS), 0);
    })
}

#[test]
fn nothing_is_written_after_a_reset() -> Result {
    bench(Faults::NONE, |bench| {
        bench.submit(0, &[Command::Work(50), Command::Fence(1)]);
        jiffies(1);
        bench.write(0, reg::ENGINE_RESET, 1);
        jiffies(4);
        assert_eq!(bench.seqno(0), Some(0));
        bench.submit(0, &[Command::Hang, Command::Fence(2)]);
        jiffies(4);
        let activity = bench.read(0, reg::ACTIVITY);
        jiffies(4);
        assert_eq!(bench.read(0, reg::ACTIVITY), activity);
        bench.device.write32(reg::RESET, 1);
        bench.submit(0, &[Command::Fence(3)]);
        jiffies(1);
        assert_eq!(bench.seqno(0), Some(3));
    })
}

#[test]
fn half_a_number_is_none() -> Result {
    bench(Faults::NONE.with(Fault::TornWriteBack, 1000), |bench| {
        bench.submit(0, &[Command::Fence(1)]);
        jiffies(1);
        assert_eq!(bench.seqno(0), None);
        jiffies(2);
        assert_eq!(bench.seqno(0), Some(1));
        // A reset waits for the other half.
        bench.submit(0, &[Command::Fence(2)]);
        jiffies(1);
        assert_eq!(bench.seqno(0), None);
        bench.write(0, reg::ENGINE_RESET, 1);
        assert_eq!(bench.seqno(0), Some(2));
    })
}

#[test]
fn interrupts_may_be_lost_late_or_without_a_reason() -> Result {
    let interrupts = |fault: Fault, after: i64| {
        bench(Faults::NONE.with(fault, 1000), move |bench| {
            bench.write(0, reg::IRQ_ENABLE, 1);
            bench.submit(0, &[Command::Fence(1)]);
            jiffies(after);
            bench.interrupts()
        })
    };
    assert_eq!(interrupts(Fault::LostInterrupt, 5)?, 0);
    assert_eq!(interrupts(Fault::LateInterrupt, 1)?, 0);
    assert_eq!(interrupts(Fault::LateInterrupt, 5)?, 1);
    let work = bench(Faults::NONE.with(Fault::SpuriousInterrupt, 1000), |bench| {
        bench.submit(0, &[Command::Work(10)]);
        jiffies(10);
        [bench.interrupts(), bench.device.read32(reg::STATUS)]
    })?;
    assert_eq!(work, [10, 0]);
    Ok(())
}

#[test]
fn what_is_not_there_reads_as_ones() -> Result {
    for rings in [0, MAX_RINGS + 1] {
        let device = Device::<Counter>::new(rings, Faults::NONE, 0);
        assert_eq!(device.err(), Some(EINVAL));
    }
    bench(Faults::NONE, |bench| {
        assert_eq!(bench.read(2, reg::HEAD), u32::MAX);
        bench.write(2, reg::DOORBELL, 1);
    })
}

#[test]
fn a_tail_that_cannot_be_is_a_fault() -> Result {
    for tail in [1, 130, u32::MAX] {
        bench(Faults::NONE, move |bench| {
            bench.write(0, reg::TAIL, tail);
            bench.write(0, reg::DOORBELL, 1);
            fsleep(Delta::from_millis(1));
            assert_eq!(bench.read(0, reg::FAULTED), 1, "{tail}");
            // The interrupt was not enabled.
            assert_eq!(bench.interrupts(), 1, "{tail}");
        })?;
    }
    Ok(())
}
