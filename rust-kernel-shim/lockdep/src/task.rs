// SPDX-License-Identifier: GPL-2.0-only
//! What the engine keeps of a task.

use crate::{
    again::{Memory, Same},
    class::ClassId,
    usage::Marks,
    Lock,
};
use core::{
    cell::Cell,
    ops::{Deref, DerefMut},
};

/// Locks that one task can hold.
pub const MAX_LOCK_DEPTH: usize = 48;

/// A task's locks. Zero bytes are a task that holds none.
pub struct Task {
    instances: [Cell<usize>; MAX_LOCK_DEPTH],
    /// How these are held, from the second on; the first is none, inside which the first lock is taken.
    holds: [Cell<Hold>; 1 + MAX_LOCK_DEPTH],
    /// The lock inside which more than one of the class may be taken, for those held that are `nested`.
    nests: [Cell<Option<Lock>>; MAX_LOCK_DEPTH],
    depth: Cell<usize>,
    /// The key of the chain of all that are held.
    chain: Cell<u64>,
    /// In the engine.
    busy: Cell<bool>,
    /// What the engine was told of interrupts.
    pub(crate) irqs_enabled: Cell<bool>,
    /// Where they were turned on or off last.
    pub(crate) irqs_at: Cell<usize>,
    /// With how many locks, and in which chain, interrupts were turned on last with nothing new in it, if
    /// all were taken in one context.
    on_again: Cell<(usize, u64)>,
    memory: Memory,
}

/// A lock that is held, or about to be.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) instance: usize,
    pub(crate) hold: Hold,
}

impl Deref for Held {
    type Target = Hold;

    #[inline]
    fn deref(&self) -> &Hold {
        &self.hold
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Hold {
        &mut self.hold
    }
}

/// What decides for a lock inside which another is taken: the context that it was taken in, and what
/// may be waited for inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within(u16);

impl Within {
    pub(crate) const NONE: Self = Self::new(0, 0);

    pub(crate) const fn new(context: u8, limit: u8) -> Self {
        Self(u16::from_le_bytes([context, limit]))
    }

    pub(crate) const fn context(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    pub(crate) const fn limit(self) -> u8 {
        self.0.to_le_bytes()[1]
    }
}

/// How a lock is held, whichever of its class it is.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) class: ClassId,
    pub(crate) ip: usize,
    /// The key of the chain of those before it.
    pub(crate) before: u64,
    /// 0, or how often it was taken under its nest lock.
    pub(crate) references: u32,
    pub(crate) within: Within,
    /// What its class is marked with if interrupts are turned on while it is held.
    pub(crate) on: Marks,
    /// 0 exclusive, 1 shared, 2 shared and recursive.
    pub(crate) read: u8,
    pub(crate) trylock: bool,
    pub(crate) check: bool,
    pub(crate) irqs_off: bool,
    /// It is waited for, and not held.
    pub(crate) sync: bool,
    /// It has a nest lock.
    pub(crate) nested: bool,
}

impl Hold {
    pub(crate) const NONE: Self = Self {
        class: ClassId::NONE,
        ip: 0,
        before: 0,
        references: 0,
        within: Within::NONE,
        on: 0,
        read: 0,
        trylock: false,
        check: false,
        irqs_off: false,
        sync: false,
        nested: false,
    };
}

impl Task {
    /// A task that holds no lock.
    pub const fn new() -> Self {
        Self {
            instances: [const { Cell::new(0) }; MAX_LOCK_DEPTH],
            holds: [const { Cell::new(Hold::NONE) }; 1 + MAX_LOCK_DEPTH],
            nests: [const { Cell::new(None) }; MAX_LOCK_DEPTH],
            depth: Cell::new(0),
            chain: Cell::new(0),
            busy: Cell::new(false),
            irqs_enabled: Cell::new(false),
            irqs_at: Cell::new(0),
            on_again: Cell::new((0, 0)),
            memory: Memory::new(),
        }
    }

    /// It holds none from now on.
    pub fn init(&self) {
        self.depth.set(0);
        self.chain.set(0);
        self.busy.set(false);
    }

    /// How many locks it holds, those taken under one nest lock being one.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    #[inline]
    pub(crate) fn held(&self, index: usize) -> Held {
        Held {
            instance: self.instances[index].get(),
            hold: self.holds[1 + index].get(),
        }
    }

    #[inline]
    pub(crate) fn set_held(&self, index: usize, held: Held) {
        self.instances[index].set(held.instance);
        self.holds[1 + index].set(held.hold);
    }

