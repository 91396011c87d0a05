// SPDX-License-Identifier: GPL-2.0-only
//! The part of the workload that runs on the fake GPU, in rounds.
//!
//! The jobs of a round wait for a value of a timeline and for jobs of any ring in the round before;
//! the timeline gets to that value when the jobs of the round before are done. So dependencies
//! go both ways between the drivers, and never in a circle.

use crate::{consumers::Consumers, failure::Failure};
use dma_fence::Fence;
use fake_gpu::{Config, Context, FakeGpu, Job, Stats};
use fastrand::Rng;
use kernel::sync::{aref::ARef, Arc};
use std::{collections::VecDeque, ffi::CString};
use sw_timeline::{SwTimeline, Timeline};

/// Jobs of one ring in one round.
const JOBS_A_ROUND: u32 = 8;

/// Rounds that are on their way at the same time.
const ROUNDS_AHEAD: usize = 4;

/// A GPU with clients on each of its rings.
pub(crate) struct Gpu {
    gpu: Arc<FakeGpu>,
    clients: Vec<Arc<Context>>,
    /// A client whose job hangs, once.
    guilty: Arc<Context>,
    timeline: Arc<Timeline>,
}

impl Gpu {
    pub(crate) fn new(driver: &SwTimeline, config: Config) -> Result<Self, Failure> {
        let gpu = FakeGpu::new(config)?;
        let client = |ring: usize, name: String| {
            let name = CString::new(name).unwrap_or_default();
            gpu.context(ring, &name)
        };
        let mut clients = Vec::new();
        for ring in 0..config.rings {
            clients.push(client(ring, format!("ring{ring}"))?);
        }
        let guilty = client(0, "guilty".into())?;
        let timeline = driver.timeline(c"vblank")?;
        Ok(Self {
            gpu,
            clients,
            guilty,
            timeline,
        })
    }

    /// Returns how many jobs [`Gpu::run`] submits for `jobs`: one more, which hangs.
    pub(crate) fn in_all(jobs: u32) -> u64 {
        u64::from(jobs) + u64::from(jobs > 0)
    }

    /// Submits `jobs` jobs and one that hangs, and removes the GPU while the last of them are
    /// pending. `progress` is told how many are over.
    pub(crate) fn run(
        &self,
        jobs: u32,
        rng: &mut Rng,
        consumers: &Consumers,
        progress: impl Fn(u64),
    ) -> Result<Stats, Failure> {
        let rounds = jobs.div_ceil(JOBS_A_ROUND * self.clients.len() as u32);
        let mut under_way = VecDeque::new();
        let mut before = Vec::new();
        let mut left = jobs;
        for round in 1..=rounds {
            // Halfway, or with the only round.
            if round == (rounds / 2).max(1) {
                let stuck = self.guilty.submit(Job::Hang, &[])?;
                consumers.show(&stuck)?;
            }
            let fences = self.round(round, &mut left, &before, rng, consumers)?;
            before.clone_from(&fences);
            under_way.push_back(fences);
            // All but the last round end by themselves.
            let ahead = if round == rounds { 1 } else { ROUNDS_AHEAD };
            while under_way.len() > ahead {
                self.finish(&under_way.pop_front().unwrap_or_default());
                let stats = self.gpu.stats();
                progress(stats.completed + stats.errored);
            }
        }
        // What is still under way finds that its hardware is gone.
        self.stop();
        let stats = self.gpu.stats();
        progress(stats.completed + stats.errored);
        Ok(stats)
    }

    /// Ends what is pending, on hardware and timeline.
    pub(crate) fn stop(&self) {
        self.gpu.remove();
        self.timeline.close();
    }

    fn round(
        &self,
        round: u32,
        left: &mut u32,
        before: &[ARef<Fence>],
        rng: &mut Rng,
        consumers: &Consumers,
    ) -> Result<Vec<ARef<Fence>>, Failure> {
        let value = self.timeline.fence(round)?;
        consumers.show(&value)?;
        let mut fences = Vec::new();
        for client in &self.clients {
            for _ in 0..JOBS_A_ROUND.min(*left) {
                let mut wait_for: Vec<&Fence> = Vec::new();
                if rng.u8(..4) == 0 {
                    wait_for.push(&value);
                }
                wait_for.extend(
                    (0..rng.usize(..3))
                        .filter_map(|_| rng.choice(before))
                        .map(|f| &**f),
                );
                let job = match rng.u16(..1000) {
                    0 => Job::Fault,
                    _ => Job::Work(rng.u32(1..4)),
                };
                let fence = client.submit(job, &wait_for)?;
                consumers.show(&fence)?;
                fences.push(fence);
                *left -= 1;
            }
        }
        Ok(fences)
    }

    /// Lets the timeline get to a round's value, and waits for its jobs.
    fn finish(&self, round: &[ARef<Fence>]) {
        self.timeline.advance(1);
        for fence in round {
            fence.wait();
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Gpu};

    #[test]
    fn what_is_pending_ends_with_the_gpu() {
        let driver = crate::timelines::tests::driver();
        let gpu = Gpu::new(&driver, Config::default()).ok().unwrap();
        // It does not go with the GPU.
        let timeline = gpu.timeline.clone();
        let value = timeline.fence(1).unwrap();
        assert_eq!(value.status(), None);
        drop(gpu);
        assert!(value.status().is_some());
    }

    #[test]
    fn one_more_hangs_if_there_is_one() {
        assert_eq!([0, 1, 20].map(Gpu::in_all), [0, 2, 21]);
    }
}
