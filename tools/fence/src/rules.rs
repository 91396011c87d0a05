// SPDX-License-Identifier: GPL-2.0-only
//! `fence rules`: the rules of the contract.

use crate::{break_rules, output::print};
use dma_fence::testing::{ContractRule, Kept, RULES};
use std::fmt::Write as _;

/// The page of a rule.
fn page(name: &str) -> &'static str {
    macro_rules! pages {
        ($($name:literal)*) => {
            match name {
                $($name => include_str!(concat!("../../../Documentation/rules/", $name, ".rst")),)*
                _ => "",
            }
        };
    }
    pages! {
        "names-in-one-rcu-section" "grace-period-before-free" "no-driver-data-after-signal"
        "unload-after-detach" "extern-lock-outlives" "signal-once" "signal-eventually"
        "error-before-signal" "release-signalled" "callback-atomic" "callback-once"
        "signaled-monotonic" "not-before-done" "context-order" "signalling-section"
        "compare-same-context" "no-nested-containers" "resv-reserve-first" "no-alloc-at-submit" "no-ops-identity"
        "refcount" "reference-left" "active-object-freed" "nothing-after-remove" "rcu-no-sleep"
        "lock-order" "irq-lock-order" "lock-context"
    }
}

/// The text below a heading of a page, up to the next.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let below = page
        .split_once(&format!("\n{heading}\n"))
        .map_or("", |(_, below)| below);
    // The line under the heading; and above the next one stands its text.
    let below = below.split_once('\n').map_or("", |(_, below)| below);
    let end = below
        .match_indices("\n==")
        .next()
        .and_then(|(at, _)| below[..at].rfind('\n'))
        .unwrap_or(below.len());
    below[..end].trim()
}

/// Prints the rules, or all about one; returns the exit code.
pub(crate) fn run(name: Option<&str>) -> u8 {
    let mut text = String::new();
    for rule in RULES
        .iter()
        .filter(|rule| name.is_none_or(|name| name == rule.name))
    {
        // Writing to a string does not fail.
        let _ = match name {
            Some(_) => whole(&mut text, rule),
            None => writeln!(text, "{:<28} {}", rule.name, rule.statement),
        };
    }
    print(text.as_bytes())
}

fn whole(out: &mut String, rule: &ContractRule) -> std::fmt::Result {
    let name = rule.name;
    writeln!(out, "{name}: {}\n", rule.statement)?;
    writeln!(out, "{}\n", section(page(name), "Why"))?;
    writeln!(out, "{}\n", section(page(name), "How it is kept"))?;
    if let Some(example) = break_rules::examples().find(|example| example.rule == name) {
        writeln!(out, "driver     {}", example.file)?;
    }
    if let Kept::ByCheck(_) = rule.kept {
        writeln!(out, "reported   fence break {name}")?;
    }
    writeln!(out, "page       Documentation/rules/{name}.rst")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_page() {
        for rule in RULES {
            let page = page(rule.name);
            let words: Vec<&str> = page.split_whitespace().collect();
            assert!(words.join(" ").contains(rule.statement), "{}", rule.name);
            for heading in ["Why", "How it is kept"] {
                assert_ne!(section(page, heading), "", "{}: {heading}", rule.name);
            }
        }
    }

    #[test]
    fn a_section_ends_at_the_next() {
        let page = "Rule\n====\n\nWhy\n===\n\nSo.\n\nThus.\n\nNext\n====\n\nMore.\n";
        assert_eq!(section(page, "Why"), "So.\n\nThus.");
        assert_eq!(section(page, "Next"), "More.");
        assert_eq!(section(page, "Gone"), "");
    }

    #[test]
    fn a_patch_is_short() {
        for example in break_rules::examples() {
            let changed = |line: &&str| {
                let head = line.starts_with("---") || line.starts_with("+++");
                !head && (line.starts_with('-') || line.starts_with('+'))
            };
            let patch = break_rules::patch(example);
            assert!(!patch.contains("wrong {"), "{patch}");
            let lines = patch.lines().filter(changed).count();
            assert!((1..=15).contains(&lines), "{}: {lines} lines", example.rule);
        }
    }
}
