// SPDX-License-Identifier: GPL-2.0-only
//! Deadlocks with interrupts.
//!
//! A class that is taken in interrupts must not be held with them on, nor must there be a strong
//! path from it to one that is: the handler that comes then waits for the class that is held, or for
//! a task that waits for it. Marks and edges are looked at when they are new, each for what it makes
//! of those that are there. A weak end counts with its writers' marks only, since a reader there
//! would not have to wait.

use crate::{
    engine::{Engine, Locked, Now},
    graph::{Graph, Marked},
    report::{Finding, MarkInfo},
    search::{State, Through},
    task::{Held, Task},
    usage::{opposed, Irq, Mark, Marks, USED_IN, WRITES},
    Host,
};

impl<H: Host> Engine<H> {
    // ---- entry points

    /// C: `lockdep_hardirqs_on_prepare()`. Interrupts are about to be turned on.
    pub fn hardirqs_on_prepare(&self, ip: usize) {
        self.inside(|now| {
            if now.task.irqs_enabled.get() {
                return;
            }
            if now.context.hardirq {
                return self.report(self.locked(), now, Finding::IrqsOnInHardirq { ip });
            }
            if self.hardirqs_on_again(now.task) {
                return;
            }
            self.mark_held(now, Irq::Hard, ip);
            if now.context.softirqs_enabled {
                self.mark_held(now, Irq::Soft, ip);
            }
        });
    }

    /// True if the task may turn on interrupts of both kinds, unless it is in a handler: locks of all
    /// classes of which it holds any were held with them on before.
    #[inline(always)]
    pub fn hardirqs_on_again(&self, task: &Task) -> bool {
        for hold in task.holds() {
            if hold.on & !self.classes.at(hold.class.index).marks() != 0 {
                return false;
            }
        }
        task.on_again();
        true
    }

    /// C: `lockdep_hardirqs_on()`. Interrupts are turned on.
    pub fn hardirqs_on(&self, ip: usize) {
        self.hardirqs(true, ip);
    }

    /// C: `lockdep_hardirqs_off()`. Interrupts were turned off.
    pub fn hardirqs_off(&self, ip: usize) {
        self.hardirqs(false, ip);
    }

    fn hardirqs(&self, on: bool, ip: usize) {
        self.host.with_task(|task| {
            if task.irqs_enabled.get() != on {
                task.set_irqs(on, ip);
            }
        });
    }

    /// C: `lockdep_softirqs_on()`. Soft interrupts are turned on, while hard ones are off.
    pub fn softirqs_on(&self, ip: usize) {
        if self.host.context().softirqs_enabled {
            return;
        }
        self.host.set_softirqs_enabled(true);
        self.inside(|now| {
            if now.task.irqs_enabled.get() {
                self.mark_held(now, Irq::Soft, ip);
            }
        });
    }

    /// C: `lockdep_softirqs_off()`. Soft interrupts are turned off.
    pub fn softirqs_off(&self, _ip: usize) {
        self.host.set_softirqs_enabled(false);
    }

    // ---- marks

    /// Interrupts are turned on while locks are held.
    fn mark_held(&self, now: &Now<'_>, irq: Irq, on_at: usize) {
        for held in now.task.all() {
            if held.check && !fault!("irqs-on") {
                self.mark(now, &held, Mark::enabled(irq).held(held.read), on_at);
            }
        }
    }

    /// Marks the class of a lock as it is taken here; false if that is a finding.
    pub(crate) fn mark_usage(&self, now: &Now<'_>, held: &Held) -> bool {
        let missing = self.missing_marks(now, held);
        missing == 0 || Mark::all(missing).all(|mark| self.mark(now, held, mark, 0))
    }

    /// The marks that its class gets by a lock that is taken here.
    pub(crate) fn missing_marks(&self, now: &Now<'_>, held: &Held) -> Marks {
        let Some(class) = self.classes.get(held.class).filter(|_| held.check) else {
            return 0;
        };
        let context = now.context;
        let taken = !held.trylock;
        let on = !held.irqs_off && !held.sync;
        let mut marks = 0;
        for (mark, is) in [
            (Mark::used_in(Irq::Hard), taken && context.hardirq),
            (Mark::used_in(Irq::Soft), taken && context.softirq),
            (Mark::enabled(Irq::Hard), on),
            (Mark::enabled(Irq::Soft), on && context.softirqs_enabled),
        ] {
            marks |= if is { mark.held(held.read).bit() } else { 0 };
        }
        marks & !class.marks()
    }

    /// Gives the class of a lock a mark; false if that is a finding.
    fn mark(&self, now: &Now<'_>, held: &Held, new: Mark, on_at: usize) -> bool {
        let Some(class) = self.classes.get(held.class).filter(|_| !fault!("marks")) else {
            return true;
        };
        // Mostly it has: then the lock is not needed.
        if class.marks() & new.bit() != 0 {
            return true;
        }
        let mut graph = self.locked();
        if class.marks() & new.bit() != 0 {
            return true;
        }
        class.add_mark(new.bit());
        let taken_at = held.ip;
        graph.set_marked(held.class, new, Marked { taken_at, on_at });
        // Two readers do not wait for each other.
        let same = new.opposed_by(class.marks());
        if let Some(old) = same.filter(|old| !(new.is_read() && old.is_read())) {
            self.inconsistent(graph, now, held, new, old);
            return false;
        }
        fault!("mark-search") || self.check_mark(graph, now, held, new)
    }

