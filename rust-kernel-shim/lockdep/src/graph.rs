// SPDX-License-Identifier: GPL-2.0-only
//! The graph of which class was taken while which was held, and the rest that the lock protects.

use crate::{
    class::{ClassId, Classes, Index, MAX_CLASSES},
    lock::Lock,
    report::Text,
    task::Held,
    usage::Mark,
};

/// Edges there can be.
pub(crate) const MAX_EDGES: usize = 1 << 15;
/// Keys that are in memory which will be freed.
const MAX_KEYS: usize = 1 << 10;

/// Kinds of an edge, a bit each: bit `E + 2 * N`.
pub(crate) type Kinds = u8;

/// Kinds of which the first lock was held exclusively.
pub(crate) const E: Kinds = 0b1010;
/// Kinds of which the second lock was taken by no recursive reader.
pub(crate) const N: Kinds = 0b1100;

/// The kind of the edge between two held locks.
pub(crate) fn kind(prev: &Held, next: &Held) -> Kinds {
    1 << (u8::from(prev.read == 0) + 2 * u8::from(next.read != 2))
}

/// A class was taken while another was held.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) from: Index,
    pub(crate) to: Index,
    /// The next edge from `from`.
    after: u16,
    /// The next edge to `to`.
    before: u16,
    pub(crate) kinds: Kinds,
    /// Where `from` had been taken, when it was seen first.
    pub(crate) held_at: usize,
    /// Where `to` was taken.
    pub(crate) taken_at: usize,
}

/// Where a class got a mark: where it was taken, and where interrupts were then turned on, or 0.
#[derive(Clone, Copy)]
pub(crate) struct Marked {
    pub(crate) taken_at: usize,
    pub(crate) on_at: usize,
}

/// What of a class is read with the lock only.
#[derive(Clone, Copy)]
pub(crate) struct Cold {
    pub(crate) name: Text<48>,
    name_at: usize,
    /// How many classes had its name before, and it.
    pub(crate) version: u16,
    pub(crate) marked: [Marked; 8],
    /// The first edge from it.
    after: u16,
    /// The first edge to it.
    before: u16,
}

/// The way of a search to a class, by whether its last step was a weak one.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    /// The search that came here last.
    pub(crate) search: u64,
    /// From this state,
    pub(crate) parent: u16,
    /// by this edge.
    pub(crate) edge: u16,
}

/// All that the lock protects.
pub(crate) struct Graph {
    pub(crate) cold: [Cold; MAX_CLASSES],
    pub(crate) edges: [Edge; MAX_EDGES],
    pub(crate) visits: [Visit; 2 * MAX_CLASSES],
    pub(crate) queue: [u16; 2 * MAX_CLASSES],
    pub(crate) search: u64,
    classes: Slots,
    edge_slots: Slots,
    serial: u32,
    keys: [usize; MAX_KEYS],
}

