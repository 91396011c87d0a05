// SPDX-License-Identifier: GPL-2.0-only
//! What is looked at when a chain of locks is seen for the first time.

use crate::{
    class::Index,
    engine::{Engine, Locked, Now},
    graph::{Full, Graph},
    lock::{Lock, LD_WAIT_CONFIG, LD_WAIT_INV, LD_WAIT_MAX, LD_WAIT_SPIN},
    report::{Chain, Finding, Link, List},
    search::{State, Through},
    task::Held,
    Host,
};

impl<H: Host> Engine<H> {
    /// What may be waited for here: below the lock that is held last, or in this context.
    pub(crate) fn limit(&self, now: &Now<'_>, top: Option<Held>) -> u8 {
        match now.context {
            context if top.is_some_and(|top| top.within.context() == context.number()) => {
                top.map_or(LD_WAIT_MAX, |top| top.within.limit())
            }
            context if context.hardirq && (context.threaded || fault!("threaded")) => {
                LD_WAIT_CONFIG
            }
            context if context.hardirq => LD_WAIT_SPIN,
            context if context.softirq => LD_WAIT_CONFIG,
            _ => LD_WAIT_MAX,
        }
    }

    /// Looks whether a lock may be waited for, if no more than `limit` may; false if not.
    pub(crate) fn check_wait_type(&self, now: &Now<'_>, next: &Held, limit: u8) -> bool {
        if self.may_wait(next, limit) {
            return true;
        }
        let graph = self.locked();
        let lock = self.held_info(&graph, next);
        self.report(graph, now, Finding::WaitContext { lock, limit });
        false
    }

    /// True if it may.
    pub(crate) fn may_wait(&self, next: &Held, limit: u8) -> bool {
        let class = self.classes.at(next.class.index);
        class.inner() == LD_WAIT_INV
            || next.trylock
            || class.outer() <= limit
            || fault!("wait-type")
    }

    /// True if there is no chain to be looked at, or it was.
    pub(crate) fn is_seen(&self, next: &Held, chain: u64) -> bool {
        next.trylock || !next.check || self.chains.contains(chain)
    }

    /// Looks at the chain of all held locks and one more, if that was not done before. `head` is
    /// true for the first lock of the context.
    pub(crate) fn check_chain(
        &self,
        now: &Now<'_>,
        next: &Held,
        nest: Option<Lock>,
        head: bool,
        chain: u64,
    ) {
        if self.is_seen(next, chain) {
            return;
        }
        let graph = self.locked();
        if self.chains.is_full() {
            self.forget_chains();
        }
        if !self.chains.insert(chain) {
            return;
        }
        match self.check_same_class(graph, now, next, nest) {
            Some((graph, false)) if !head => self.check_edges(graph, now, next),
            _ => (),
        }
    }

    /// Looks for a lock of the same class. Returns whether one is held that may be, or nothing if
    /// one must not be.
    fn check_same_class<'a>(
        &self,
        graph: Locked<'a, H>,
        now: &Now<'_>,
        next: &Held,
        nest: Option<Lock>,
    ) -> Option<(Locked<'a, H>, bool)> {
        if fault!("same-class") {
            return Some((graph, false));
        }
        let mut nested = false;
        for held in now.task.all() {
            nested |= nest.is_some_and(|nest| nest.instance == held.instance);
            if held.class != next.class || next.read == 2 && held.read != 0 {
                continue;
            }
            if nested {
                return Some((graph, true));
            }
            self.recursive(graph, now, next, &held);
            return None;
        }
        Some((graph, false))
    }

    #[cold]
    fn recursive(&self, graph: Locked<'_, H>, now: &Now<'_>, next: &Held, held: &Held) {
        let lock = self.held_info(&graph, next);
        let held = self.held_info(&graph, held);
        self.report(graph, now, Finding::Recursive { lock, held });
    }

    /// Draws edges from the locks below: down to, and with, the first that was waited for, since
    /// that has its own edges from those before it.
    fn check_edges(&self, mut graph: Locked<'_, H>, now: &Now<'_>, next: &Held) {
        for prev in now.task.all().rev() {
            if prev.within.context() != next.within.context() && !fault!("context") {
                return;
            }
            if !prev.check || self.classes.get(prev.class).is_none() {
                continue;
            }
            let Some(good) = self.check_edge(graph, now, &prev, next) else {
                return;
            };
            graph = good;
            if let Err(Full(table)) = graph.connect(&prev, next) {
                return self.report(graph, now, Finding::Full { table });
            }
            if !prev.trylock {
                return;
            }
        }
    }

    /// Looks what a new edge would do; nothing is returned if that is not good.
    fn check_edge<'a>(
        &self,
        mut graph: Locked<'a, H>,
        now: &Now<'_>,
        prev: &Held,
        next: &Held,
    ) -> Option<Locked<'a, H>> {
        let root = State {
            class: next.class.index,
            weak: next.read == 2,
        };
        let back =
            |state: State| state.class == prev.class.index && (prev.read == 0 || !state.weak);
        let circle = graph.search(&self.classes, root, true, Through::All, back);
        match circle {
            Some(end) if !fault!("cycle") => {
                self.circular(graph, now, prev, next, end);
                None
            }
            _ => self.check_irqs_of_edge(graph, now, prev, next),
        }
    }

    #[cold]
    fn circular(&self, graph: Locked<'_, H>, now: &Now<'_>, prev: &Held, next: &Held, end: State) {
        let lock = self.held_info(&graph, next);
        let held = self.held_info(&graph, prev);
        let finding = if prev.class == next.class {
            Finding::Recursive { lock, held }
        } else {
            let chain = self.forwards(&graph, next.class.index, end);
            Finding::Circular { lock, held, chain }
        };
        self.report(graph, now, finding);
    }

    fn link(&self, graph: &Graph, edge: u16) -> Link {
        let edge = graph.edge(edge);
        Link {
            class: self.class_info(graph, edge.to),
            held_at: edge.held_at,
            taken_at: edge.taken_at,
        }
    }

    /// The chain from where the last search, forwards, began to `end`.
    pub(crate) fn forwards(&self, graph: &Graph, root: Index, end: State) -> Chain {
        let way: List<u16, 10> = List::new(graph.way_to(end));
        let mut links = List::new(way.iter().rev().map(|edge| self.link(graph, *edge)));
        links.total = way.total;
        Chain {
            first: self.class_info(graph, root),
            links,
        }
    }

    /// The chain from `end` to where the last search, backwards, began.
    pub(crate) fn backwards(&self, graph: &Graph, end: State) -> Chain {
        Chain {
            first: self.class_info(graph, end.class),
            links: List::new(graph.way_to(end).map(|edge| self.link(graph, edge))),
        }
    }
}
