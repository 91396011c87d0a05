// SPDX-License-Identifier: GPL-2.0-only
//! The search for strong paths.
//!
//! A path is strong if nowhere in it an edge that ends at a recursive reader is followed by one that
//! begins at a reader. So a search is at a class in one of two states: *weakly* if all edges on the
//! way there end at recursive readers, and then it goes on only by edges that begin exclusively. It
//! may come to a class in both, weakly first. Backwards the roles of the two ends change places.

use crate::{
    class::{Classes, Index},
    graph::{self, Graph, Visit},
    lock::{LD_LOCK_EVENT, LD_LOCK_NORMAL},
};

/// A class that a search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) class: Index,
    pub(crate) weak: bool,
}

impl State {
    fn number(self) -> u16 {
        self.class * 2 + u16::from(self.weak)
    }

    fn from_number(number: u16) -> Self {
        Self {
            class: number / 2,
            weak: number & 1 != 0,
        }
    }
}

/// Which classes a search goes through.
#[derive(Clone, Copy)]
pub(crate) enum Through {
    /// All.
    All,
    /// Those of real locks: neither per-CPU nor wait-type overrides.
    Real,
}

impl Graph {
    /// Searches breadth first, from `root` on, for a state for which `wanted` is true.
    pub(crate) fn search(
        &mut self,
        classes: &Classes,
        root: State,
        forwards: bool,
        through: Through,
        mut wanted: impl FnMut(State) -> bool,
    ) -> Option<State> {
        self.search += 1;
        let passes = |class: Index| match through {
            Through::All => true,
            Through::Real => {
                let lock_type = classes.at(class).lock_type();
                fault!("percpu") || matches!(lock_type, LD_LOCK_NORMAL | LD_LOCK_EVENT)
            }
        };
        let (mut read, mut written) = (0, 0);
        if passes(root.class) {
            self.visit(root, root, 0);
            self.queue[0] = root.number();
            written = 1;
        }
        while read < written {
            let state = State::from_number(self.queue[read]);
            read += 1;
            if wanted(state) {
                return Some(state);
            }
            let mut next = self.edges(state.class, forwards).next();
            while let Some(edge) = next {
                next = self.next(edge, forwards);
                let Some(state_there) = self.step(state, edge, forwards) else {
                    continue;
                };
                if passes(state_there.class) && !self.was_visited(state_there) {
                    self.visit(state_there, state, edge);
                    self.queue[written] = state_there.number();
                    written += 1;
                }
            }
        }
        None
    }

    /// Where an edge leads from a state, if the path stays strong.
    fn step(&self, state: State, edge: u16, forwards: bool) -> Option<State> {
        let edge = self.edge(edge);
        let (class, begins, ends) = if forwards {
            (edge.to, graph::E, graph::N)
        } else {
            (edge.from, graph::N, graph::E)
        };
        let kinds = if state.weak && !fault!("weak") {
            edge.kinds & begins
        } else {
            edge.kinds
        };
        let weak = kinds & ends == 0;
        (kinds != 0).then_some(State { class, weak })
    }

    /// True if what can be found from a state is found already.
    fn was_visited(&self, state: State) -> bool {
        let visited = |weak| {
            let state = State { weak, ..state };
            self.visits[usize::from(state.number())].search == self.search
        };
        visited(false) || state.weak && visited(true)
    }

    fn visit(&mut self, state: State, parent: State, edge: u16) {
        self.visits[usize::from(state.number())] = Visit {
            search: self.search,
            parent: parent.number(),
            edge,
        };
    }

    /// The edges of the way of the last search to a state, the last one first.
    pub(crate) fn way_to(&self, state: State) -> impl Iterator<Item = u16> + '_ {
        let visit = |number: u16| self.visits[usize::from(number)];
        let mut at = state.number();
        core::iter::from_fn(move || {
            let Visit { parent, edge, .. } = visit(at);
            at = parent;
            (edge != 0).then_some(edge)
        })
    }
}
