// SPDX-License-Identifier: GPL-2.0-only
//! The writer, which carries elements through the pipe by every kind of grace period, and threads
//! that wait for grace periods from which nothing depends.

use super::{element::Elements, flavour::Flavour};
use crate::run::delay;
use fastrand::Rng;
use std::{thread, time::Duration};

/// Publishes new elements until the end.
pub(super) fn write<F: Flavour>(elements: &Elements<'_, F>, rng: &mut Rng) {
    let (run, flavour) = (elements.run, elements.flavour);
    let mut pipe = Vec::new();
    let (mut published, mut periods) = (0, 0);
    while run.goes_on() {
        let Some(element) = elements.take() else {
            // All are with callbacks.
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        delay(rng, true);
        let old = elements.publish(element);
        published += 1;
        if old.is_null() {
            continue;
        }
        if rng.u32(0..3) == 0 {
            elements.call(old);
            continue;
        }
        pipe.push(old);
        if rng.bool() {
            continue;
        }
        wait(flavour, rng, |what| run.fail(|| what.into()));
        periods += 1;
        pipe.retain(|&element| !elements.passed(element));
    }
    // Readers are still there.
    pipe.into_iter().for_each(|element| elements.call(element));
    run.count("elements published", published);
    run.count("grace periods waited for", periods);
    if published < 2 {
        run.fail(|| "the writer came to no end of a grace period".into());
    }
}

/// Waits for a grace period in one of the ways in which one can.
fn wait<F: Flavour>(flavour: &F, rng: &mut Rng, fail: impl Fn(&'static str)) {
    let cookie = flavour.get_state();
    match rng.u32(0..5) {
        0 => flavour.synchronize(),
        1 => flavour.expedited(),
        2 => {
            delay(rng, true);
            flavour.cond_synchronize(cookie);
        }
        _ => {
            let cookie = flavour.start_poll();
            while !flavour.poll(cookie) {
                thread::sleep(Duration::from_micros(rng.u64(1..200)));
            }
            return;
        }
    }
    if !flavour.poll(cookie) {
        fail("a grace period has passed, and its cookie does not know");
    }
}

/// Waits for grace periods until the end, so that several are wanted at once.
pub(super) fn wait_for_nothing<F: Flavour>(elements: &Elements<'_, F>, rng: &mut Rng) {
    let mut periods = 0;
    while elements.run.goes_on() {
        wait(elements.flavour, rng, |what| {
            elements.run.fail(|| what.into())
        });
        if rng.u32(0..8) == 0 {
            elements.flavour.barrier();
        }
        delay(rng, true);
        thread::sleep(Duration::from_micros(rng.u64(1..500)));
        periods += 1;
    }
    elements.run.count("grace periods waited for", periods);
}
