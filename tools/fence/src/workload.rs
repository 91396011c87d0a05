// SPDX-License-Identifier: GPL-2.0-only
//! `fence workload`: what a driver's module does with fences when it is loaded with a workload.

use crate::output::{complain, print};
use dma_fence::testing::EVENTS;
use fake_gpu::FakeGpuModule;
use kernel::{
    error::Result,
    module::{InPlaceModule, ModuleMetadata},
    testing::{console, insmod_with, trace, vcpu},
};
use std::{ffi::CString, fmt::Write as _};
use sw_timeline::SwTimeline;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Workload {
    /// The driver
    driver: Driver,
    /// What decides about it
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Its size
    #[arg(long, default_value_t = 96, value_name = "N")]
    jobs: u32,
}

#[derive(Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Driver {
    FakeGpu,
    SwTimeline,
}

/// Loads and unloads the module, and prints it; returns the exit code.
pub(crate) fn run(workload: &Workload) -> u8 {
    let (name, load): (_, fn(CString) -> _) = match workload.driver {
        Driver::FakeGpu => ("fake_gpu", on_one_processor::<FakeGpuModule>),
        Driver::SwTimeline => ("sw_timeline", on_one_processor::<SwTimeline>),
    };
    match recorded(|| load(parameters(workload.seed, workload.jobs))) {
        Ok((events, 0)) => {
            let mut text = events.join("\n");
            text.push('\n');
            let prefix = format!("{name}: ");
            console::lines(|line| {
                if line.starts_with(&prefix) {
                    let _ = writeln!(text, "{line}");
                }
            });
            print(text.as_bytes())
        }
        Ok((_, lost)) => {
            complain(format_args!("{name}: {lost} events were lost: fewer jobs"));
            2
        }
        Err(error) => {
            complain(format_args!("{name}: cannot be loaded: {error:?}"));
            2
        }
    }
}

fn parameters(seed: u64, jobs: u32) -> CString {
    CString::new(format!("seed={seed} jobs={jobs}")).unwrap_or_default()
}

fn load<M: InPlaceModule + ModuleMetadata>(parameters: CString) -> Result {
    insmod_with::<M>(&parameters).map(drop)
}

fn on_one_processor<M: InPlaceModule + ModuleMetadata>(parameters: CString) -> Result {
    vcpu::fifo(move || load::<M>(parameters)).unwrap_or_else(|stuck| panic!("{stuck}"))
}

/// The events while `body` runs, without task and time, and how many were lost.
fn recorded(body: impl FnOnce() -> Result) -> Result<(Vec<String>, usize)> {
    trace::take(|_| {});
    let recordings = EVENTS.map(trace::record);
    let result = body();
    drop(recordings);
    let mut events = Vec::new();
    let lost = trace::take(|event| {
        let begin = event.find("dma_fence_").unwrap_or(0);
        events.push(event[begin..].to_owned());
    });
    result.map(|()| (events, lost))
}

#[cfg(all(test, feature = "debug"))]
mod tests {
    use super::*;
    use kernel::testing::Explorer;
    use std::collections::BTreeMap;

    /// The events of each context, without its number, which is another each time.
    fn by_context(events: &[String]) -> Vec<Vec<String>> {
        let mut contexts = BTreeMap::<&str, Vec<String>>::new();
        for event in events {
            let (before, rest) = event.split_once(" context=").unwrap();
            let (context, after) = rest.split_once(' ').unwrap();
            let all = contexts.entry(context).or_default();
            all.push(format!("{before} {after}"));
        }
        let mut all: Vec<_> = contexts.into_values().collect();
        all.sort();
        all
    }

    fn what_is_said(prefix: &str) -> Vec<String> {
        let mut all = Vec::new();
        console::lines(|line| {
            if line.starts_with(prefix) {
                all.push(line.to_owned());
            }
        });
        all
    }

    /// A machine that is fast here and slow there; but no timer is early, as a late work item counts on.
    fn is_the_same_in_all_schedules<M: InPlaceModule + ModuleMetadata>(name: &str) {
        let (jobs, schedules) = (48, 25);
        let run = move |seed| recorded(|| load::<M>(parameters(seed, jobs))).expect("it is loaded");
        let expected = |seed| {
            let (events, lost) =
                recorded(|| on_one_processor::<M>(parameters(seed, jobs))).expect("it is loaded");
            assert_eq!(lost, 0);
            by_context(&events)
        };
        let (one, two) = (expected(1), expected(2));
        assert_ne!(one, two);
        assert!(one
            .iter()
            .flatten()
            .any(|event| event.contains("_signaled")));
        let prefix = format!("{name}: workload 1");
        let said = what_is_said(&prefix);
        let explorer = Explorer::new().timers_wait().schedules(schedules);
        let outcome = explorer.from_environment().run(move || {
            assert_eq!(by_context(&run(1).0), one);
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
        let all = what_is_said(&prefix);
        assert!(all.len() > said.len());
        assert!(all.chunks(said.len()).all(|one| one == said));
    }

    #[test]
    fn the_workloads_are_the_same_in_all_schedules() {
        is_the_same_in_all_schedules::<FakeGpuModule>("fake_gpu");
        is_the_same_in_all_schedules::<SwTimeline>("sw_timeline");
    }
}
