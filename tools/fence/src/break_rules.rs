// SPDX-License-Identifier: GPL-2.0-only
//! `fence break`: a driver that breaks a rule, and what is reported.

use crate::output::{complain, print};
use dma_fence::testing::{Check, ContractRule, Example, Kept, RULES};
use kernel::testing::{console, report::reports_of};
use similar::TextDiff;
use std::fmt::Write as _;

macro_rules! refused {
    ($file:literal) => {
        concat!(
            concat!("// dma-fence/tests/ui/", $file, ".rs\n"),
            include_str!(concat!("../../../dma-fence/tests/ui/", $file, ".rs")),
            "\n",
            include_str!(concat!("../../../dma-fence/tests/ui/", $file, ".stderr")),
            "\n"
        )
    };
}

/// What breaks a rule that a type keeps, and what the compiler says to it.
fn refused(rule: &str) -> &'static str {
    match rule {
        "signal-once" => refused!("driver_fence_after_signal"),
        "no-alloc-at-submit" => refused!("fence_without_memory"),
        "no-ops-identity" => refused!("no_ops_identity"),
        _ => "",
    }
}

/// All drivers that break a rule.
pub(crate) fn examples() -> impl Iterator<Item = &'static Example> {
    dma_fence_broken::EXAMPLES.iter().chain(broken::EXAMPLES)
}

/// Breaks the rule of that name, or each in turn; returns the exit code.
pub(crate) fn run(name: Option<&str>) -> u8 {
    // What the kernel itself would print is not shown.
    console::set_loglevel(0);
    let (mut text, mut right, mut unchecked) = (String::new(), true, Vec::new());
    for rule in RULES {
        if name.is_some_and(|name| name != rule.name) {
            continue;
        }
        let (shown, as_it_should) = match rule.kept {
            Kept::ByCheck(_) if cfg!(not(feature = "debug")) => {
                unchecked.push(rule.name);
                continue;
            }
            Kept::ByCheck(_) => break_at_run_time(rule.name),
            _ => (refused(rule.name).into(), !refused(rule.name).is_empty()),
        };
        right &= as_it_should;
        if name.is_some() {
            text.push_str(&shown);
        }
        text.push_str(&summary(rule, as_it_should));
    }
    let mut code = print(text.as_bytes()).max(u8::from(!right));
    if !unchecked.is_empty() {
        complain(format_args!(
            "fence: a production kernel checks no rules, so nothing reports what breaks {}: build \
             the command with the feature `debug`, which is on by default",
            unchecked.join(", ")
        ));
        code = 2;
    }
    code
}

/// The patch that breaks a driver which keeps a rule.
pub(crate) fn patch(example: &Example) -> String {
    let (kept, broken) = (&example.kept, &example.broken);
    TextDiff::from_lines(kept.source, broken.source)
        .unified_diff()
        .header(kept.file, broken.file)
        .to_string()
}

/// The patch and the reports; true if exactly what should be reported was.
fn break_at_run_time(rule: &str) -> (String, bool) {
    let Some(example) = examples().find(|example| example.rule == rule) else {
        return (format!("there is no driver that breaks {rule}\n"), false);
    };
    let mut text = patch(example);
    text.push('\n');
    let mut result = Ok(());
    let (reports, _) = reports_of(|| result = (example.broken.run)());
    for report in reports.iter() {
        text.push_str(&report.text);
        text.push('\n');
    }
    if let Err(error) = result {
        let _ = writeln!(text, "the driver has failed: {error:?}\n");
    }
    let right = reports.len() == 1 && reports[0].rule == rule && result.is_ok();
    (text, right)
}

fn summary(rule: &ContractRule, right: bool) -> String {
    let (name, verdict) = (rule.name, if right { "as" } else { "NOT as" });
    match rule.kept {
        Kept::ByCheck(check) => {
            let (looked, broken) = (Check::looked(check), Check::broken(check));
            format!("{name:<28} looked {looked} times, {broken} reports, {verdict} it should\n")
        }
        _ => format!("{name:<28} does not compile, {verdict} it should\n"),
    }
}
