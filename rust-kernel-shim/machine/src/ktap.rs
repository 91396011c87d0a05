// SPDX-License-Identifier: GPL-2.0-only
//! What came out of test cases, as KUnit prints it: a block for each suite, once all of it has run.

use super::console::write_line;
use std::{collections::BTreeMap, sync::Mutex};

type Suite = BTreeMap<&'static str, bool>;

static SUITES: Mutex<BTreeMap<&'static str, Suite>> = Mutex::new(BTreeMap::new());

/// A case of this suite has ended; `cases` are all that it has, in order.
pub fn ended(
    suite: &'static str,
    cases: &'static [&'static str],
    case: &'static str,
    passed: bool,
) {
    let mut suites = crate::lock(&SUITES);
    let results = suites.entry(suite).or_default();
    results.insert(case, passed);
    if results.len() == cases.len() {
        write_line(format_args!("{}", block(suite, cases, results)));
    }
}

fn word(passed: bool) -> &'static str {
    match passed {
        true => "ok",
        false => "not ok",
    }
}

fn block(suite: &str, cases: &[&str], results: &Suite) -> String {
    let mut text = format!(
        "    KTAP version 1\n    # Subtest: {suite}\n    1..{}\n",
        cases.len()
    );
    for (number, case) in (1..).zip(cases) {
        let result = word(results.get(case) == Some(&true));
        text += &format!("    {result} {number} {case}\n");
    }
    let pass = results.values().filter(|&&passed| passed).count();
    let fail = cases.len() - pass;
    text += &format!(
        "# {suite}: pass:{pass} fail:{fail} skip:0 total:{}\n",
        cases.len()
    );
    text + &format!("{} 1 {suite}", word(fail == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_cases_in_order() {
        let results = [("b", true), ("a", false)].into();
        assert_eq!(
            block("suite", &["b", "a"], &results),
            "    KTAP version 1\n    # Subtest: suite\n    1..2\n    ok 1 b\n    not ok 2 a\n\
             # suite: pass:1 fail:1 skip:0 total:2\nnot ok 1 suite"
        );
    }
}
