// SPDX-License-Identifier: GPL-2.0-only
//! A handful of recorded scenarios inside the command.

use dma_fence_scenario::{compare, replay};
use std::io;

macro_rules! recorded {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!(
                "../../../dma-fence/scenario/conformance/scenarios/", $name, ".fence"
            )).as_slice(),
            include_bytes!(concat!(
                "../../../dma-fence/scenario/conformance/scenarios/", $name, ".expect"
            )).as_slice(),
        )),*]
    };
}

/// The number of replayed scenarios, and the differences of those that are not as recorded.
pub(crate) struct Outcome {
    pub(crate) replayed: usize,
    pub(crate) differences: Vec<String>,
}

/// Replays the embedded scenarios.
///
/// # Errors
///
/// The host has too few threads.
pub(crate) fn run() -> io::Result<Outcome> {
    let scenarios = recorded!(
        "basic-signal-locked",
        "callback-enable-false",
        "describe-poll",
        "error-second-signal",
        "later-wrap-large",
        "name-both",
        "name-ops-detach",
        "name-trace",
    );
    let mut differences = Vec::new();
    for (name, source, expected) in &scenarios {
        let replay = replay(source);
        if replay.no_thread {
            return Err(io::Error::other("the scenarios cannot be replayed"));
        }
        if let Some(diff) = compare(expected, &replay.transcript) {
            differences.push(format!("{name}:\n{diff}"));
        }
    }
    Ok(Outcome {
        replayed: scenarios.len(),
        differences,
    })
}
