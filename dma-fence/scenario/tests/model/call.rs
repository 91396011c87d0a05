// SPDX-License-Identifier: GPL-2.0-only
//! The model's interpreter: what a command does, and when it is refused.

use super::{
    fault::Fault,
    fence::{show, Entry, Fence, CLOCK},
    wait::{Kind, Task, Wait, FOREVER, MAIN},
};
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
};

/// The reason why a command has no result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The scenario is wrong.
    Refused,
    /// The thread sleeps; it will go on.
    Blocked,
}

pub(crate) type Answer = Result<String, Stop>;

/// A place at which a command runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Callback,
    Thread(Task),
}

#[derive(Default)]
pub(crate) struct Callback<'a> {
    pub(crate) pending: bool,
    /// The fence that it was offered to last.
    target: Option<usize>,
    /// What it does.
    pub(crate) actions: Vec<&'a str>,
}

pub(crate) struct Thread<'a> {
    pub(crate) name: &'a str,
    /// What it does, until it has begun to.
    pub(crate) command: Option<&'a str>,
    pub(crate) interrupted: bool,
    pub(crate) finished: bool,
    /// The fences that its command names.
    pub(crate) named: Vec<usize>,
}

/// A scenario under way, as the documentation of its language and of the fences has it.
///
/// Written without a look at the implementation and as simply as possible: a fence is a record, its
/// callbacks are a queue, a thread that sleeps is an entry in a table.
#[derive(Default)]
pub(crate) struct Model<'a> {
    fault: Option<Fault>,
    text: String,
    contexts: Vec<&'a str>,
    locks: Vec<&'a str>,
    names: HashMap<&'a str, usize>,
    pub(crate) fences: Vec<Fence<'a>>,
    /// The shared stub.
    pub(crate) shared: Option<usize>,
    pub(crate) callbacks: HashMap<&'a str, Callback<'a>>,
    pub(crate) threads: Vec<Thread<'a>>,
    /// The fences that commands under way name.
    named: Vec<usize>,
    /// The locks that are held, each by the number of a fence or the name of a shared one.
    pub(crate) held: Vec<Result<&'a str, usize>>,
    /// Jiffies that have passed.
    pub(crate) now: i64,
    /// Since when a task sleeps, and in which wait.
    pub(crate) sleeping: HashMap<Task, (i64, Wait)>,
    /// Tasks that were woken, the first first.
    pub(crate) runnable: VecDeque<Task>,
    /// When a task wakes by itself, in the order in which that was asked for.
    pub(crate) timers: Vec<(i64, Task)>,
}

/// The transcript of a scenario.
pub(crate) fn predict(source: &str, fault: Option<Fault>) -> String {
    let mut model = Model {
        fault,
        ..Model::default()
    };
    for line in source.lines().chain(["end"]) {
        model.text.push_str(line);
        model.text.push('\n');
        let answer = model.run(Place::Top, line);
        model.settle();
        model.outcome("", &answer);
    }
    model.text
}

/// The longest of all sleeps at top, in jiffies.
const LONGEST: i64 = 1 << 40;
/// How many commands a callback runs, and how many threads there are.
const MAX_ACTIONS: usize = 6;
const MAX_THREADS: usize = 8;

fn ok() -> Answer {
    Ok("ok".to_owned())
}

fn value(value: impl ToString) -> Answer {
    Ok(value.to_string())
}

fn unsigned(word: &str) -> u64 {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    number.expect("the generator writes numbers")
}

pub(crate) fn signed(word: &str) -> i64 {
    match word {
        "-EIO" => -5,
        "-ETIME" => -62,
        "-EINTR" => -4,
        number => number
            .parse()
            .expect("the generator writes numbers and these errors"),
    }
}

/// Refuses unless this holds.
fn require(holds: bool) -> Result<(), Stop> {
    holds.then_some(()).ok_or(Stop::Refused)
}

