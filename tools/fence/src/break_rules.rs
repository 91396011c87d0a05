// SPDX-License-Identifier: GPL-2.0-only
//! `fence break`: a driver that breaks a rule, and what is reported.

use crate::output::{complain, print};
use dma_fence::testing::{Check, ContractRule, Example, Kept, RULES};
use kernel::testing::{console, report::reports_of};
use similar::TextDiff;
use std::fmt::Write as _;

/// What breaks a rule that a type keeps, and what the compiler says to it.
struct Refused {
    rule: &'static str,
    file: &'static str,
    source: &'static str,
    error: &'static str,
}

macro_rules! refused {
    ($rule:literal, $file:literal) => {
        Refused {
            rule: $rule,
            file: concat!("dma-fence/tests/ui/", $file, ".rs"),
            source: include_str!(concat!("../../../dma-fence/tests/ui/", $file, ".rs")),
            error: include_str!(concat!("../../../dma-fence/tests/ui/", $file, ".stderr")),
        }
    };
}

const REFUSED: [Refused; 3] = [
    refused!("signal-once", "driver_fence_after_signal"),
    refused!("no-alloc-at-submit", "fence_without_memory"),
    refused!("no-ops-identity", "no_ops_identity"),
];

/// All drivers that break a rule.
pub(crate) fn examples() -> impl Iterator<Item = &'static Example> {
    dma_fence_broken::EXAMPLES.iter().chain(broken::EXAMPLES)
}

/// What has come of breaking a rule.
struct Broken {
    text: String,
    /// True if exactly what should be reported was.
    right: bool,
}

/// Breaks the rule of that name, or each in turn; gives the exit code.
pub(crate) fn run(name: Option<&str>) -> u8 {
    if cfg!(not(feature = "debug")) {
        complain(format_args!(
            "fence: a production kernel checks no rules: expected one that was built with the feature `debug`"
        ));
        return 2;
    }
    // What the kernel itself would say is not asked for.
    console::set_loglevel(0);
    let mut text = String::new();
    let mut right = true;
    for rule in RULES
        .iter()
        .filter(|rule| name.is_none_or(|name| name == rule.name))
    {
        let broken = one(rule);
        right &= broken.right;
        if name.is_some() {
            text.push_str(&broken.text);
        }
        text.push_str(&summary(rule, broken.right));
    }
    print(text.as_bytes()).max(u8::from(!right))
}

fn one(rule: &ContractRule) -> Broken {
    match examples().find(|example| example.rule == rule.name) {
        Some(example) => break_at_run_time(example),
        None => refuse(rule.name),
    }
}

/// The patch that breaks a driver which keeps a rule.
pub(crate) fn patch(example: &Example) -> String {
    let (kept, broken) = (&example.kept, &example.broken);
    TextDiff::from_lines(kept.source, broken.source)
        .unified_diff()
        .header(kept.file, broken.file)
        .to_string()
}

fn break_at_run_time(example: &Example) -> Broken {
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
    let right = reports.len() == 1 && reports[0].rule == example.rule && result.is_ok();
    Broken { text, right }
}

/// A rule that a type keeps: shows what does not compile.
fn refuse(name: &str) -> Broken {
    match REFUSED.iter().find(|refused| refused.rule == name) {
        Some(refused) => Broken {
            text: format!(
                "// {}\n{}\n{}\n",
                refused.file, refused.source, refused.error
            ),
            right: true,
        },
        None => Broken {
            text: "expected a driver that breaks it, but there is none\n".into(),
            right: false,
        },
    }
}

fn summary(rule: &ContractRule, right: bool) -> String {
    let verdict = if right {
        "as it should"
    } else {
        "NOT as it should"
    };
    match rule.kept {
        Kept::ByCheck(check) => {
            let (looked, broken) = (Check::looked(check), Check::broken(check));
            let name = rule.name;
            format!("{name:<28} looked {looked} times, {broken} reports, {verdict}\n")
        }
        _ => format!("{:<28} does not compile, {verdict}\n", rule.name),
    }
}
