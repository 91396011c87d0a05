// SPDX-License-Identifier: GPL-2.0-only
//! The entry points.

use crate::{
    again::Same,
    chain::Chains,
    class::{Classes, Index},
    graph::Graph,
    lock::{Lock, LD_LOCK_EVENT},
    report::{ClassInfo, Finding, HeldInfo, List, Report, Text},
    task::{Held, Hold, Task, Within, MAX_LOCK_DEPTH},
    usage::Mark,
    Context, Host,
};
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    ptr,
};

/// The lock validator of a [`Host`].
pub struct Engine<H> {
    pub(crate) host: H,
    pub(crate) classes: Classes,
    pub(crate) chains: Chains,
    graph: UnsafeCell<Graph>,
}

// SAFETY: `graph` is reached through `Locked` alone, under the host's lock.
unsafe impl<H: Sync> Sync for Engine<H> {}

/// How a lock is taken.
#[derive(Clone, Copy, Debug)]
pub struct Acquire<'a> {
    /// The subclass, 0 for the lock's own.
    pub subclass: u8,
    /// It is free, or it is not taken.
    pub trylock: bool,
    /// 0 exclusively, 1 as a reader that waits for a waiting writer, 2 as one that does not.
    pub read: u8,
    /// False if it only counts for wait types, and as held.
    pub check: bool,
    /// A lock that is held, which permits to take more than one of the class.
    pub nest: Option<&'a Lock>,
    /// Where.
    pub ip: usize,
}

impl Acquire<'_> {
    /// Exclusively.
    pub const fn at(ip: usize) -> Self {
        Self {
            subclass: 0,
            trylock: false,
            read: 0,
            check: true,
            nest: None,
            ip,
        }
    }
}

/// Whether a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is not.
    NotHeld,
    /// It is.
    Held,
    /// Locks are not watched now.
    Unknown,
}

/// The current task, in the engine.
pub(crate) struct Now<'a> {
    pub(crate) task: &'a Task,
    pub(crate) context: Context,
}

/// The engine's lock, held.
pub(crate) struct Locked<'a, H: Host>(&'a Engine<H>);

impl<H: Host> Deref for Locked<'_, H> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        // SAFETY: The lock is held, and this is the only `Locked`.
        unsafe { &*self.0.graph.get() }
    }
}

impl<H: Host> DerefMut for Locked<'_, H> {
    fn deref_mut(&mut self) -> &mut Graph {
        // SAFETY: As above.
        unsafe { &mut *self.0.graph.get() }
    }
}

impl<H: Host> Drop for Locked<'_, H> {
    fn drop(&mut self) {
        self.0.host.unlock();
    }
}

impl<H: Host> Engine<H> {
    /// An engine that has seen nothing.
    pub const fn new(host: H) -> Self {
        Self {
            host,
            classes: Classes::new(),
            chains: Chains::new(),
            graph: UnsafeCell::new(Graph::new()),
        }
    }

    /// Its host.
    pub fn host(&self) -> &H {
        &self.host
    }

