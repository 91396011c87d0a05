// SPDX-License-Identifier: GPL-2.0-only
//! The report of a deadlock, an endless run, or a hang.

use super::{say, Thing};
use core::fmt::Write as _;
use std::sync::Mutex;

/// Tasks that are described in one report.
pub(crate) const MOST: usize = 32;

/// A task that waits, and what it holds.
#[derive(Clone)]
pub(crate) struct Description {
    /// Its name and number.
    pub(super) task: String,
    pub(super) comm: String,
    pub(super) pid: i32,
    /// The id of its end, for which others wait.
    pub(super) end: (u64, u64),
    pub(super) state: char,
    /// What it waits for, if that is known.
    pub(super) waits: Option<(Thing, String)>,
    /// The wait ends by itself.
    pub(super) timed: bool,
    /// Where it waits; nothing if that is in the kernel alone.
    pub(super) at: String,
    /// What it holds.
    pub(super) holds: Vec<(Thing, String)>,
}

impl Description {
    /// What it does, in a few words.
    fn does(&self) -> String {
        let timed = if self.timed { " with a timeout" } else { "" };
        let at = match self.at.as_str() {
            "" => String::new(),
            at => format!(" at {at}"),
        };
        match &self.waits {
            Some((_, text)) => format!("waits{timed} for {text}{at}"),
            None if self.state == 'R' => format!("runs{at}"),
            None if self.state == 'N' => "was never woken".into(),
            None => format!("sleeps{timed}{at}"),
        }
    }

    /// Its line, and one for each thing that it holds, as sysrq-w shows a task.
    fn lines(&self) -> String {
        let (comm, state, pid, does) = (&self.comm, self.state, self.pid, self.does());
        let mut lines = format!("task:{comm:<15.15} state:{state} pid:{pid:<5} {does}\n");
        for (_, held) in self.holds.iter().filter(|(_, held)| !held.is_empty()) {
            let _ = writeln!(lines, "  {held}");
        }
        lines
    }

    /// Why another that waits for the thing of that id waits for this one, if it does.
    fn has(&self, id: (u64, u64)) -> Option<&(Thing, String)> {
        self.holds.iter().find(|(held, _)| held.id == id)
    }

    /// What it has, in a few words, if others wait for it or might.
    fn held(&self) -> String {
        let held = self.holds.iter().map(|(_, held)| held.as_str());
        let held: Vec<_> = held.filter(|held| !held.is_empty()).collect();
        held.join(" and ")
    }

    /// True if it only waits for the others.
    fn only_waits_for_all(&self) -> bool {
        let all = Thing::ALL_ENDS.id;
        self.waits
            .as_ref()
            .is_some_and(|(thing, _)| thing.id == all)
    }
}

/// The task that has what this one waits for.
fn holder(tasks: &[Description], waiter: usize) -> Option<usize> {
    let (thing, _) = tasks[waiter].waits.as_ref()?;
    let has = |id| move |task: &Description| task.end == id || task.has(id).is_some();
    tasks.iter().position(has(thing.id)).or_else(|| {
        let needs = thing.needs?;
        // The task itself, if it stands in its own way.
        has(needs)(&tasks[waiter])
            .then_some(waiter)
            .or_else(|| tasks.iter().position(has(needs)))
    })
}

/// From `first` on, each task and then the one that it waits for, until one comes again or none is
/// known; and at which place of these the cycle begins, if there is one.
fn chain(tasks: &[Description], first: usize) -> (Vec<usize>, Option<usize>) {
    let mut chain = vec![first];
    while let Some(next) = holder(tasks, chain[chain.len() - 1]) {
        if let Some(again) = chain.iter().position(|&task| task == next) {
            return (chain, Some(again));
        }
        chain.push(next);
    }
    (chain, None)
}

