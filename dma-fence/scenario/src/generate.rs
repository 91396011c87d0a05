// SPDX-License-Identifier: GPL-2.0-only
//! Random scenarios, for replays that must end well whatever they are told.
//!
//! They are sense and nonsense mixed: most commands name fences that exist, many
//! are refused. They leave fences, callbacks and threads behind on purpose, in
//! whatever state these are.

use fastrand::Rng;

const CONTEXTS: [&str; 3] = ["A", "B", "D"];

const OPTIONS: [&str; 14] = [
    "enable_signaling",
    "enable_signaling=false",
    "enable_signaling=-EIO",
    "signaled",
    "signaled=-ETIME",
    "wait",
    "wait=3",
    "wait=-EINTR",
    "release",
    "set_deadline",
    "lock=L",
    "lock=M",
    "driver=drv",
    "timeline=line",
];

/// Commands that may run anywhere but in a thread. F is a fence, B a callback.
const CALLS: [&str; 34] = [
    "signal F",
    "signal F",
    "signal_locked F",
    "signal_timestamp F 9",
    "signal_timestamp_locked F 9",
    "check_and_signal F",
    "check_and_signal_locked F",
    "put F",
    "put F",
    "get F",
    "refs F",
    "is_signaled F",
    "is_signaled_locked F",
    "test_signaled_flag F",
    "get_status F",
    "get_status_locked F",
    "set_error F -EIO",
    "error F",
    "add_callback F B",
    "add_callback F B",
    "add_callback F B",
    "remove_callback F B",
    "enable_signaling F",
    "describe F",
    "driver_name F",
    "timeline_name F",
    "timestamp F",
    "flags F",
    "lock_held F",
    "complete F",
    "complete F 1",
    "set_deadline F 5",
    "later F F",
    "emit F",
];

/// Commands that wait, in a thread for as long as it takes.
const WAITS: [&str; 8] = [
    "wait F",
    "wait F intr",
    "wait_timeout F 1000000",
    "wait_timeout F 1000000 intr",
    "wait_timeout F 2",
    "default_wait F 1000000",
    "wait_any_timeout 1000000 F F",
    "wait_any_timeout 1000000 F F F intr",
];

/// Commands that wait at top, some of them in vain.
const TOP_WAITS: [&str; 6] = [
    "wait F",
    "wait_timeout F 0",
    "wait_timeout F 2",
    "wait_timeout F 9223372036854775807",
    "default_wait F 1",
    "wait_any_timeout 1 F F",
];

/// A random scenario of some fifty lines.
///
/// The same seed gives the same scenario. With `mutate`, about a tenth of its
/// bytes is replaced, left out or doubled.
///
/// # Examples
///
/// ```
/// use dma_fence_scenario::generate;
///
/// assert_eq!(generate(7, true), generate(7, true));
/// assert_ne!(generate(7, false), generate(8, false));
/// ```
pub fn generate(seed: u64, mutate: bool) -> Vec<u8> {
    let mut scenario = Scenario {
        rng: Rng::with_seed(seed),
        text: format!("# Random scenario of seed {seed}.\ncontext A B D\nlock L\nlock M\n"),
        fences: 0,
        threads: 0,
    };
    for _ in 0..scenario.rng.usize(30..60) {
        scenario.step();
    }
    let Scenario { mut rng, text, .. } = scenario;
    if mutate {
        self::mutate(&mut rng, text.as_bytes())
    } else {
        text.into_bytes()
    }
}

struct Scenario {
    rng: Rng,
    text: String,
    fences: usize,
    threads: usize,
}

impl Scenario {
    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.rng.choice(from).copied().unwrap_or_default()
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The command with its F and B replaced by names.
    fn fill(&mut self, command: &str) -> String {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| match word {
                "F" if self.rng.u8(..) == 0 => "NULL".to_owned(),
                "F" => format!("f{}", self.rng.usize(1..=self.fences.max(1))),
                "B" => format!("c{}", self.rng.usize(0..6)),
                word => word.to_owned(),
            })
            .collect();
        words.join(" ")
    }

    fn fence(&mut self) {
        self.fences += 1;
        let name = self.fences;
        if self.rng.usize(0..10) == 0 {
            let stub = self.choose(&["get_stub", "allocate_private_stub"]);
            let time = if stub == "get_stub" { "" } else { " 77" };
            return self.line(&format!("{stub} f{name}{time}"));
        }
        let context = self.choose(&CONTEXTS);
        let number = if self.rng.bool() {
            name as u64
        } else {
            0xffff_fff8 + name as u64
        };
        let mut line = format!("fence f{name} {context} {number}");
        for option in OPTIONS {
            if self.rng.usize(0..7) == 0 {
                line.push(' ');
                line.push_str(option);
            }
        }
        self.line(&line);
    }

    fn step(&mut self) {
        let kind = if self.fences < 2 {
            0
        } else {
            self.rng.usize(0..100)
        };
        match kind {
            0..18 => self.fence(),
            18..34 => {
                // A callback that signals what has callbacks nests.
                let call = self.choose(&CALLS);
                let call = self.fill(call);
                let callback = self.rng.usize(0..6);
                self.line(&format!("callback c{callback} {call}"));
            }
            34..41 => {
                let wait = self.choose(&TOP_WAITS);
                let wait = self.fill(wait);
                self.line(&wait);
            }
            41..49 => {
                self.threads += 1;
                let wait = self.choose(&WAITS);
                let wait = self.fill(wait);
                let name = self.threads;
                self.line(&format!("thread t{name} {wait}"));
            }
            49..53 => {
                let name = self.rng.usize(1..=self.threads.max(1));
                self.line(&format!("interrupt t{name}"));
            }
            _ => {
                let call = self.choose(&CALLS);
                let call = self.fill(call);
                self.line(&call);
            }
        }
    }
}

/// About a tenth of the bytes damaged.
fn mutate(rng: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut damaged = Vec::with_capacity(text.len());
    for &byte in text {
        match rng.usize(0..40) {
            0 => damaged.push(rng.u8(..)),
            1 => damaged.push(rng.choice(b" \n\t#=-_019afxCFNL").copied().unwrap_or(0)),
            2 => damaged.extend([byte, byte]),
            3 => (),
            _ => damaged.push(byte),
        }
    }
    damaged
}