    pub(crate) fn locked(&self) -> Locked<'_, H> {
        self.host.lock();
        Locked(self)
    }

    /// Calls `f` unless locks are not watched, or the task is in the engine already.
    #[inline]
    pub(crate) fn inside<R>(&self, f: impl FnOnce(&Now<'_>) -> R) -> Option<R> {
        if !self.host.enabled() {
            return None;
        }
        self.host.with_task(|task| {
            let _inside = task.enter()?;
            let context = self.host.context();
            Some(f(&Now { task, context }))
        })
    }

    // ---- locks

    /// C: `lock_acquire()`. The task takes, or is about to wait for, a lock. From any context.
    pub fn acquire(&self, lock: &Lock, how: &Acquire<'_>) {
        self.inside(|now| {
            let same = Same::of(now, self.host.world(), lock, how);
            if how.nest.is_some()
                || !now
                    .task
                    .take_again(lock.instance, &same, self.classes.forgotten())
            {
                self.acquired(now, lock, how, Some(&same), false);
            }
        });
    }

    /// As [`acquire`](Self::acquire), of the lock at `instance`, by the current task; false, and nothing
    /// is done, if it does not remember what is the same. It remembers nothing of before that was made
    /// wrong by [`forget_taken`](Self::forget_taken).
    #[inline(always)]
    pub fn acquire_again(&self, task: &Task, instance: usize, same: &Same) -> bool {
        !task.is_busy() && task.take_again(instance, same, self.classes.forgotten())
    }

    /// As [`acquire`](Self::acquire); if there is nothing new in it, the task remembers `same`.
    pub fn acquire_as(&self, same: &Same, lock: &Lock, how: &Acquire<'_>) {
        self.inside(|now| self.acquired(now, lock, how, Some(same), false));
    }

    /// C: `lock_sync()`. The task waits until the lock's sections are over, and has none of its own.
    pub fn sync(&self, lock: &Lock, how: &Acquire<'_>) {
        self.inside(|now| self.acquired(now, lock, how, None, true));
    }

    fn acquired(
        &self,
        now: &Now<'_>,
        lock: &Lock,
        how: &Acquire<'_>,
        same: Option<&Same>,
        sync: bool,
    ) {
        // First, so that what is forgotten from now on is so for what is remembered.
        let forgotten = self.classes.forgotten();
        let Some(class) = self.class(now, lock, how.subclass) else {
            return;
        };
        let no_validate = ptr::from_ref(&crate::__lockdep_no_validate__).addr();
        let read = match how.read {
            1.. if fault!("read") => 0,
            2 if fault!("read-2") => 1,
            1 if fault!("read-1") => 2,
            read => read,
        };
        let nest = how.nest.copied().filter(|_| !fault!("nest"));
        self.take(
            now,
            Held {
                instance: lock.instance,
                hold: Hold {
                    class,
                    ip: how.ip,
                    before: 0,
                    references: 0,
                    within: Within::NONE,
                    on: 0,
                    read,
                    trylock: how.trylock && !fault!("trylock"),
                    check: how.check && lock.key != no_validate,
                    irqs_off: now.context.irqs_off,
                    sync,
                    nested: nest.is_some(),
                },
            },
            nest,
            same.map(|same| (same, forgotten)),
        );
    }

    /// Looks at a lock, and pushes it; the task remembers it if `same` is said, and how often
    /// something had been forgotten before.
    fn take(
        &self,
        now: &Now<'_>,
        mut held: Held,
        nest: Option<Lock>,
        same: Option<(&Same, usize)>,
    ) {
        let task = now.task;
        let top = task.top();
        if let Some(mut top) = top.filter(|top| top.class == held.class && !held.sync) {
            if nest.is_some() {
                top.references = top.references.max(1) + held.references.max(1);
                task.set_held(task.depth() - 1, top);
                return;
            }
        }
        if task.depth() == MAX_LOCK_DEPTH {
            self.full(now, "held locks of one task");
            return;
        }
        let context = now.context.number();
        held.on = if held.check {
            Mark::all_enabled(held.read)
        } else {
            0
        };
        held.before = task.chain();
        let head = top.is_none_or(|top| !fault!("context") && top.within.context() != context);
        let chain = crate::chain::with(if head { 0 } else { held.before }, &held);
        let limit = self.limit(now, top);
        let limit_inside = self.classes.at(held.class.index).limit_inside(limit);
        held.within = Within::new(context, limit_inside);
        match same {
            Some((same, forgotten)) if self.is_known(now, &held, limit, chain) => {
                task.remember(same, forgotten, &held, chain);
            }
            _ => self.look_at(now, &held, nest, limit, head, chain),
        }
        if !held.sync {
            task.push_nested(held, nest, chain);
        }
    }

    /// True if none of the checks of a lock has anything to look at that is new.
    fn is_known(&self, now: &Now<'_>, held: &Held, limit: u8, chain: u64) -> bool {
        !held.nested
            && self.may_wait(held, limit)
            && self.missing_marks(now, held) == 0
            && self.is_seen(held, chain)
    }

    /// All checks of a lock, up to the first finding.
    fn look_at(
        &self,
        now: &Now<'_>,
        held: &Held,
        nest: Option<Lock>,
        limit: u8,
        head: bool,
        chain: u64,
    ) {
        // Of a class that was forgotten nothing is known, and another may be in its place.
        if self.classes.get(held.class).is_none() {
            return;
        }
        if !self.check_wait_type(now, held, limit) || !self.mark_usage(now, held) {
            return;
        }
        if let Some(nest) = nest.filter(|_| !fault!("nest-held")) {
            if self.index(now, &nest, false).is_none() {
                let graph = self.locked();
                let lock = self.held_info(&graph, held);
                let nest = Text::from_bytes(nest.name.bytes());
                return self.report(graph, now, Finding::NestNotHeld { lock, nest });
            }
        }
        self.check_chain(now, held, nest, head, chain);
    }

    /// C: `lock_release()`. The task is about to release a lock. From any context.
    pub fn release(&self, lock: &Lock, ip: usize) {
        self.inside(|now| {
            if now.task.pop(lock.instance) {
                return;
            }
            let Some(index) = self.index_to_change(now, lock, ip) else {
                return;
            };
            let mut held = now.task.held(index);
            if held.references > 1 {
                held.references -= 1;
                now.task.set_held(index, held);
                return;
            }
            self.retake(now, index, index + 1);
        });
    }

    /// C: `lock_set_class()`. Makes a held lock one of the class that `lock` says.
    pub fn set_class(&self, lock: &Lock, subclass: u8, ip: usize) {
        self.inside(|now| {
            if let Some(index) = self.index_to_change(now, lock, ip) {
                if let Some(class) = self.class(now, lock, subclass) {
                    let held = now.task.held(index);
                    let hold = Hold { class, ..held.hold };
                    now.task.set_held(index, Held { hold, ..held });
                    self.retake(now, index, index);
                }
            }
        });
    }

    /// C: `lock_downgrade()`. Makes an exclusively held lock a reader's.
    pub fn downgrade(&self, lock: &Lock, ip: usize) {
        self.inside(|now| {
            if let Some(index) = self.index_to_change(now, lock, ip) {
                let held = now.task.held(index);
                let hold = Hold {
                    read: 1,
                    ip,
                    ..held.hold
                };
                now.task.set_held(index, Held { hold, ..held });
                self.retake(now, index, index);
            }
        });
    }

    /// Has the stack begin at `index` with what is at `from`, and looks at the locks there anew.
    fn retake(&self, now: &Now<'_>, index: usize, from: usize) {
        let depth = now.task.depth();
        now.task.cut(index);
        for above in from..depth {
            self.take(now, now.task.held(above), now.task.nest(above), None);
        }
    }

    /// The place on the stack of a lock that must be there, of this context's.
    fn index_to_change(&self, now: &Now<'_>, lock: &Lock, ip: usize) -> Option<usize> {
        let index = self.index(now, lock, true);
        if index.is_none() && !fault!("unlock-balance") {
            let name = Text::from_bytes(lock.name.bytes());
            self.report(self.locked(), now, Finding::UnlockBalance { name, ip });
        }
        index
    }

    /// The place on the stack of a lock, looked for from the top.
    #[inline]
    fn index(&self, now: &Now<'_>, lock: &Lock, one_context: bool) -> Option<usize> {
        let (top, depth) = (now.task.top()?, now.task.depth());
        if top.instance == lock.instance {
            return Some(depth - 1);
        }
        let context = top.within.context();
        let of_class = |held: &Held| {
            let class = self
                .classes
                .find(lock.key, lock.subclass, self.host.world());
            let known = self.classes.get(held.class).is_some();
            held.references > 0 && known && class == Some(held.class.index)
        };
        (0..depth)
            .rev()
            .map(|index| (index, now.task.held(index)))
            .take_while(|(_, held)| !one_context || held.within.context() == context)
            .find(|(_, held)| held.instance == lock.instance || of_class(held))
            .map(|(index, _)| index)
    }

    /// C: `lock_is_held_type()`. Whether the task holds a lock, as reader or not if that is named.
    pub fn is_held(&self, lock: &Lock, as_reader: Option<bool>) -> Known {
        let known = self.inside(|now| {
            let index = self.index(now, lock, false)?;
            let held = now.task.held(index);
            as_reader
                .is_none_or(|read| read == (held.read != 0))
                .then_some(())
        });
        match known {
            Some(Some(())) => Known::Held,
            Some(None) => Known::NotHeld,
            None => Known::Unknown,
        }
    }

    /// C: `debug_check_no_locks_freed()`. Memory is freed, or initialised.
    pub fn check_no_locks_freed(&self, from: usize, length: usize, ip: usize) {
        self.inside(|now| {
            let within =
                |held: &Held| held.instance < from + length && from < held.instance + H::LOCK_BYTES;
            if let Some(held) = now.task.all().find(within).filter(|_| !fault!("freed")) {
                let graph = self.locked();
                let lock = self.held_info(&graph, &held);
                #[rustfmt::skip]
                let finding = Finding::HeldLockFreed { lock, from, length, ip };
                self.report(graph, now, finding);
            }
        });
    }

    /// C: `debug_check_no_locks_held()`. The task ends.
    pub fn check_no_locks_held(&self) {
        self.inside(|now| {
            if now.task.depth() > 0 {
                self.report(self.locked(), now, Finding::HeldAtExit);
            }
        });
    }

    // ---- reports

    #[cold]
    pub(crate) fn full(&self, now: &Now<'_>, table: &'static str) {
        self.report(self.locked(), now, Finding::Full { table });
    }

    pub(crate) fn class_info(&self, graph: &Graph, index: Index) -> ClassInfo {
        let class = self.classes.at(index);
        let cold = &graph.cold[usize::from(index)];
        ClassInfo {
            name: cold.name,
            version: cold.version,
            subclass: class.subclass(),
            outer: class.outer(),
            inner: class.inner(),
            marks: class.marks(),
            event: class.lock_type() == LD_LOCK_EVENT,
        }
    }

    pub(crate) fn held_info(&self, graph: &Graph, held: &Held) -> HeldInfo {
        let mut class = self.class_info(graph, held.class.index);
        if self.classes.get(held.class).is_none() {
            class.name = Text::from_bytes(b"(forgotten)");
        }
        HeldInfo {
            class,
            instance: held.instance,
            ip: held.ip,
            read: held.read,
            trylock: held.trylock,
            sync: held.sync,
            references: held.references,
        }
    }

    /// Reports a finding, with the lock released.
    #[cold]
    #[inline(never)]
    pub(crate) fn report(&self, graph: Locked<'_, H>, now: &Now<'_>, finding: Finding) {
        let (task, pid) = self.host.task_name();
        let report = Report {
            finding,
            task,
            pid,
            context: now.context,
            irqs_enabled: now.task.irqs_enabled.get(),
            irqs_at: now.task.irqs_at.get(),
            held: List::new(now.task.all().map(|held| self.held_info(&graph, &held))),
        };
        drop(graph);
        self.host.report(&report);
    }
}
