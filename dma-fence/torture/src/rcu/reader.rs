// SPDX-License-Identifier: GPL-2.0-only
//! Readers.

use super::{
    element::{dereference, Elements, PIPE},
    flavour::Flavour,
};
use crate::run::{delay, STEPS};
use fastrand::Rng;
use std::{cell::RefCell, sync::atomic::Ordering::Relaxed};

/// Reads until the end, in sections of all kinds, which nest.
pub(super) fn read<F: Flavour>(elements: &Elements<'_, F>, rng: &mut Rng) {
    let mut histogram = [0; STEPS];
    let mut rounds = 0;
    while elements.run.goes_on() {
        let outer = rng.u8(0..F::KINDS);
        let depth = if rng.u32(0..8) == 0 { rng.u32(1..4) } else { 0 };
        let rng = RefCell::new(&mut *rng);
        elements.flavour.section(outer, &mut || {
            inside(
                elements,
                &mut rng.borrow_mut(),
                outer,
                depth,
                &mut histogram,
            );
        });
        rounds += 1;
        elements.run.round();
    }
    elements.run.histogram(&histogram);
    elements.run.count("reads", rounds);
    if rounds == 0 {
        elements.run.fail(|| "a reader never came to read".into());
    }
}

/// The inside of a section: follows the pointer, opens and closes inner sections, and looks.
fn inside<F: Flavour>(
    elements: &Elements<'_, F>,
    rng: &mut Rng,
    outer: u8,
    depth: u32,
    histogram: &mut [u64; STEPS],
) {
    let run = elements.run;
    let cookie = (rng.u32(0..16) == 0).then(|| elements.flavour.get_state());
    if let Some(element) = dereference(elements) {
        let what = |ready| match ready {
            0 => Some("a reader saw what was not ready, or not there any more"),
            _ => None,
        };
        let early = what(element.ready.load(Relaxed));
        for _ in 0..depth {
            delay(rng, F::SLEEPS);
            // Inner sections open and close, while the outer one stays. Interrupts do not sleep,
            // and come in nothing that is one already.
            let inner = rng.u8(0..F::KINDS.min(if outer < 4 { outer + 1 } else { 1 }));
            elements.flavour.section(inner, &mut || ());
        }
        delay(rng, F::SLEEPS);
        let passed = element.passed.load(Relaxed);
        histogram[passed.min(PIPE) as usize] += 1;
        if passed > 1 {
            run.fail(|| "a grace period ended under a reader".into());
        }
        if let Some(what) = early.or(what(element.ready.load(Relaxed))) {
            run.fail(|| what.into());
        }
    }
    if cookie.is_some_and(|cookie| elements.flavour.poll(cookie)) {
        run.fail(|| "a polled grace period ended under a reader that was there before".into());
    }
}
