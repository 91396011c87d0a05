// SPDX-License-Identifier: GPL-2.0-only
//! A handful of recorded scenarios inside the command.

use dma_fence_scenario::{compare, replay};

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

/// How many scenarios were replayed, and the differences of those that are not as recorded.
pub(crate) struct Outcome {
    pub(crate) replayed: usize,
    pub(crate) differences: Vec<String>,
    /// The host had too few threads: some of them could not be replayed.
    pub(crate) no_thread: bool,
}

/// Replays the embedded scenarios.
pub(crate) fn run() -> Outcome {
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
    let mut no_thread = false;
    for (name, source, expected) in &scenarios {
        let replay = replay(source);
        no_thread |= replay.no_thread;
        if let Some(diff) = compare(expected, &replay.transcript) {
            differences.push(format!("{name}:\n{diff}"));
        }
    }
    Outcome {
        replayed: scenarios.len(),
        differences,
        no_thread,
    }
}
