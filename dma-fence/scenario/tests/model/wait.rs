// SPDX-License-Identifier: GPL-2.0-only
//! How the model's tasks wait.
//!
//! The model has one thread of its own. A task that waits is an entry in a table, and what it would
//! do after its sleep is done when it is woken. One processor runs one task after the other, in the
//! order in which they were woken; when all sleep, the time of the next timer comes, if the first
//! task is among those that sleep: between commands it never is.

use super::{
    call::{Answer, Model, Place, Stop},
    fault::Fault,
    fence::{show, Entry},
};

/// The first task is 0; thread n of the table is n + 1.
pub(crate) type Task = usize;
pub(crate) const MAIN: Task = 0;

/// A timeout that never runs out.
const FOREVER: i64 = i64::MAX;

const ERESTARTSYS: i64 = -512;

/// What waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wait,
    Timeout,
    Default,
    Any,
}

/// A task that sleeps.
#[derive(Clone)]
pub(crate) struct Sleep {
    kind: Kind,
    place: Place,
    /// On which of these it is queued: all, or the one that it waits for.
    fences: Vec<usize>,
    intr: bool,
    timeout: i64,
    since: i64,
}

fn task(place: Place) -> Task {
    match place {
        Place::Thread(task) => task,
        Place::Top | Place::Callback => MAIN,
    }
}

impl<'a> Model<'a> {
    pub(crate) fn wait_timeout(
        &mut self,
        place: Place,
        f: usize,
        kind: Kind,
        intr: bool,
        timeout: i64,
    ) -> Answer {
        if timeout < 0 {
            self.warn();
            return Ok("-EINVAL".to_owned());
        }
        if self.has(Fault::WaitPolls) {
            self.is_signaled(f);
        }
        self.locked(f, |model| model.enable_locked(f));
        self.trace("wait_start", f);
        if let Some(value) = self.fences[f].option("wait") {
            let intr = if intr { " intr" } else { "" };
            match timeout {
                FOREVER => self.op("wait", f, format_args!(" max{intr}")),
                _ => self.op("wait", f, format_args!(" {timeout}{intr}")),
            }
            match value {
                "" => (),
                "-EINTR" => return self.end_wait(place, kind, &[f], -4),
                value => return self.end_wait(place, kind, &[f], value.parse().unwrap()),
            }
        }
        self.default_wait(place, f, kind, intr, timeout)
    }

    pub(crate) fn default_wait(
        &mut self,
        place: Place,
        f: usize,
        kind: Kind,
        intr: bool,
        timeout: i64,
    ) -> Answer {
        if self.fences[f].signaled {
            return self.end_wait(place, kind, &[f], timeout.max(1));
        }
        if timeout == 0 {
            return self.end_wait(place, kind, &[f], 0);
        }
        // At the head: of several waiters the last is woken first.
        let sleeper = Entry::Sleeper(task(place));
        if self.has(Fault::WaitersFirstInFirstOut) {
            self.fences[f].queue.push_back(sleeper);
        } else {
            self.fences[f].queue.push_front(sleeper);
        }
        self.sleep(Sleep {
            kind,
            place,
            fences: vec![f],
            intr,
            timeout,
            since: self.now,
        })
    }

    pub(crate) fn wait_any(
        &mut self,
        place: Place,
        fences: Vec<usize>,
        intr: bool,
        timeout: i64,
    ) -> Answer {
        if timeout < 0 || fences.is_empty() {
            self.warn();
            return Ok("-EINVAL".to_owned());
        }
        if timeout == 0 {
            let found = fences.iter().position(|&f| self.is_signaled(f));
            return Ok(found.map_or("timeout".to_owned(), |n| left(place, 1) + &index(n)));
        }
        for (n, &f) in fences.iter().enumerate() {
            if !self.add(f, Entry::Sleeper(task(place))) {
                self.leave(task(place), &fences);
                return Ok(left(place, timeout) + &index(n));
            }
        }
        // One may have signalled while another was asked to.
        if self
            .fences
            .iter()
            .enumerate()
            .any(|(f, fence)| fence.signaled && fences.contains(&f))
        {
            self.leave(task(place), &fences);
            return self.end_wait(place, Kind::Any, &fences, timeout);
        }
        self.sleep(Sleep {
            kind: Kind::Any,
            place,
            fences,
            intr,
            timeout,
            since: self.now,
        })
    }

