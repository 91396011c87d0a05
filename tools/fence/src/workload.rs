// SPDX-License-Identifier: GPL-2.0-only
//! `fence workload`: what a driver's module does with fences when it is loaded with a workload.

use crate::{
    demo::number,
    output::{complain, print},
};
use dma_fence::testing::workload;
use fake_gpu::FakeGpuModule;
use std::{ffi::CString, fmt::Write as _};
use sw_timeline::SwTimeline;

/// What both drivers take.
const MAX_JOBS: u32 = {
    assert!(fake_gpu::MAX_JOBS == sw_timeline::MAX_JOBS);
    fake_gpu::MAX_JOBS
};

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Workload {
    /// The driver
    driver: Driver,
    /// What decides about it
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = number::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Its size, 2000 at most
    #[arg(long, default_value_t = 96, value_name = "N", allow_negative_numbers = true, value_parser = number::<u32>(0..=u64::from(MAX_JOBS)))]
    jobs: u32,
}

#[derive(Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Driver {
    FakeGpu,
    SwTimeline,
}

/// Loads and unloads the module, and prints it; returns the exit code.
pub(crate) fn run(arguments: &Workload) -> u8 {
    let parameters = parameters(arguments.seed, arguments.jobs);
    let mut text = String::new();
    let line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    let result = match arguments.driver {
        Driver::FakeGpu => workload::<FakeGpuModule>(&parameters, line),
        Driver::SwTimeline => workload::<SwTimeline>(&parameters, line),
    };
    match result {
        Ok(()) => print(text.as_bytes()),
        Err(error) => {
            complain(format_args!("the workload ends with {error:?}"));
            2
        }
    }
}

fn parameters(seed: u64, jobs: u32) -> CString {
    CString::new(format!("seed={seed} jobs={jobs}")).unwrap_or_default()
}

#[cfg(all(test, feature = "debug"))]
mod tests {
    use super::*;
    use dma_fence::testing::trace_fences;
    use kernel::{
        error::code::EINVAL,
        module::{InPlaceModule, ModuleMetadata},
        testing::{console, insmod_with, Explorer},
    };
    use std::collections::BTreeMap;

    /// The events of each context, without its number, which is another each time; and what is said.
    #[derive(Debug, Default, PartialEq)]
    struct Seen(BTreeMap<u64, Vec<String>>, Vec<String>);

    impl Seen {
        fn line(&mut self, line: &str) {
            let Some((before, after)) = line.split_once(" context=") else {
                return self.1.push(line.to_owned());
            };
            let (context, after) = after.split_once(' ').unwrap();
            let events = self.0.entry(context.parse().unwrap()).or_default();
            events.push(format!("{before} {after}"));
        }

        /// By the order in which they were made.
        fn numbered(self) -> (Vec<Vec<String>>, Vec<String>) {
            (self.0.into_values().collect(), self.1)
        }
    }

    /// A machine that is fast here and slow there; but no timer is early, as a late work item counts on.
    fn is_the_same_in_all_schedules<M: InPlaceModule + ModuleMetadata>() {
        let expected = |seed| {
            let mut seen = Seen::default();
            workload::<M>(&parameters(seed, 48), |line| seen.line(line)).unwrap();
            seen.numbered()
        };
        let (one, (two, said)) = (expected(1), expected(2));
        assert_ne!((&one.0, &one.1), (&two, &said));
        let events = two.iter().flatten();
        assert!(events.filter(|event| event.contains("_signaled")).count() > 20);
        let mut logged = 0;
        console::lines(|_| logged += 1);
        let explorer = Explorer::new().timers_wait().schedules(25);
        let outcome = explorer.from_environment().run(move || {
            let mut seen = Seen::default();
            let load = || insmod_with::<M>(&parameters(2, 48)).map(drop);
            trace_fences(load, |line| seen.line(line)).unwrap();
            assert_eq!(seen.numbered().0, two);
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
        let mut all = Vec::new();
        console::lines(|line| all.push(line.to_owned()));
        let all = &all[logged..];
        assert!(all.len() > said.len());
        assert!(all.chunks(said.len()).all(|one| one == said));
    }

    /// The largest fits, and of a larger one the log says what would be right.
    fn has_a_bound<M: InPlaceModule + ModuleMetadata>() {
        let fences = |jobs| {
            let mut destroyed = 0;
            let count = |line: &str| destroyed += usize::from(line.contains("_destroy: "));
            workload::<M>(&parameters(1, jobs), count).map(|()| destroyed)
        };
        assert!(fences(MAX_JOBS).unwrap() > 1000);
        let more = MAX_JOBS + 1;
        let words = format!("jobs={more}: expected {MAX_JOBS} at most");
        let before = console::said(&words);
        assert_eq!(fences(more), Err(EINVAL));
        assert_eq!(console::said(&words), before + 1);
    }

    // One after the other, since there is one trace buffer.
    #[test]
    fn the_workloads_have_bounds_and_are_the_same_in_all_schedules() {
        has_a_bound::<FakeGpuModule>();
        has_a_bound::<SwTimeline>();
        is_the_same_in_all_schedules::<FakeGpuModule>();
        is_the_same_in_all_schedules::<SwTimeline>();
    }
}