    #[cold]
    fn inconsistent(&self, graph: Locked<'_, H>, now: &Now<'_>, held: &Held, new: Mark, old: Mark) {
        let class = held.class.index;
        let finding = Finding::InconsistentState {
            lock: self.held_info(&graph, held),
            new: mark_info(&graph, class, new),
            old: mark_info(&graph, class, old),
        };
        self.report(graph, now, finding);
    }

    /// The marks of a class that count for a search that has come there.
    fn marks_at(&self, state: State) -> Marks {
        let marks = self.classes.at(state.class).marks();
        if state.weak {
            marks & WRITES
        } else {
            marks
        }
    }

    /// The same before a new edge.
    fn marks_before(&self, state: State) -> Marks {
        self.marks_at(State {
            weak: state.weak && !fault!("weak-marks"),
            ..state
        })
    }

    /// Looks for a class that a new mark makes a circle with; false if there is one.
    fn check_mark(&self, mut graph: Locked<'_, H>, now: &Now<'_>, held: &Held, new: Mark) -> bool {
        let forwards = !new.is_enabled();
        let clash = |state| new.opposed_by(self.marks_at(state));
        let root = root(held, forwards);
        let found = graph.search(&self.classes, root, forwards, Through::Real, |state| {
            clash(state).is_some()
        });
        let Some((end, old)) = found.and_then(|end| Some((end, clash(end)?))) else {
            return true;
        };
        self.inversion(graph, now, held, new, (end, old));
        false
    }

    #[cold]
    fn inversion(
        &self,
        graph: Locked<'_, H>,
        now: &Now<'_>,
        held: &Held,
        new: Mark,
        (end, old): (State, Mark),
    ) {
        let class = held.class.index;
        let finding = Finding::IrqInversion {
            lock: self.held_info(&graph, held),
            new: mark_info(&graph, class, new),
            other: self.class_info(&graph, end.class),
            old: mark_info(&graph, end.class, old),
            chain: if new.is_enabled() {
                self.backwards(&graph, end)
            } else {
                self.forwards(&graph, class, end)
            },
        };
        self.report(graph, now, finding);
    }

    // ---- edges

    /// Looks whether a new edge leads from a class taken in interrupts to one held with them on;
    /// nothing is returned if so.
    pub(crate) fn check_irqs_of_edge<'a>(
        &self,
        mut graph: Locked<'a, H>,
        now: &Now<'_>,
        prev: &Held,
        next: &Held,
    ) -> Option<Locked<'a, H>> {
        if fault!("irq-edge") {
            return Some(graph);
        }
        let (from, to) = (root(prev, false), root(next, true));
        let mut used_in = 0;
        graph.search(&self.classes, from, false, Through::Real, |state| {
            used_in |= self.marks_before(state) & USED_IN;
            false
        });
        if used_in == 0 {
            return Some(graph);
        }
        let enabled = graph.search(&self.classes, to, true, Through::Real, |state| {
            self.marks_at(state) & opposed(used_in) != 0
        });
        match enabled {
            None => Some(graph),
            Some(end) => {
                self.irq_order(graph, now, (prev, next), end);
                None
            }
        }
    }

    #[cold]
    fn irq_order(
        &self,
        mut graph: Locked<'_, H>,
        now: &Now<'_>,
        (prev, next): (&Held, &Held),
        end: State,
    ) {
        // The last search was the one to `end`.
        let after = self.forwards(&graph, next.class.index, end);
        let enabled = self.marks_at(end);
        let clash = |state| Mark::clash(self.marks_before(state), enabled);
        let from = root(prev, false);
        let start = graph.search(&self.classes, from, false, Through::Real, |state| {
            clash(state).is_some()
        });
        let Some((start, (safe, unsafe_))) = start.and_then(|start| Some((start, clash(start)?)))
        else {
            return;
        };
        let finding = Finding::IrqOrder {
            lock: self.held_info(&graph, next),
            held: self.held_info(&graph, prev),
            safe: mark_info(&graph, start.class, safe),
            unsafe_: mark_info(&graph, end.class, unsafe_),
            before: self.backwards(&graph, start),
            after,
        };
        self.report(graph, now, finding);
    }
}

/// Where a search from a held lock begins.
fn root(held: &Held, forwards: bool) -> State {
    State {
        class: held.class.index,
        weak: if forwards {
            held.read == 2
        } else {
            held.read != 0
        },
    }
}

fn mark_info(graph: &Graph, class: u16, mark: Mark) -> MarkInfo {
    let marked = &graph.cold[usize::from(class)].marked[mark.index()];
    MarkInfo {
        mark,
        taken_at: marked.taken_at,
        on_at: marked.on_at,
    }
}