/// A table is full.
pub(crate) struct Full(pub(crate) &'static str);

/// Which places of a table are free: those never used, and a list of those given back.
struct Slots {
    used: u16,
    free: u16,
}

impl Slots {
    /// A free place of a table of `size`; `next` tells what follows a place in the list.
    fn take(&mut self, size: usize, next: impl FnOnce(u16) -> u16) -> Option<u16> {
        let slot = self.free;
        if slot != 0 {
            self.free = next(slot);
            return Some(slot);
        }
        self.used += 1;
        (usize::from(self.used) < size).then_some(self.used)
    }

    /// Returns a place; what follows it in the list is returned.
    fn give_back(&mut self, slot: u16) -> u16 {
        core::mem::replace(&mut self.free, slot)
    }
}

impl Graph {
    pub(crate) const fn new() -> Self {
        const SLOTS: Slots = Slots { used: 0, free: 0 };
        Self {
            cold: [Cold {
                name: Text::new(),
                name_at: 0,
                version: 0,
                marked: [Marked {
                    taken_at: 0,
                    on_at: 0,
                }; 8],
                after: 0,
                before: 0,
            }; MAX_CLASSES],
            edges: [Edge {
                from: 0,
                to: 0,
                after: 0,
                before: 0,
                kinds: 0,
                held_at: 0,
                taken_at: 0,
            }; MAX_EDGES],
            visits: [Visit {
                search: 0,
                parent: 0,
                edge: 0,
            }; 2 * MAX_CLASSES],
            queue: [0; 2 * MAX_CLASSES],
            search: 0,
            classes: SLOTS,
            edge_slots: SLOTS,
            serial: 0,
            keys: [0; MAX_KEYS],
        }
    }

    fn cold(&mut self, index: Index) -> &mut Cold {
        &mut self.cold[usize::from(index)]
    }

    pub(crate) fn edge(&self, edge: u16) -> &Edge {
        &self.edges[usize::from(edge)]
    }

    /// The edges from a class, or those to it.
    pub(crate) fn edges(&self, of: Index, forwards: bool) -> impl Iterator<Item = u16> + '_ {
        let cold = &self.cold[usize::from(of)];
        let first = if forwards { cold.after } else { cold.before };
        core::iter::successors((first != 0).then_some(first), move |edge| {
            self.next(*edge, forwards)
        })
    }

    /// The edge after `edge` in the list of those that begin, or end, as it does.
    pub(crate) fn next(&self, edge: u16, forwards: bool) -> Option<u16> {
        let edge = self.edge(edge);
        let next = if forwards { edge.after } else { edge.before };
        (next != 0).then_some(next)
    }

    /// Adds a class.
    pub(crate) fn register(
        &mut self,
        classes: &Classes,
        lock: &Lock,
        subclass: u8,
        world: u32,
    ) -> Result<Index, Full> {
        let name = Text::from_bytes(lock.name.bytes());
        let same_key = |index: &Index| {
            let class = classes.at(*index);
            class.key() - usize::from(class.subclass()) == lock.key
        };
        let version = {
            let same_name = classes.all(|index, class| {
                class.world() == world && self.cold[usize::from(index)].name == name
            });
            let mut highest = 0;
            let mut same = None;
            for index in same_name {
                let version = self.cold[usize::from(index)].version;
                highest = version.max(highest);
                same = same.or(same_key(&index).then_some(version));
            }
            same.unwrap_or(highest + 1)
        };
        let cold = &self.cold;
        let index = self
            .classes
            .take(MAX_CLASSES, |slot| cold[usize::from(slot)].after)
            .ok_or(Full("classes"))?;
        *self.cold(index) = Cold {
            name,
            name_at: lock.name.addr(),
            version,
            after: 0,
            ..*self.cold(index)
        };
        self.serial += 1;
        classes.add(index, self.serial, lock, subclass, world);
        Ok(index)
    }

    /// Draws the edge from a held lock to one taken inside it.
    pub(crate) fn connect(&mut self, prev: &Held, next: &Held) -> Result<(), Full> {
        let (from, to) = (prev.class.index, next.class.index);
        let kinds = kind(prev, next);
        let known = self
            .edges(from, true)
            .find(|edge| self.edge(*edge).to == to);
        if let Some(edge) = known {
            self.edges[usize::from(edge)].kinds |= kinds;
            return Ok(());
        }
        let edges = &self.edges;
        let edge = self
            .edge_slots
            .take(MAX_EDGES, |slot| edges[usize::from(slot)].after)
            .ok_or(Full("edges"))?;
        self.edges[usize::from(edge)] = Edge {
            from,
            to,
            after: core::mem::replace(&mut self.cold(from).after, edge),
            before: core::mem::replace(&mut self.cold(to).before, edge),
            kinds,
            held_at: prev.ip,
            taken_at: next.ip,
        };
        Ok(())
    }

    /// Takes an edge out of one of the two lists that it is in.
    fn unlink(&mut self, edge: u16, forwards: bool) {
        let Edge {
            from,
            to,
            after,
            before,
            ..
        } = *self.edge(edge);
        let (of, next) = if forwards {
            (from, after)
        } else {
            (to, before)
        };
        let previous = self.edges(of, forwards).take_while(|e| *e != edge).last();
        let cold = &mut self.cold[usize::from(of)];
        *match (
            previous.map(|edge| &mut self.edges[usize::from(edge)]),
            forwards,
        ) {
            (Some(previous), true) => &mut previous.after,
            (Some(previous), false) => &mut previous.before,
            (None, true) => &mut cold.after,
            (None, false) => &mut cold.before,
        } = next;
    }

    /// Forgets a class and its edges.
    pub(crate) fn forget(&mut self, classes: &Classes, index: Index) {
        for forwards in [true, false] {
            loop {
                let Some(edge) = self.edges(index, forwards).next() else {
                    break;
                };
                self.unlink(edge, true);
                self.unlink(edge, false);
                self.edges[usize::from(edge)].after = self.edge_slots.give_back(edge);
            }
        }
        classes.remove(index);
        self.cold(index).after = self.classes.give_back(index);
    }

    /// True if the class's name is in that memory.
    pub(crate) fn is_named_in(&self, index: Index, memory: &core::ops::Range<usize>) -> bool {
        memory.contains(&self.cold[usize::from(index)].name_at)
    }

    /// Remembers where a class got a mark.
    pub(crate) fn set_marked(&mut self, class: ClassId, mark: Mark, marked: Marked) {
        self.cold(class.index).marked[mark.index()] = marked;
    }

    /// Finds the place of a registered key, or with 0 a free one.
    pub(crate) fn key_slot(&mut self, key: usize) -> Option<&mut usize> {
        self.keys.iter_mut().find(|slot| **slot == key)
    }
}
