// SPDX-License-Identifier: GPL-2.0-only
//! Random scenarios, for the replays that must end well whatever they are told, and for those that
//! a model predicts.
//!
//! They are sense and nonsense mixed: most commands name fences that exist, many are refused. They
//! leave fences, callbacks and threads behind on purpose, in whatever state these are.

use fastrand::Rng;

/// Numbers at which a comparison may go wrong, besides small ones.
const SEQNOS: [&str; 8] = [
    "0",
    "0x7fffffff",
    "0x80000001",
    "0xffffffff",
    "0x100000000",
    "0x100000002",
    "4294967294",
    "18446744073709551615",
];

const OPTIONS: [&str; 15] = [
    "seqno64",
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

/// Commands that may run anywhere but in a thread, a line of them for each subject. F is a fence
/// that is there, N as well or NULL, B a callback; R is a fence and what was added to it last.
const CALLS: [&[&str]; 22] = [
    &["signal N", "signal F", "signal_locked F"],
    &[
        "signal_timestamp N 9",
        "signal_timestamp_locked F 1999999999",
    ],
    &["check_and_signal F", "check_and_signal_locked F"],
    &["put N", "put F"],
    &["put F"],
    &["get N", "get F", "refs F"],
    &[
        "is_signaled F",
        "is_signaled_locked F",
        "test_signaled_flag F",
    ],
    &["get_status F", "get_status_locked F"],
    &[
        "set_error F -EIO",
        "set_error F 0",
        "set_error F 1",
        "set_error F -4095",
        "set_error F -4096",
    ],
    &["error F", "timestamp F"],
    &["flags F", "ops F", "lock_held F"],
    &["add_callback N B", "add_callback F B"],
    &["add_callback F B"],
    &["add_callback F B"],
    &["remove_callback R", "remove_callback F B"],
    &["enable_signaling F"],
    &["describe F", "driver_name F", "timeline_name F"],
    &["complete F", "complete F 1"],
    &["set_deadline F 5"],
    &["later F F", "is_later F F", "is_later_or_same F F"],
    &["seqno F", "context_of F", "emit F"],
    &["get_status F", "flags F", "error F", "refs F"],
];

/// Commands about containers, as [`CALLS`].
const INSIDE: [&[&str]; 6] = [
    &["array_first N", "array_next F 1", "array_for_each N"],
    &[
        "is_array F",
        "is_chain F",
        "is_container F",
        "match_context F A",
    ],
    &["chain_walk F", "chain_for_each N", "chain_contained N"],
    &["chain_prev F", "chain_prev_seqno F", "chain_find_seqno F 2"],
    &["unwrap_for_each N"],
    &["unwrap_for_each F"],
];

/// What makes containers; and what merges fences without making one.
const CONTAINERS: [&str; 10] = [
    "array NEW F",
    "array NEW F F",
    "array NEW F F F context=D seqno=7",
    "array NEW",
    "chain NEW NULL F 1",
    "chain NEW F F 3",
    "chain NEW F F 5",
    "unwrap_merge NEW N N N",
    "unwrap_merge NEW F F",
    "dedup_array F F F F",
];

/// Commands about reservation objects, of which there are two.
const RESVS: [&str; 16] = [
    "resv_lock P",
    "resv_lock P\nresv_reserve_fences P 2\nresv_add_fence P F read\nresv_add_fence P F write",
    "resv_reserve_fences P 1\nresv_add_fence P F bookkeep",
    "resv_add_fence P F kernel",
    "resv_replace_fences P A F read",
    "resv_for_each_fence P bookkeep",
    "resv_copy_fences P Q",
    "resv_unlock P",
    "resv_lock Q\nresv_reserve_fences Q 1\nresv_add_fence Q F bookkeep\nresv_unlock Q",
    "resv_for_each_fence_unlocked P bookkeep",
    "resv_get_fences P read\nresv_get_fences Q bookkeep",
    "resv_test_signaled P read",
    "resv_get_singleton NEW P bookkeep",
    "resv_wait_timeout Q bookkeep 3",
    "resv_set_deadline Q read 5",
    "resv_reserve_fences P 0\nresv_fini Q",
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
const TOP_WAITS: [&str; 12] = [
    "wait F",
    "wait_timeout F 0",
    "wait_timeout F 2",
    "wait_timeout F 20 intr",
    "wait_timeout F -1",
    "wait_timeout F 9223372036854775807",
    "default_wait F 0",
    "default_wait F 1",
    "wait_any_timeout 0 F F",
    "wait_any_timeout 1 F F",
    "wait_any_timeout 5 F",
    "wait_any_timeout 5",
];

/// A random scenario of some fifty lines.
///
/// The same seed gives the same scenario. With `mutate`, about a tenth of its bytes is replaced,
/// left out or doubled.
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
    let mut rng = Rng::with_seed(seed);
    let seeds: Vec<u64> = (0..rng.usize(30..60)).map(|_| rng.u64(..)).collect();
    let text = scenario(&seeds, true, true).into_bytes();
    if mutate {
        self::mutate(&mut rng, &text)
    } else {
        text
    }
}

/// A random scenario, with a line for each of the seeds, and threads and containers if they are
/// wanted.
///
/// What a seed makes depends on those before it only by how many fences, callbacks and threads
/// there are, so that a seed can be left out.
pub fn scenario(seeds: &[u64], threads: bool, containers: bool) -> String {
    let mut text = "context A B D\nlock L\nlock M\n".to_owned();
    if containers {
        text.push_str("resv P\nresv Q\n");
    }
    let mut made = Made {
        added: "f1 c1".to_owned(),
        ..Made::default()
    };
    for &seed in seeds {
        made.rng.seed(seed);
        text.push_str(&made.line(threads, containers));
        text.push('\n');
    }
    text
}

/// The objects of the scenario so far.
#[derive(Default)]
struct Made {
    rng: Rng,
    fences: usize,
    callbacks: usize,
    threads: usize,
    /// A fence, and the callback that was added to it last.
    added: String,
}

impl Made {
    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        self.rng.choice(from).copied().unwrap_or_default()
    }

    /// One of so many things, rather one of the last.
    fn recent(&mut self, made: usize) -> usize {
        let back = (0..3).map(|_| self.rng.usize(0..8)).min();
        made.saturating_sub(back.unwrap_or_default()).max(1)
    }

    /// The command with its capital letters replaced by names.
    fn fill(&mut self, command: &str) -> String {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| match word {
                "N" if self.rng.u8(..) < 64 => "NULL".to_owned(),
                "F" if self.rng.u8(..) == 0 => "NULL".to_owned(),
                "F" | "N" => format!("f{}", self.recent(self.fences)),
                "B" => format!("c{}", self.recent(self.callbacks)),
                "R" => self.added.clone(),
                word => word.to_owned(),
            })
            .collect();
        words.join(" ")
    }

    fn call(&mut self) -> String {
        let subject = self.rng.choice(CALLS).unwrap_or_default();
        let call = self.choose(subject);
        self.fill(call)
    }

    fn fence(&mut self) -> String {
        self.fences += 1;
        let name = self.fences;
        match self.rng.u8(0..20) {
            0 => return format!("get_stub f{name}"),
            1 => return format!("allocate_private_stub f{name} 77"),
            _ => (),
        }
        let context = self.choose(&["A", "A", "A", "B", "D"]);
        let small = name.to_string();
        let seqno = if self.rng.bool() {
            &small
        } else {
            self.choose(&SEQNOS)
        };
        let mut line = format!("fence f{name} {context} {seqno}");
        for option in OPTIONS {
            if self.rng.u8(0..7) == 0 {
                line.push(' ');
                line.push_str(option);
            }
        }
        line
    }

    /// A new callback with what it does. One that signals what has callbacks nests.
    fn callback(&mut self) -> String {
        self.callbacks += 1;
        let name = self.callbacks;
        let actions = (0..self.rng.u8(0..4)).map(|_| format!("callback c{name} {}\n", self.call()));
        let actions: String = actions.collect();
        self.added = format!("f{} c{name}", self.recent(self.fences));
        format!("{actions}add_callback {}", self.added)
    }

    /// One of these, in which a new fence may be called NEW.
    fn makes(&mut self, from: &[&str]) -> String {
        let line = self.choose(from).replace('\n', " ; ");
        let line = self.fill(&line).replace(" ; ", "\n");
        if line.contains("NEW") {
            self.fences += 1;
        }
        line.replace("NEW", &format!("f{}", self.fences))
    }

    fn line(&mut self, threads: bool, containers: bool) -> String {
        if self.fences < 2 {
            return self.fence();
        }
        match self.rng.u8(0..100) {
            0..10 => self.fence(),
            10..28 => self.callback(),
            28..35 => {
                let wait = self.choose(&TOP_WAITS);
                self.fill(wait)
            }
            35 => "context".to_owned(),
            36..46 if threads => {
                self.threads += 1;
                let wait = match containers && self.rng.u8(0..9) == 0 {
                    true => "resv_wait_timeout P bookkeep 1000000 intr",
                    false => self.choose(&WAITS),
                };
                let wait = self.fill(wait);
                format!("thread t{} {wait}", self.threads)
            }
            46..52 if threads => format!("interrupt t{}", self.recent(self.threads)),
            52..60 if containers => self.makes(&CONTAINERS),
            68..74 if containers => self.makes(&RESVS),
            60..68 if containers => {
                let subject = self.rng.choice(INSIDE).unwrap_or_default();
                let call = self.choose(subject);
                self.fill(call)
            }
            _ => self.call(),
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
