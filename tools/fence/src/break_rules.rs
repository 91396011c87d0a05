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

/// Returns code that breaks a rule which a type keeps, and the compiler's message.
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

/// Returns a driver as it reads with its mistake or without: each `if wrong` gives way to its branch.
fn form(source: &str, wrong: bool) -> String {
    let mut text = String::new();
    // The indentation of the `if` around the line, and whether its branch is the one to show.
    let mut branch = None;
    for line in source.split_inclusive('\n') {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        branch = match (branch, code.trim_end()) {
            (None, "if wrong {" | "if self.wrong {" | "if self.0.wrong {") => Some((indent, wrong)),
            (None, "if !wrong {") => Some((indent, !wrong)),
            (Some((at, shown)), "} else {") if at == indent => Some((at, !shown)),
            (Some((at, _)), "}") if at == indent => None,
            (Some((_, shown)), _) => {
                text.push_str(if shown { &line[4..] } else { "" });
                branch
            }
            (None, _) => {
                text.push_str(line);
                None
            }
        };
    }
    text
}

/// Returns the patch that breaks a driver which keeps a rule.
pub(crate) fn patch(example: &Example) -> String {
    let [kept, broken] = [false, true].map(|wrong| form(example.source, wrong));
    TextDiff::from_lines(&kept, &broken)
        .unified_diff()
        .header(example.file, example.file)
        .to_string()
}

/// Returns the patch and the reports; true if exactly what should be reported was.
fn break_at_run_time(rule: &str) -> (String, bool) {
    let Some(example) = examples().find(|example| example.rule == rule) else {
        return (format!("there is no driver that breaks {rule}\n"), false);
    };
    let mut text = patch(example);
    text.push('\n');
    let run = example.run;
    let (reports, end) = reports_of(move || run(true));
    for report in reports.iter() {
        text.push_str(&report.text);
        text.push('\n');
    }
    // One that gets stuck has broken its rule, too.
    let result = end.unwrap_or(Ok(()));
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
