// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts that are lost or late: each finds the driver that does not expect it, and nothing else
//! does; a seed or a path replays it.
#![cfg(feature = "debug")]

use kernel::{
    faux,
    irq::{Flags, Handler, IrqReturn, Registration},
    new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, CondVar, SpinLockIrq,
    },
    testing::{in_hardirq, spawn, Explorer, IrqLine, Outcome},
    time::{delay::fsleep, msecs_to_jiffies, Delta},
};

/// A device that does one job after the other, each of which takes it 30 ms.
struct Hardware {
    device: faux::Registration,
    line: IrqLine,
    done: Atomic<i32>,
}

/// What a driver does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// It waits for the interrupt, however long.
    Waits,
    /// Its handler takes an interrupt for the end of the job that runs.
    Believes,
}

#[pin_data]
struct Driver {
    hardware: Arc<Hardware>,
    wrong: Wrong,
    #[pin]
    job: SpinLockIrq<Job>,
    #[pin]
    changed: CondVar,
}

/// The number of the job that runs, and whether it is over, as far as the driver knows.
struct Job(i32, bool);

impl Handler for Driver {
    fn handle(&self) -> IrqReturn {
        assert!(in_hardirq());
        let mut job = self.job.lock();
        job.1 = self.wrong == Wrong::Believes || self.hardware.done.load(Relaxed) >= job.0;
        self.changed.notify_all();
        IrqReturn::Handled
    }
}

impl Driver {
    /// Runs a job. One whose interrupt does not come for 50 ms is looked at.
    fn run(&self, number: i32) {
        *self.job.lock() = Job(number, false);
        let hardware = self.hardware.clone();
        spawn(move || {
            fsleep(Delta::from_millis(30));
            hardware.done.store(number, Relaxed);
            hardware.line.raise();
        });
        let mut job = self.job.lock();
        while !job.1 {
            if self.wrong == Wrong::Waits {
                self.changed.wait(&mut job);
                continue;
            }
            let _signal = self
                .changed
                .wait_interruptible_timeout(&mut job, msecs_to_jiffies(50));
            job.1 |= self.hardware.done.load(Relaxed) >= number;
        }
        assert!(
            self.hardware.done.load(Relaxed) >= number,
            "job {number} runs"
        );
    }
}

fn jobs(wrong: Wrong) {
    let hardware = Hardware {
        device: faux::Registration::new(c"device", None).unwrap(),
        line: IrqLine::new().unwrap(),
        done: Atomic::new(0),
    };
    let hardware = Arc::new(hardware, GFP_KERNEL).unwrap();
    let own = hardware.clone();
    let driver = try_pin_init!(Driver {
        hardware: own,
        wrong,
        job <- new_spinlock_irq!(Job(0, true)),
        changed <- new_condvar!(),
    }? Error);
    let request = hardware.line.request(hardware.device.as_ref().as_ref());
    // SAFETY: Dropped below.
    let init = unsafe { Registration::new(request, Flags::TRIGGER_NONE, c"driver", driver) };
    let driver = KBox::pin_init(init, GFP_KERNEL).unwrap();
    (1..6).for_each(|number| driver.handler().run(number));
    drop(driver);
}

/// A device that raises its interrupt in time, unless the machine has it late.
const PLAIN: Explorer = Explorer::new().schedules(150).timers_wait();

/// The failure of the driver, which its seed replays.
fn found(explorer: Explorer, wrong: Wrong) -> Option<Outcome> {
    let failure = explorer.run(move || jobs(wrong)).err()?;
    let again = explorer.seed(failure.seed).schedules(1);
    let again = again.run(move || jobs(wrong)).err();
    assert_eq!(
        again.map(|failure| failure.outcome),
        Some(failure.outcome.clone())
    );
    Some(failure.outcome)
}

#[test]
fn who_waits_for_a_lost_interrupt_waits_forever() {
    let (lost, late) = (PLAIN.lost_interrupts(200), PLAIN.late_interrupts(200));
    assert_eq!(found(PLAIN, Wrong::Waits), None);
    assert_eq!(found(late, Wrong::Waits), None);
    let outcome = found(lost, Wrong::Waits);
    assert!(matches!(outcome, Some(Outcome::Deadlock(_))), "{outcome:?}");
}

#[test]
fn a_late_interrupt_is_not_that_of_the_next_job() {
    let (lost, late) = (PLAIN.lost_interrupts(200), PLAIN.late_interrupts(200));
    assert_eq!(found(PLAIN, Wrong::Believes), None);
    assert_eq!(found(lost, Wrong::Believes), None);
    let outcome = found(late, Wrong::Believes);
    assert!(matches!(outcome, Some(Outcome::Panic(_))), "{outcome:?}");
}

#[test]
fn a_driver_that_expects_both_is_not_blamed() {
    let all = PLAIN.lost_interrupts(200).late_interrupts(200);
    let all = all.late_unload().slow_readers();
    assert_eq!(found(all, Wrong::Nothing), None);
}

/// Each interrupt on its way is a branch of a search.
#[test]
fn a_search_loses_each_interrupt() {
    let search = |explorer: Explorer, preemptions, wrong| {
        explorer
            .schedules(3000)
            .search(preemptions, move || jobs(wrong))
    };
    let lost = PLAIN.lost_interrupts(1);
    // It is one preemption.
    assert!(search(lost, 0, Wrong::Waits).is_ok());
    let failure = search(lost, 1, Wrong::Waits).expect_err("one is lost");
    assert!(matches!(failure.outcome, Outcome::Deadlock(_)), "{failure}");
    let late = PLAIN.late_interrupts(1);
    let failure = search(late, 1, Wrong::Believes).expect_err("one is late");
    assert!(matches!(failure.outcome, Outcome::Panic(_)), "{failure}");
    assert!(search(late, 1, Wrong::Nothing).is_ok());
}
