// SPDX-License-Identifier: GPL-2.0-only
//! How the model's tasks wait.
//!
//! The model has one thread of its own. A task that waits is an entry in a table, and what it would
//! do after its sleep is done when it is woken. One processor runs one task after the other, in the
//! order in which they were woken; when all sleep, the time of the next timer comes, if the first
//! task is among those that sleep: between commands it never is.

use super::{
    call::{signed, Answer, Model, Place, Stop},
    fault::Fault,
    fence::{show, Entry},
};

/// The first task is 0; thread n of the table is n + 1.
pub(crate) type Task = usize;
pub(crate) const MAIN: Task = 0;

/// A timeout that never runs out.
pub(crate) const FOREVER: i64 = i64::MAX;

const ERESTARTSYS: i64 = -512;

/// Which call waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wait,
    Timeout,
    Default,
    Any,
}

/// A wait, as long as it lasts.
pub(crate) struct Wait {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// The one that it waits for, or any of these.
    pub(crate) fences: Vec<usize>,
    pub(crate) intr: bool,
    pub(crate) timeout: i64,
}

impl Wait {
    fn task(&self) -> Task {
        match self.place {
            Place::Thread(task) => task,
            Place::Top | Place::Callback => MAIN,
        }
    }
}

impl<'a> Model<'a> {
    pub(crate) fn wait(&mut self, wait: Wait) -> Answer {
        match wait.kind {
            Kind::Any => self.wait_any(wait),
            Kind::Default => self.default_wait(wait),
            Kind::Wait | Kind::Timeout => self.wait_timeout(wait),
        }
    }

    fn wait_timeout(&mut self, wait: Wait) -> Answer {
        let Wait { intr, timeout, .. } = wait;
        let f = wait.fences[0];
        if timeout < 0 {
            self.warn();
            return Ok("-EINVAL".to_owned());
        }
        if self.has(Fault::WaitPolls) {
            self.is_signaled(f);
        }
        self.locked(f, |model| model.enable_locked(f));
        self.trace("wait_start", f);
        let Some(value) = self.fences[f].option("wait") else {
            return self.default_wait(wait);
        };
        let intr = if intr { " intr" } else { "" };
        match timeout {
            FOREVER => self.op("wait", f, format_args!(" max{intr}")),
            _ => self.op("wait", f, format_args!(" {timeout}{intr}")),
        }
        match value {
            "" => self.default_wait(wait),
            value => self.end_wait(&wait, signed(value), None),
        }
    }

    fn default_wait(&mut self, wait: Wait) -> Answer {
        let f = wait.fences[0];
        if self.fences[f].signaled {
            return self.end_wait(&wait, wait.timeout.max(1), None);
        }
        if wait.timeout == 0 {
            return self.end_wait(&wait, 0, None);
        }
        // At the head: of several waiters the last is woken first.
        let sleeper = Entry::Sleeper(wait.task());
        if self.has(Fault::WaitersFirstInFirstOut) {
            self.fences[f].queue.push_back(sleeper);
        } else {
            self.fences[f].queue.push_front(sleeper);
        }
        self.sleep(wait)
    }

    fn wait_any(&mut self, wait: Wait) -> Answer {
        if wait.timeout < 0 || wait.fences.is_empty() {
            self.warn();
            return Ok("-EINVAL".to_owned());
        }
        if wait.timeout == 0 {
            let found = wait.fences.iter().position(|&f| self.is_signaled(f));
            return self.end_wait(&wait, found.is_some().into(), found);
        }
        let sleeper = Entry::Sleeper(wait.task());
        let refused = wait.fences.iter().position(|&f| !self.add(f, sleeper));
        // One may have signalled while another was asked to.
        let first = refused.or_else(|| self.first_signaled(&wait));
        if first.is_some() {
            self.leave(&wait);
            return self.end_wait(&wait, wait.timeout, first);
        }
        self.sleep(wait)
    }

    fn first_signaled(&self, wait: &Wait) -> Option<usize> {
        wait.fences.iter().position(|&f| self.fences[f].signaled)
    }

    /// Takes the task out of the queues that it is in.
    fn leave(&mut self, wait: &Wait) {
        for &f in &wait.fences {
            self.remove(f, Entry::Sleeper(wait.task()));
        }
    }

    /// What a wait ends with, of which so much is left; of several fences `first` has signalled.
    fn end_wait(&mut self, wait: &Wait, left: i64, first: Option<usize>) -> Answer {
        if matches!(wait.kind, Kind::Wait | Kind::Timeout) {
            self.trace("wait_end", wait.fences[0]);
        }
        let text = match left {
            _ if wait.kind == Kind::Wait => show(left.min(0)),
            0 => "timeout".to_owned(),
            1.. if wait.place != Place::Top => "done".to_owned(),
            _ => show(left),
        };
        Ok(match first {
            Some(n) if wait.kind == Kind::Any && left > 0 => format!("{text} idx={n}"),
            _ => text,
        })
    }

    /// Puts the task to sleep. The first task stays in here until it is woken.
    fn sleep(&mut self, wait: Wait) -> Answer {
        let me = wait.task();
        if wait.timeout != FOREVER {
            self.timers
                .push((self.now.saturating_add(wait.timeout), me));
        }
        self.sleeping.insert(me, (self.now, wait));
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
        let (since, mut wait) = self.sleeping.remove(&task).expect("it sleeps until woken");
        if wait.timeout != FOREVER {
            wait.timeout -= self.now - since;
        }
        if wait.timeout > 0 && task != MAIN && self.threads[task - 1].interrupted && wait.intr {
            wait.timeout = ERESTARTSYS;
        }
        let first = self.first_signaled(&wait);
        if wait.timeout > 0 && first.is_none() {
            return self.sleep(wait);
        }
        self.leave(&wait);
        let wrong = self.has(Fault::TimeoutLeavesSomething) && wait.timeout == 0;
        self.end_wait(&wait, if wrong { 1 } else { wait.timeout }, first)
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
        if let Some((_, wait)) = self.sleeping.get_mut(&(thread + 1)) {
            wait.intr |= always;
            if wait.intr {
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