/// Who waits for whom, in one sentence: the first cycle, or else the longest chain.
fn sentence(tasks: &[Description]) -> Option<String> {
    let chains = || (0..tasks.len()).map(|first| chain(tasks, first));
    let of_interest = |(chain, _): &(Vec<usize>, _)| !tasks[chain[0]].only_waits_for_all();
    let (mut links, cycle) = chains()
        .find(|(_, cycle)| cycle.is_some())
        .or_else(|| {
            // The first of the longest; of these, one whose end has something.
            let found: Vec<_> = chains().filter(of_interest).collect();
            let has = |&end: &usize| !tasks[end].holds.is_empty();
            let rank = |(chain, _): &(Vec<usize>, _)| (chain.len(), chain.last().is_some_and(has));
            found.into_iter().rev().max_by_key(rank)
        })
        .or_else(|| chains().next())?;
    links.drain(..cycle.unwrap_or(0));
    let mut text = String::new();
    for (n, &link) in links.iter().enumerate() {
        let task = &tasks[link];
        if n == 0 {
            text += &task.task;
        }
        let _ = write!(text, " {}", task.does());
        let next = match (links.get(n + 1), cycle) {
            (Some(&next), _) => next,
            (None, Some(_)) => links[0],
            (None, None) => {
                let held = task.held();
                if task.waits.is_some() && !held.is_empty() {
                    let _ = write!(text, " while it {held}");
                }
                break;
            }
        };
        let Some((thing, _)) = &task.waits else { break };
        let had = tasks[next].has(thing.id);
        let needed = thing.needs.and_then(|needs| tasks[next].has(needs));
        if next == link {
            text += match had {
                None if needed.is_some() => ", which may need it itself",
                _ => ", though it has that itself",
            };
            let held = had.or(needed).map_or("", |(_, held)| held);
            // A section without a name is that of a lock.
            let held = if held.is_empty() {
                task.held()
            } else {
                held.into()
            };
            if !held.is_empty() {
                let _ = write!(text, ": it {held}");
            }
            break;
        }
        let how = had.or(needed).map_or(thing.how, |(held, _)| held.how);
        if !how.is_empty() {
            let _ = write!(text, ", {how} by {}", tasks[next].task);
        }
        if n + 1 < links.len() {
            text += ", which";
        }
    }
    match tasks.len() - links.len() {
        0 => {}
        1 => text += "; one other task waits",
        more => {
            let _ = write!(text, "; {more} other tasks wait");
        }
    }
    Some(text)
}

/// Prints why a machine came to no end, and returns it in one sentence; `more` tasks are not among
/// those described.
pub(crate) fn report(why: &str, tasks: &[Description], more: usize) -> String {
    let text = sentence(tasks).unwrap_or_default();
    let mut lines = format!("BUG: {why}: {text}\n");
    for task in tasks {
        lines += &task.lines();
    }
    if more != 0 {
        let _ = writeln!(lines, "and {more} more");
    }
    say(3, &lines);
    text
}

/// Tasks that run freely and were found blocked for too long; the youngest last.
static HUNG: Mutex<Vec<Description>> = Mutex::new(Vec::new());

/// Names a task that runs freely and has been blocked for so many seconds; and the cycle, if it is
/// the last of one.
pub(super) fn hung(task: Description, seconds: u64) {
    let (comm, pid) = (&task.comm, task.pid);
    say(
        3,
        &format!(
            "INFO: task {comm}:{pid} blocked for more than {seconds} seconds.\n{}",
            task.lines()
        ),
    );
    let mut hung = crate::lock(&HUNG);
    hung.retain(|other| other.pid != task.pid);
    if hung.len() == MOST {
        hung.remove(0);
    }
    hung.push(task);
    let (links, cycle) = chain(&hung, hung.len() - 1);
    if cycle == Some(0) {
        let cycle: Vec<Description> = links.iter().map(|&link| hung[link].clone()).collect();
        if let Some(text) = sentence(&cycle) {
            say(3, &format!("BUG: deadlock: {text}\n"));
        }
    }
}