impl<'a> Model<'a> {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(crate) fn note(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "  {line}");
    }

    pub(crate) fn warn(&mut self) {
        self.note(format_args!("* WARN"));
    }

    /// Writes how a command has ended.
    pub(crate) fn outcome(&mut self, prefix: &str, answer: &Answer) {
        match answer {
            Ok(text) => self.note(format_args!("{prefix}= {text}")),
            Err(Stop::Refused) => self.note(format_args!("{prefix}?")),
            Err(Stop::Blocked) => (),
        }
    }

    /// Runs a command.
    pub(crate) fn run(&mut self, place: Place, line: &'a str) -> Answer {
        let before = self.named.len();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = self.command(place, line, &words);
        let named = self.named.split_off(before);
        match (place, &answer) {
            (Place::Thread(task), Err(Stop::Blocked)) => self.threads[task - 1].named = named,
            _ => self.release_named(named),
        }
        answer
    }

    /// The command that named these fences is over.
    pub(crate) fn release_named(&mut self, named: Vec<usize>) {
        for f in named {
            self.fences[f].busy -= 1;
        }
    }

    /// A fence to look at.
    fn peek(&self, name: &str) -> Result<usize, Stop> {
        let known = self.names.get(name).copied();
        known.filter(|&f| !self.fences[f].gone).ok_or(Stop::Refused)
    }

    /// A fence of which the scenario has a reference, which it keeps until the command is over.
    fn fence(&mut self, name: &str) -> Result<usize, Stop> {
        let f = self.peek(name)?;
        require(self.fences[f].held > 0)?;
        self.fences[f].busy += 1;
        self.named.push(f);
        Ok(f)
    }

    /// Refuses what would take a lock that is held.
    fn lockable(&self, f: usize) -> Result<(), Stop> {
        require(!self.lock_held(f))
    }

    fn lockable_unless_signaled(&self, f: usize) -> Result<(), Stop> {
        require(self.fences[f].signaled || !self.lock_held(f))
    }

    fn add_fence(&mut self, name: &'a str, mut fence: Fence<'a>) -> usize {
        let f = self.fences.len();
        self.names.insert(name, f);
        (fence.name, fence.held) = (name, 1);
        self.fences.push(fence);
        f
    }

    fn command(&mut self, place: Place, line: &'a str, words: &[&'a str]) -> Answer {
        let tail = || line.splitn(3, ' ').nth(2).unwrap_or_default();
        match *words {
            ["context"] => {
                self.warn();
                ok()
            }
            ["context", ref names @ ..] => {
                self.contexts.extend(names);
                ok()
            }
            ["lock", name] => {
                self.locks.push(name);
                ok()
            }
            ["fence", name, context, seqno, ref options @ ..] => {
                require(!self.names.contains_key(name) && self.contexts.contains(&context))?;
                let options = options.iter().map(|o| o.split_once('=').unwrap_or((o, "")));
                let options: Vec<_> = options.collect();
                let locks = || options.iter().filter(|(option, _)| *option == "lock");
                require(locks().all(|(_, lock)| self.locks.contains(lock)))?;
                let fence = Fence::new(context, unsigned(seqno), options);
                let f = self.add_fence(name, fence);
                self.trace_ops("init", f);
                ok()
            }
            ["allocate_private_stub", name, ns] => {
                require(!self.names.contains_key(name))?;
                let f = self.add_fence(name, Fence::stub());
                self.trace_ops("init", f);
                self.signal(f, unsigned(ns));
                value("stub")
            }
            ["get_stub", name] => {
                require(!self.names.contains_key(name))?;
                let Some(f) = self.shared else {
                    let mut stub = Fence::stub();
                    (stub.refs, stub.signaled, stub.attached) = (2, true, false);
                    stub.timestamp = Some(CLOCK);
                    self.shared = Some(self.add_fence(name, stub));
                    return value("stub");
                };
                self.names.insert(name, f);
                self.fences[f].held += 1;
                self.fences[f].refs += 1;
                value(format_args!("same {}", self.fences[f].name))
            }
            ["callback", cb, ..] => {
                let actions = &mut self.callbacks.entry(cb).or_default().actions;
                require(actions.len() < MAX_ACTIONS)?;
                actions.push(tail());
                ok()
            }
            ["thread", name, ..] => self.thread(name, tail()),
            ["interrupt", name] => {
                let thread = self
                    .threads
                    .iter()
                    .position(|t| t.name == name && !t.finished);
                self.interrupt(thread.ok_or(Stop::Refused)?);
                ok()
            }
            ["end"] => self.end(),
            ["get", "NULL"] => value("NULL"),
            ["put", "NULL"] => ok(),
            ["signal", "NULL"] | ["signal_timestamp", "NULL", _] => {
                self.warn();
                ok()
            }
            ["add_callback", "NULL", cb] => {
                let callback = self.callbacks.entry(cb).or_default();
                require(!callback.pending)?;
                callback.target = None;
                self.warn();
                value("-EINVAL")
            }
            ["wait_any_timeout", timeout, ref fences @ ..] => {
                let (intr, timeout) = (fences.last() == Some(&"intr"), signed(timeout));
                let fences = fences.iter().filter(|&&f| f != "intr");
                let fences: Vec<_> = fences.map(|f| self.fence(f)).collect::<Result<_, _>>()?;
                let ends = fences.is_empty() || fences.iter().any(|&f| self.ends(f));
                self.may_sleep(place, timeout, ends)?;
                let kind = Kind::Any;
                self.wait(Wait {
                    kind,
                    place,
                    fences,
                    intr,
                    timeout,
                })
            }
            [command, name, ref more @ ..] => {
                let peeks = "refs flags ops error seqno context_of lock_held test_signaled_flag";
                let f = if peeks.split(' ').any(|peek| peek == command) {
                    self.peek(name)?
                } else {
                    self.fence(name)?
                };
                self.fence_command(place, command, f, more)
            }
            _ => Err(Stop::Refused),
        }
    }

    /// A command whose first word behind the name is a fence.
    fn fence_command(&mut self, place: Place, command: &str, f: usize, more: &[&'a str]) -> Answer {
        let own = require(self.shared != Some(f));
        let word = more.first().copied().unwrap_or_default();
        match command {
            "get" => {
                self.fences[f].held += 1;
                self.fences[f].refs += 1;
            }
            "put" => {
                let Fence {
                    held, busy, refs, ..
                } = self.fences[f];
                require(held > 1 || busy == 1)?;
                require(refs > 1 || !self.lock_held(f))?;
                self.fences[f].held -= 1;
                self.put(f);
            }
            "refs" => return own.and_then(|()| value(self.fences[f].refs)),
            "flags" => return value(self.fences[f].flags()),
            "ops" if self.fences[f].attached => return value("attached"),
            "ops" => return value("detached"),
            "error" => return Ok(show(self.fences[f].error)),
            "seqno" => return value(self.fences[f].seqno),
            "context_of" => return value(self.fences[f].context),
            "lock_held" => return value(self.lock_held(f)),
            "test_signaled_flag" => return value(self.fences[f].signaled),
            "is_signaled" => {
                self.lockable_unless_signaled(f)?;
                return value(self.is_signaled(f));
            }
            "is_signaled_locked" => return value(self.locked(f, |m| m.is_signaled(f))),
            "get_status" => {
                self.lockable(f)?;
                return Ok(show(self.locked(f, |m| m.status(f))));
            }
            "get_status_locked" => return Ok(show(self.locked(f, |m| m.status(f)))),
            "set_error" => {
                own?;
                self.set_error(f, signed(word));
            }
            "timestamp" => return Ok(self.timestamp(f)),
            "emit" => self.trace("emit", f),
            "enable_signaling" => {
                self.lockable(f)?;
                self.locked(f, |m| m.enable_locked(f));
            }
            "signal" | "signal_timestamp" | "check_and_signal" => {
                self.lockable(f)?;
                return self.signal_command(command, f, word);
            }
            "signal_locked" | "signal_timestamp_locked" | "check_and_signal_locked" => {
                return self.signal_command(command, f, word);
            }
            "add_callback" => {
                self.lockable_unless_signaled(f)?;
                let callback = self.callbacks.entry(word).or_default();
                require(!callback.pending)?;
                (callback.pending, callback.target) = (true, Some(f));
                let added = self.add(f, Entry::Callback(word));
                if !added {
                    self.callbacks.entry(word).or_default().pending = false;
                }
                return value(if added { "0" } else { "-ENOENT" });
            }
            "remove_callback" => {
                let callback = self.callbacks.get(word).ok_or(Stop::Refused)?;
                require(callback.target == Some(f))?;
                self.lockable(f)?;
                let removed = self.remove(f, Entry::Callback(word));
                if removed {
                    self.callbacks.entry(word).or_default().pending = false;
                }
                return value(removed);
            }
            "complete" => {
                let fence = &mut self.fences[f];
                require(!fence.stub && fence.attached)?;
                fence.completes = Some(if more.is_empty() { 0 } else { unsigned(word) });
            }
            "driver_name" => return value(self.names(f).0),
            "timeline_name" => return value(self.names(f).1),
            "describe" => {
                self.lockable_unless_signaled(f)?;
                return Ok(self.describe(f));
            }
            "is_later" | "is_later_or_same" | "later" => {
                let g = self.fence(word)?;
                if command != "later" {
                    let same = command == "is_later_or_same" && f == g;
                    return value(same || self.is_later(f, g));
                }
                self.lockable_unless_signaled(f)?;
                self.lockable_unless_signaled(g)?;
                let later = self.later(f, g);
                return value(later.map_or("NULL", |f| self.fences[f].name));
            }
            "set_deadline" => {
                self.lockable_unless_signaled(f)?;
                self.set_deadline(f, unsigned(word));
            }
            "wait" | "wait_timeout" | "default_wait" => {
                let Fence { signaled, .. } = self.fences[f];
                let (kind, ends) = match command {
                    "wait" => (Kind::Wait, signaled),
                    "default_wait" => (Kind::Default, signaled),
                    _ => {
                        let fixed = self.fences[f].option("wait").unwrap_or_default();
                        (Kind::Timeout, self.ends(f) || !fixed.is_empty())
                    }
                };
                let timeout = if kind == Kind::Wait {
                    FOREVER
                } else {
                    signed(word)
                };
                self.may_sleep(place, timeout, ends)?;
                let (fences, intr) = (vec![f], more.last() == Some(&"intr"));
                return self.wait(Wait {
                    kind,
                    place,
                    fences,
                    intr,
                    timeout,
                });
            }
            _ => return Err(Stop::Refused),
        }
        ok()
    }

    fn signal_command(&mut self, command: &str, f: usize, ns: &str) -> Answer {
        let signaled = self.fences[f].signaled;
        self.signal(f, if ns.is_empty() { CLOCK } else { unsigned(ns) });
        if command.starts_with("check") {
            return value(signaled);
        }
        ok()
    }

    /// Is the fence signalled, or will it be when it is enabled now?
    fn ends(&self, f: usize) -> bool {
        let fence = &self.fences[f];
        fence.signaled || (!fence.enabled && fence.refuses())
    }

    /// Refuses a wait at top that would never end.
    fn may_sleep(&self, place: Place, timeout: i64, ends: bool) -> Result<(), Stop> {
        require(place != Place::Top || ends || timeout <= LONGEST)
    }

    fn thread(&mut self, name: &'a str, command: &'a str) -> Answer {
        let known = self.threads.iter().any(|thread| thread.name == name);
        require(!known && self.threads.len() < MAX_THREADS)?;
        self.threads.push(Thread {
            name,
            command: Some(command),
            interrupted: false,
            finished: false,
            named: Vec::new(),
        });
        let task = MAIN + self.threads.len();
        self.runnable.push_back(task);
        self.settle();
        let finished = self.threads[task - 1].finished;
        value(if finished { "finished" } else { "blocked" })
    }

    fn end(&mut self) -> Answer {
        require(self.threads.iter().all(|thread| thread.finished))?;
        let fences = self.fences.iter().enumerate();
        let live = fences.filter(|(f, fence)| !fence.gone && Some(*f) != self.shared);
        let live: Vec<&str> = live.map(|(_, fence)| fence.name).collect();
        if live.is_empty() {
            return value("live 0");
        }
        value(format_args!("live {} [{}]", live.len(), live.join(" ")))
    }
}
