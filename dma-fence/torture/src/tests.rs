// SPDX-License-Identifier: GPL-2.0-only
//! Each target for a moment, and each busted variant until it is caught.

use crate::{torture, Options, Summary, Target};
use kernel::testing::without_checks;
use std::time::Duration;

fn run(target: Target, seconds: f64, busted: Option<&'static str>) -> Summary {
    let options = Options {
        duration: Duration::from_secs_f64(seconds),
        seed: 1,
        threads: 3,
        busted,
    };
    torture(target, &options, |_, _| ())
}

#[test]
fn what_is_right_fails_nothing() {
    for target in Target::ALL {
        let summary = run(target, 0.5, None);
        assert_eq!(summary.failures, [""; 0], "{target:?}: {summary:?}");
    }
}

#[test]
fn what_is_wrong_is_caught() {
    for target in Target::ALL {
        for (name, _) in target.busted() {
            let summary = without_checks(|| run(target, 60.0, Some(name)));
            assert_ne!(summary.failed, 0, "{target:?} {name}: {summary:?}");
        }
    }
}
