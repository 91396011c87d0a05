// SPDX-License-Identifier: GPL-2.0-only
//! How the model's tasks wait.
//!
//! The model has one thread of its own. A task that waits is an entry in a table, and what it
//! would do after its sleep is done when it is woken. One processor runs one task after the other,
//! in the order in which they were woken; when all sleep, the time of the next timer comes, if
//! the first task is among those that sleep: between commands it never is.

use super::{Entry, Fault, Model, Owner, EINVAL};
use crate::model::{
    call::{Slot, Wait},
    user::{Answer, Task},
};

/// A timeout that never runs out.
pub(crate) const FOREVER: i64 = i64::MAX;

const ERESTARTSYS: i64 = -512;

/// What has to be done after a wait in the default way.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    /// The event, and whether what is left of the timeout is of interest.
    WaitEnd {
        left: bool,
    },
}

/// A task that sleeps.
#[derive(Clone)]
pub(super) struct Sleep {
    /// On which of these it is queued: all, or the one that it waits for.
    fences: Vec<Slot>,
    any: bool,
    intr: bool,
    after: After,
    timeout: i64,
    since: i64,
}

/// The place of a task in the table.
fn index(task: Task) -> usize {
    match task {
        Task::Main => 0,
        Task::Thread(thread) => thread + 1,
    }
}

impl Model {
    pub(super) fn wait(&self, user: &Owner, task: Task, wait: &Wait) -> Answer {
        match *wait {
            Wait::Forever(f, intr) => self.wait_timeout(user, task, f, intr, FOREVER, false),
            Wait::Timeout(f, timeout, intr) => {
                self.wait_timeout(user, task, f, intr, timeout, true)
            }
            Wait::Default(f, timeout, intr) => {
                self.default_wait(user, task, f, intr, timeout, After::Nothing)
            }
            Wait::Any(ref fences, timeout, intr) => {
                self.wait_any(user, task, fences, intr, timeout)
            }
        }
    }

    fn wait_timeout(
        &self,
        user: &Owner,
        task: Task,
        slot: Slot,
        intr: bool,
        timeout: i64,
        left: bool,
    ) -> Answer {
        if timeout < 0 {
            self.warn(user);
            return Answer::value(EINVAL);
        }
        if self.has(Fault::WaitPolls) {
            self.is_signaled(user, slot);
        }
        self.locked(slot, || self.enable_locked(user, slot));
        self.trace(user, "wait_start", slot);
        let after = After::WaitEnd { left };
        let op = self.with(slot, |f| f.spec.as_ref().is_some_and(|s| s.wait.is_some()));
        if op {
            let locked = super::Core::lock_held(self, slot);
            if let Some(value) = user.op_wait(slot, locked, timeout, intr) {
                return self.after(user, slot, after, value);
            }
        }
        self.default_wait(user, task, slot, intr, timeout, after)
    }

    fn after(&self, user: &Owner, slot: Slot, after: After, value: i64) -> Answer {
        Answer::value(match after {
            After::Nothing => value,
            After::WaitEnd { left } => {
                self.trace(user, "wait_end", slot);
                if left {
                    value
                } else {
                    value.min(0)
                }
            }
        })
    }

    fn is_interrupted(&self, task: Task) -> bool {
        match task {
            Task::Main => false,
            Task::Thread(thread) => self.state().interrupted.contains(&thread),
        }
    }

    fn default_wait(
        &self,
        user: &Owner,
        task: Task,
        slot: Slot,
        intr: bool,
        timeout: i64,
        after: After,
    ) -> Answer {
        let interrupted = intr && self.is_interrupted(task);
        if interrupted && self.has(Fault::InterruptBeatsSignal) {
            return self.after(user, slot, after, ERESTARTSYS);
        }
        if self.with(slot, |f| f.signaled) {
            return self.after(user, slot, after, timeout.max(1));
        }
        if interrupted {
            return self.after(user, slot, after, ERESTARTSYS);
        }
        if timeout == 0 {
            return self.after(user, slot, after, 0);
        }
        // At the head: whoever waits last is woken first.
        self.with(slot, |f| {
            if self.has(Fault::WaitersFirstInFirstOut) {
                f.queue.push_back(Entry::Sleeper(task));
            } else {
                f.queue.push_front(Entry::Sleeper(task));
            }
        });
        self.sleep(
            user,
            task,
            Sleep {
                fences: vec![slot],
                any: false,
                intr,
                after,
                timeout,
                since: 0,
            },
        )
    }

