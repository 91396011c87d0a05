// SPDX-License-Identifier: GPL-2.0-only
//! A panic in an interrupt handler ends the test, and no other.

#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use fake_gpu::{
    device::{reg, Command, Device, Interrupt, RingRegisters},
    Faults,
};
use kernel::{
    irq::{Handler, IrqReturn},
    prelude::*,
    sync::Arc,
    testing::{test_alone, vcpu::fifo, Explorer, Outcome},
    time::{delay::fsleep, Delta},
};
use std::{panic::catch_unwind, string::String};

/// Where the driver of this file panics.
const LINE: u32 = line!() + 8;

struct Broken;

impl Interrupt for Broken {}

impl Handler for Broken {
    fn handle(&self) -> IrqReturn {
        [0; 0].first().expect("planted");
        IrqReturn::Handled
    }
}

/// Rings the doorbell of a device that has interrupts enabled.
fn interrupt() {
    let device = Device::new(1, Faults::NONE, 1).unwrap();
    device.connect(Arc::new(Broken, GFP_KERNEL).unwrap());
    let ring = RingRegisters::new(&device, 0);
    ring.write(reg::IRQ_ENABLE, 1);
    ring.memory().put(0, Command::Fence(1));
    ring.write(reg::TAIL, Command::SIZE);
    ring.write(reg::DOORBELL, 1);
    for _ in 0..1000 {
        fsleep(Delta::from_millis(1));
    }
}

#[test]
fn a_machine_panics_in_its_place() {
    let said = catch_unwind(|| fifo(interrupt)).expect_err("it panics");
    let said = said.downcast_ref::<String>().map(String::as_str);
    assert_eq!(said, Some("planted"));
    let failure = Explorer::new().seed(3).run(interrupt).unwrap_err();
    assert_eq!(failure.seed, 3);
    assert_eq!(failure.outcome, Outcome::Panic("planted".into()));
}

/// Run by the test below, in a process of its own, beside the next.
#[test]
#[ignore = "fails: run by the_others_run_and_pass()"]
fn freely() {
    interrupt();
    println!("not reached");
}

#[test]
#[ignore = "has to pass beside freely(): run by the_others_run_and_pass()"]
fn freely_beside() {
    fsleep(Delta::from_millis(20));
}

#[test]
fn the_others_run_and_pass() {
    let (passed, printed) = test_alone("freely", &[]);
    let said =
        format!("BUG: panic in a timer at drivers/fake_gpu/tests/panics.rs:{LINE}: planted\n");
    assert!(!passed && printed.contains(&said), "{printed}");
    assert!(!printed.contains("not reached"), "{printed}");
    let (passed, printed) = test_alone("freely_beside", &[]);
    assert!(passed, "{printed}");
}
