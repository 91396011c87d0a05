// SPDX-License-Identifier: GPL-2.0-only
//! The part of the workload that runs on software timelines alone.

use crate::{consumers::Consumers, failure::Failure};
use dma_fence::Fence;
use fastrand::Rng;
use kernel::{
    error::code::ENOENT,
    sync::{aref::ARef, Arc},
};
use std::{
    ffi::CString,
    io,
    thread::{Builder, Scope, ScopedJoinHandle},
};
use sw_timeline::{SwTimeline, Timeline};

const TIMELINES: usize = 4;
const VALUES: u32 = 64;

/// The last values never come on some timelines.
const LATE: u32 = 8;

/// Timelines with a fence for each of their values.
pub(crate) struct Timelines {
    /// Each with the last value that comes.
    timelines: Vec<(Arc<Timeline>, u32)>,
    fences: Vec<(ARef<Fence>, u32)>,
}

impl Timelines {
    /// Makes the fences, in an order that `rng` decides, and shows them to the consumers.
    pub(crate) fn new(
        driver: &SwTimeline,
        rng: &mut Rng,
        consumers: &Consumers,
    ) -> Result<Self, Failure> {
        let (mut timelines, mut fences) = (Vec::new(), Vec::new());
        for n in 0..TIMELINES {
            let name = CString::new(format!("timeline{n}")).unwrap_or_default();
            let timeline = driver.timeline(&name)?;
            let mut values: Vec<u32> = (1..=VALUES).collect();
            rng.shuffle(&mut values);
            for value in values {
                let fence = timeline.fence(value)?;
                consumers.show(&fence)?;
                fences.push((fence, value));
            }
            timelines.push((timeline, VALUES - rng.u32(0..LATE)));
        }
        Ok(Self { timelines, fences })
    }

    /// Has each timeline advanced to its last value by a thread of its own.
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        rng: &mut Rng,
    ) -> io::Result<Vec<ScopedJoinHandle<'scope, ()>>> {
        let advance = |(timeline, last): &'scope (Arc<Timeline>, u32)| {
            let mut rng = rng.fork();
            Builder::new().spawn_scoped(scope, move || advance(&mut rng, timeline, *last))
        };
        self.timelines.iter().map(advance).collect()
    }

    /// Signals what has not signalled.
    pub(crate) fn close(&self) {
        for (timeline, _) in &self.timelines {
            timeline.close();
        }
    }

    /// Every fence has signalled, and without an error if its value came for sure.
    pub(crate) fn check(&self, findings: &mut Vec<String>) {
        for (fence, value) in &self.fences {
            match fence.status() {
                Some(Ok(())) => {}
                Some(Err(error)) if error == ENOENT && *value > VALUES - LATE => {}
                status => findings.push(format!("the fence of value {value} ended as {status:?}")),
            }
        }
    }
}

/// Advances a timeline to its last value in steps, and closes it.
fn advance(rng: &mut Rng, timeline: &Timeline, last: u32) {
    let mut value = 0;
    while value < last {
        let step = rng.u32(1..=4).min(last - value);
        timeline.advance(step);
        value += step;
        if rng.bool() {
            std::thread::yield_now();
        }
    }
    timeline.close();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{SwTimeline, Timelines};
    use kernel::testing::{insmod, Loaded};

    /// The driver, once no other test has it.
    pub(crate) fn driver() -> Loaded<SwTimeline> {
        loop {
            if let Ok(driver) = insmod() {
                return driver;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_fence_that_does_not_end_well_is_found() {
        let driver = driver();
        let timeline = driver.timeline(c"timeline").unwrap();
        let fences = [1, 2].map(|value| (timeline.fence(value).unwrap(), value));
        timeline.advance(1);
        let timelines = Timelines {
            timelines: vec![(timeline, 1)],
            fences: fences.into(),
        };
        let mut findings = Vec::new();
        timelines.check(&mut findings);
        timelines.close();
        timelines.check(&mut findings);
        let ended = ["None", "Some(Err(ENOENT))"];
        assert_eq!(
            findings,
            ended.map(|status| format!("the fence of value 2 ended as {status}"))
        );
    }
}