    fn wait_any(
        &self,
        user: &Owner,
        task: Task,
        fences: &[Slot],
        intr: bool,
        timeout: i64,
    ) -> Answer {
        if timeout < 0 || fences.is_empty() {
            self.warn(user);
            return Answer::value(EINVAL);
        }
        if timeout == 0 {
            let found = fences.iter().position(|&f| self.is_signaled(user, f));
            return any(found.is_some().into(), found);
        }
        let mut sleep = Sleep {
            fences: Vec::new(),
            any: true,
            intr,
            after: After::Nothing,
            timeout,
            since: 0,
        };
        for (n, &fence) in fences.iter().enumerate() {
            if !self.add(user, fence, Entry::Sleeper(task)) {
                self.leave(task, &sleep);
                return any(timeout, Some(n));
            }
            sleep.fences.push(fence);
        }
        // One may have signalled while another was asked to.
        match self.first_signaled(&sleep) {
            Some(n) => {
                self.leave(task, &sleep);
                any(timeout, Some(n))
            }
            None => self.sleep(user, task, sleep),
        }
    }

    fn first_signaled(&self, sleep: &Sleep) -> Option<usize> {
        let mut fences = sleep.fences.iter();
        fences.position(|&f| self.with(f, |f| f.signaled))
    }

    /// Takes the task out of the queues that it is in.
    fn leave(&self, task: Task, sleep: &Sleep) {
        for &fence in &sleep.fences {
            self.remove(fence, Entry::Sleeper(task));
        }
    }

    /// Puts the task to sleep. The first task stays in here until it is woken.
    fn sleep(&self, user: &Owner, task: Task, mut sleep: Sleep) -> Answer {
        sleep.since = self.state().now;
        if sleep.intr && self.is_interrupted(task) {
            return self.awake(user, task, sleep);
        }
        {
            let mut state = self.state();
            if sleep.timeout != FOREVER {
                let when = state.now.saturating_add(sleep.timeout);
                state.timers.push((when, task));
            }
            // What was done to wake it before does not count any more.
            state.runnable.retain(|&t| t != task);
            state.sleeping.insert(index(task), sleep);
        }
        if task != Task::Main {
            return Answer::Blocked;
        }
        loop {
            let next = {
                let mut state = self.state();
                state.runnable.pop_front().or_else(|| state.next_timer())
            };
            match next {
                Some(Task::Main) => {
                    let sleep = self.state().sleeping.remove(&index(Task::Main));
                    if let Some(sleep) = sleep {
                        return self.awake(user, Task::Main, sleep);
                    }
                }
                Some(task) => self.go_on(user, task),
                None => return Answer::value("stuck"),
            }
        }
    }

    /// Lets a thread run that was started or woken, until it sleeps or ends.
    pub(super) fn go_on(&self, user: &Owner, task: Task) {
        let Task::Thread(thread) = task else { return };
        let sleep = self.state().sleeping.remove(&index(task));
        if let Some(sleep) = sleep {
            match self.awake(user, task, sleep) {
                Answer::Text(text) => user.waited(thread, &text),
                Answer::Blocked => return,
            }
        }
        user.run_thread(thread);
    }

    /// The task is awake; it looks around, and maybe sleeps again.
    fn awake(&self, user: &Owner, task: Task, mut sleep: Sleep) -> Answer {
        let slept = self.state().now - sleep.since;
        let mut left = match sleep.timeout {
            FOREVER => FOREVER,
            timeout => timeout - slept,
        };
        if left > 0 && sleep.intr && self.is_interrupted(task) {
            left = ERESTARTSYS;
        }
        let found = self.first_signaled(&sleep);
        if left > 0 && found.is_none() {
            sleep.timeout = left;
            return self.sleep(user, task, sleep);
        }
        self.leave(task, &sleep);
        if self.has(Fault::TimeoutLeavesSomething) && left == 0 {
            left = 1;
        }
        if sleep.any {
            any(left, found)
        } else {
            self.after(user, sleep.fences[0], sleep.after, left)
        }
    }

    pub(super) fn wake(&self, task: Task) {
        let mut state = self.state();
        if state.sleeping.contains_key(&index(task)) && !state.runnable.contains(&task) {
            state.timers.retain(|&(_, t)| t != task);
            state.runnable.push_back(task);
        }
    }

    pub(super) fn interrupt(&self, thread: usize) {
        let task = Task::Thread(thread);
        let intr = {
            let mut state = self.state();
            state.interrupted.push(thread);
            let sleep = state.sleeping.get(&index(task));
            sleep.is_some_and(|sleep| sleep.intr)
        };
        if intr {
            self.wake(task);
        }
    }
}

impl super::State {
    /// Lets time pass until a timer runs out; gives its task.
    fn next_timer(&mut self) -> Option<Task> {
        let when = self.timers.iter().map(|&(when, _)| when).min()?;
        let first = self.timers.iter().position(|&(w, _)| w == when)?;
        let (_, task) = self.timers.remove(first);
        self.now = self.now.max(when);
        Some(task)
    }
}

/// What a wait for the first of several gives.
fn any(left: i64, index: Option<usize>) -> Answer {
    match index {
        Some(index) if left > 0 => Answer::value(format_args!("{left} idx={index}")),
        _ => Answer::value(left),
    }
}
