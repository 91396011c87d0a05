// SPDX-License-Identifier: GPL-2.0-only
//! The results of a run, for people and for programs.

use crate::{latency::human, names::Counted, scenarios, stats::Counters};
use dma_fence::testing::{Kept, RULES};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};

/// The counts of a rule's check.
#[derive(Serialize)]
pub(crate) struct Checked {
    looked: usize,
    broken: usize,
}

/// The results of a run.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    /// Jobs of the fake GPU; each is completed or errored.
    pub(crate) jobs: u64,
    pub(crate) completed: u64,
    pub(crate) errored: u64,
    pub(crate) resets: u64,
    pub(crate) interrupts: u64,
    pub(crate) spurious_interrupts: u64,
    /// By the drivers' names.
    pub(crate) fences: BTreeMap<String, Counters>,
    pub(crate) waits: usize,
    pub(crate) callbacks: usize,
    pub(crate) names_before: usize,
    pub(crate) names_after: usize,
    pub(crate) names_across: usize,
    pub(crate) names_wrong: usize,
    /// Bounds in nanoseconds, and how many waiters took at most that and more than the one before.
    pub(crate) latency: Vec<(u64, u64)>,
    /// By the names of the rules.
    pub(crate) contract: BTreeMap<&'static str, Checked>,
    pub(crate) scenarios: usize,
    pub(crate) scenarios_equal: usize,
    /// The problems that were found.
    pub(crate) findings: Vec<String>,
}

impl Report {
    pub(crate) fn set_gpu(&mut self, stats: fake_gpu::Stats) {
        self.jobs = stats.jobs;
        self.completed = stats.completed;
        self.errored = stats.errored;
        self.resets = stats.resets;
        self.interrupts = stats.interrupts;
        self.spurious_interrupts = stats.spurious;
        if stats.jobs != stats.completed + stats.errored {
            self.findings.push(format!(
                "{} jobs, but {} completed and {} errored",
                stats.jobs, stats.completed, stats.errored
            ));
        }
    }

    pub(crate) fn set_names(&mut self, names: Counted) {
        self.names_before = names.before;
        self.names_after = names.after;
        self.names_across = names.between;
        self.names_wrong = names.wrong.len();
        let wrong = names.wrong.iter();
        self.findings
            .extend(wrong.map(|names| format!("a fence had the names `{names}`")));
    }

    /// Sets the counts of the contract's checks so far, and adds a finding for each report.
    pub(crate) fn set_contract(&mut self, reports: &[kernel::testing::report::Report]) {
        for rule in RULES {
            if let Kept::ByCheck(check) = rule.kept {
                let (looked, broken) = (check.looked(), check.broken());
                self.contract.insert(rule.name, Checked { looked, broken });
            }
        }
        let broken = reports.iter().map(|report| report.rule);
        self.findings
            .extend(broken.map(|rule| format!("the rule `{rule}` was broken, see above")));
    }

    pub(crate) fn set_scenarios(&mut self, outcome: scenarios::Outcome) {
        self.scenarios = outcome.replayed;
        self.scenarios_equal = outcome.replayed - outcome.differences.len();
        let differences = outcome.differences.iter();
        self.findings
            .extend(differences.map(|difference| format!("scenario {difference}")));
    }

    /// One object.
    pub(crate) fn json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// A summary to read.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "seed {}", self.seed)?;
        for (driver, fences) in &self.fences {
            writeln!(
                out,
                "  {driver:<12} {} fences created, {} signalled, {} of them in error, {} still held",
                fences.created, fences.signalled, fences.in_error, fences.held
            )?;
        }
        writeln!(
            out,
            "  jobs         {} submitted, {} completed, {} errored; {} resets, {} interrupts ({} spurious)",
            self.jobs,
            self.completed,
            self.errored,
            self.resets,
            self.interrupts,
            self.spurious_interrupts
        )?;
        writeln!(
            out,
            "  waiters      {} waits and {} callbacks ended with the signal",
            self.waits, self.callbacks
        )?;
        writeln!(
            out,
            "  names        {} read before the detach, {} after it, {} across it, {} wrong",
            self.names_before, self.names_after, self.names_across, self.names_wrong
        )?;
        self.write_contract(out)?;
        self.write_latency(out)?;
        writeln!(
            out,
            "  scenarios    {} of {} as recorded on Linux",
            self.scenarios_equal, self.scenarios
        )
    }

    fn write_contract(&self, out: &mut String) -> std::fmt::Result {
        if cfg!(not(feature = "debug")) {
            return Ok(());
        }
        let looked: usize = self.contract.values().map(|checked| checked.looked).sum();
        let broken: usize = self.contract.values().map(|checked| checked.broken).sum();
        let rules = self.contract.len();
        writeln!(
            out,
            "  contract     {rules} rules checked {looked} times, {broken} broken"
        )
    }

    fn write_latency(&self, out: &mut String) -> std::fmt::Result {
        const BAR: u64 = 40;
        let most = self
            .latency
            .iter()
            .map(|&(_, count)| count)
            .max()
            .unwrap_or(0)
            .max(1);
        for (n, &(bound, count)) in self.latency.iter().enumerate() {
            let title = if n == 0 { "latency" } else { "" };
            let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
            writeln!(
                out,
                "  {title:<12} under {:>7} {count:>7} {bar}",
                human(bound)
            )?;
        }
        Ok(())
    }
}