    /// The nest lock of the one at `index`.
    pub(crate) fn nest(&self, index: usize) -> Option<Lock> {
        self.nests[index].get().filter(|_| self.held(index).nested)
    }

    #[inline]
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = Held> + '_ {
        let instances = self.instances[..self.depth()].iter();
        let held = instances.zip(&self.holds[1..]);
        held.map(|(instance, hold)| Held {
            instance: instance.get(),
            hold: hold.get(),
        })
    }

    /// How they are held.
    #[inline]
    pub(crate) fn holds(&self) -> impl Iterator<Item = Hold> + '_ {
        self.holds[1..][..self.depth()].iter().map(Cell::get)
    }

    #[inline]
    pub(crate) fn top(&self) -> Option<Held> {
        self.all().next_back()
    }

    #[inline]
    pub(crate) fn chain(&self) -> u64 {
        self.chain.get()
    }

    /// Pushes a lock, with which the chain has this key.
    #[inline]
    pub(crate) fn push(&self, held: Held, chain: u64) {
        self.set_held(self.depth(), held);
        self.depth.set(self.depth() + 1);
        self.chain.set(chain);
    }

    /// Pushes a lock that has this nest lock.
    pub(crate) fn push_nested(&self, held: Held, nest: Option<Lock>, chain: u64) {
        if nest.is_some() {
            self.nests[self.depth()].set(nest);
        }
        self.push(held, chain);
    }

    /// Takes the lock at `instance` as one that it has taken before; false if it does not remember.
    #[inline(always)]
    pub(crate) fn take_again(&self, instance: usize, same: &Same, forgotten: usize) -> bool {
        let depth = self.depth();
        let Some(slot) = self.instances.get(depth) else {
            return false;
        };
        let (outer, hold) = (self.holds[depth].get().within, &self.holds[depth + 1]);
        let Some(taken) = self.memory.find(same, forgotten, self.chain(), outer) else {
            return false;
        };
        slot.set(instance);
        hold.set(taken.hold.get());
        self.depth.set(depth + 1);
        self.chain.set(taken.chain.get());
        true
    }

    /// Remembers a lock that is about to be pushed, since there is nothing new in it.
    pub(crate) fn remember(&self, same: &Same, forgotten: usize, hold: &Hold, chain: u64) {
        let outer = self.holds[self.depth()].get().within;
        self.memory.add(same, forgotten, outer, hold, chain);
    }

    /// The task is about to release the lock at `instance`; false if others were taken since then, or
    /// it was taken more than once: then it is for [`release`](crate::Engine::release).
    #[inline(always)]
    pub fn release_last(&self, instance: usize) -> bool {
        !self.is_busy() && self.pop(instance)
    }

    /// The same of a task that may be in the engine.
    #[inline(always)]
    pub(crate) fn pop(&self, instance: usize) -> bool {
        let top = self.depth().wrapping_sub(1);
        let is_last = self.instances.get(top).map(Cell::get) == Some(instance)
            && self.holds[1 + top].get().references <= 1;
        if is_last {
            self.cut(top);
        }
        is_last
    }

    /// Takes off the lock at `index` and those above, which stay to be read.
    #[inline(always)]
    pub(crate) fn cut(&self, index: usize) {
        self.chain.set(self.holds[1 + index].get().before);
        self.depth.set(index);
    }

    /// Interrupts are on from now on, or off, which they were not: since `ip`.
    #[inline(always)]
    pub fn set_irqs(&self, on: bool, ip: usize) {
        self.irqs_enabled.set(on);
        self.irqs_at.set(ip);
    }

    /// True if it holds what it held when interrupts were turned on last: a class of which a
    /// lock was held with them on stays one.
    #[inline(always)]
    pub fn is_on_again(&self) -> bool {
        self.on_again.get() == (self.depth(), self.chain())
    }

    /// There is nothing new in that interrupts are turned on.
    pub(crate) fn on_again(&self) {
        let mut contexts = self.holds().map(|hold| hold.within.context());
        let first = contexts.next();
        // Else the chain says nothing of those before another context.
        if contexts.all(|context| Some(context) == first) {
            self.on_again.set((self.depth(), self.chain()));
        }
    }

    /// True if it is in the engine, which does nothing for it then.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// Enters the engine, unless the task is in it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        (!self.busy.replace(true)).then(|| Inside(self))
    }
}

impl Default for Task {
    fn default() -> Self {
        Self::new()
    }
}

/// While it lives, the task's calls into the engine do nothing.
pub(crate) struct Inside<'a>(&'a Task);

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.busy.set(false);
    }
}