    /// Takes the task out of the queues that it is in.
    fn leave(&mut self, task: Task, fences: &[usize]) {
        for &f in fences {
            self.remove(f, Entry::Sleeper(task));
        }
    }

    /// What a wait ends with, of which so much is left.
    fn end_wait(&mut self, place: Place, kind: Kind, fences: &[usize], rest: i64) -> Answer {
        if let (Kind::Wait | Kind::Timeout, &[f]) = (kind, fences) {
            self.trace("wait_end", f);
        }
        let first = fences.iter().position(|&f| self.fences[f].signaled);
        Ok(match (kind, first) {
            (Kind::Wait, _) => show(rest.min(0)),
            (Kind::Any, Some(n)) if rest > 0 => left(place, rest) + &index(n),
            _ => left(place, rest),
        })
    }

    /// Puts the task to sleep. The first task stays in here until it is woken.
    fn sleep(&mut self, sleep: Sleep) -> Answer {
        let me = task(sleep.place);
        if sleep.timeout != FOREVER {
            self.timers
                .push((self.now.saturating_add(sleep.timeout), me));
        }
        self.sleeping.insert(me, sleep);
        if me != MAIN {
            return Err(Stop::Blocked);
        }
        loop {
            let next = self.runnable.pop_front().or_else(|| self.next_timer());
            match next.expect("the first task has a timer") {
                MAIN => return self.awake(MAIN),
                thread => self.go_on(thread),
            }
        }
    }

    /// Lets all threads run that can.
    pub(crate) fn settle(&mut self) {
        while let Some(task) = self.runnable.pop_front() {
            self.go_on(task);
        }
    }

    /// Lets a thread run that was started or woken, until it sleeps or ends.
    fn go_on(&mut self, task: Task) {
        let answer = match self.threads[task - 1].command.take() {
            Some(command) => self.run(Place::Thread(task), command),
            None => self.awake(task),
        };
        if answer == Err(Stop::Blocked) {
            return;
        }
        let thread = &mut self.threads[task - 1];
        thread.finished = true;
        let (name, named) = (thread.name, std::mem::take(&mut thread.named));
        self.release_named(named);
        self.outcome(&format!("! thread {name} "), &answer);
    }

    /// The task is awake; it looks around, and maybe sleeps again.
    fn awake(&mut self, task: Task) -> Answer {
        let mut sleep = self
            .sleeping
            .remove(&task)
            .expect("a task that sleeps is woken");
        let mut rest = match sleep.timeout {
            FOREVER => FOREVER,
            timeout => timeout - (self.now - sleep.since),
        };
        if rest > 0 && task != MAIN && self.threads[task - 1].interrupted && sleep.intr {
            rest = ERESTARTSYS;
        }
        if rest > 0 && !sleep.fences.iter().any(|&f| self.fences[f].signaled) {
            sleep.timeout = rest;
            return self.sleep(sleep);
        }
        self.leave(task, &sleep.fences);
        if self.has(Fault::TimeoutLeavesSomething) && rest == 0 {
            rest = 1;
        }
        self.end_wait(sleep.place, sleep.kind, &sleep.fences, rest)
    }

    pub(crate) fn wake(&mut self, task: Task) {
        if self.sleeping.contains_key(&task) && !self.runnable.contains(&task) {
            self.timers.retain(|&(_, t)| t != task);
            self.runnable.push_back(task);
        }
    }

    /// Sends a signal to a thread of the table.
    pub(crate) fn interrupt(&mut self, thread: usize) {
        self.threads[thread].interrupted = true;
        let always = self.has(Fault::InterruptEndsEachWait);
        if let Some(sleep) = self.sleeping.get_mut(&(thread + 1)) {
            sleep.intr |= always;
            if sleep.intr {
                self.wake(thread + 1);
            }
        }
    }

    /// Lets time pass until a timer runs out; returns its task.
    fn next_timer(&mut self) -> Option<Task> {
        let when = self.timers.iter().map(|&(when, _)| when).min()?;
        let first = self.timers.iter().position(|&(w, _)| w == when)?;
        self.now = self.now.max(when);
        Some(self.timers.remove(first).1)
    }
}

/// What is left of a timeout, as a transcript has it.
fn left(place: Place, rest: i64) -> String {
    match rest {
        0 => "timeout".to_owned(),
        1.. if place != Place::Top => "done".to_owned(),
        _ => show(rest),
    }
}

/// Which of several fences has ended a wait.
fn index(n: usize) -> String {
    format!(" idx={n}")
}
