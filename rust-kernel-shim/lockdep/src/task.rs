// SPDX-License-Identifier: GPL-2.0-only
//! What the engine keeps of a task.

use crate::{
    again::{Below, Memory, Same},
    class::ClassId,
    Lock,
};
use core::cell::Cell;

/// Locks that one task can hold.
pub const MAX_LOCK_DEPTH: usize = 48;

/// A task's locks. Zero bytes are a task that holds none.
pub struct Task {
    held: [Cell<Held>; MAX_LOCK_DEPTH],
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
    memory: Memory,
}

/// A lock that is held, or about to be.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) class: ClassId,
    pub(crate) instance: usize,
    pub(crate) ip: usize,
    /// The key of the chain of those before it.
    pub(crate) before: u64,
    /// 0, or how often it was taken under its nest lock.
    pub(crate) references: u32,
    /// 0 exclusive, 1 shared, 2 shared and recursive.
    pub(crate) read: u8,
    /// What may be waited for inside.
    pub(crate) limit: u8,
    /// The context that it was taken in.
    pub(crate) context: u8,
    pub(crate) trylock: bool,
    pub(crate) check: bool,
    pub(crate) irqs_off: bool,
    /// It is waited for, and not held.
    pub(crate) sync: bool,
    /// It has a nest lock.
    pub(crate) nested: bool,
}

impl Held {
    pub(crate) const NONE: Self = Self {
        class: ClassId::NONE,
        instance: 0,
        ip: 0,
        before: 0,
        references: 0,
        read: 0,
        limit: 0,
        context: 0,
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
            held: [const { Cell::new(Held::NONE) }; MAX_LOCK_DEPTH],
            nests: [const { Cell::new(None) }; MAX_LOCK_DEPTH],
            depth: Cell::new(0),
            chain: Cell::new(0),
            busy: Cell::new(false),
            irqs_enabled: Cell::new(false),
            irqs_at: Cell::new(0),
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
        self.held[index].get()
    }

    #[inline]
    pub(crate) fn set_held(&self, index: usize, held: Held) {
        self.held[index].set(held);
    }

    /// The nest lock of the one at `index`.
    pub(crate) fn nest(&self, index: usize) -> Option<Lock> {
        self.nests[index].get().filter(|_| self.held(index).nested)
    }

    #[inline]
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = Held> + '_ {
        self.held[..self.depth()].iter().map(Cell::get)
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

    /// What is taken now is taken inside this.
    #[inline]
    fn below(&self) -> Below {
        match self.depth().checked_sub(1) {
            Some(top) => (self.held(top).context, self.held(top).limit),
            None => (u8::MAX, 0),
        }
    }

    /// Takes the lock at `instance` as one that it has taken before; false if it does not remember.
    #[inline(always)]
    pub(crate) fn take_again(&self, instance: usize, same: &Same, forgotten: usize) -> bool {
        let known = self
            .memory
            .find(same, forgotten, self.chain(), self.below());
        match known {
            Some((held, chain)) if self.depth() < MAX_LOCK_DEPTH => {
                self.push(Held { instance, ..held }, chain);
                true
            }
            _ => false,
        }
    }

    /// Remembers a lock that is about to be pushed, since there is nothing new in it.
    pub(crate) fn remember(&self, same: &Same, forgotten: usize, held: &Held, chain: u64) {
        self.memory.add(same, forgotten, self.below(), held, chain);
    }

    /// The task is about to release the lock at `instance`; false if others were taken since then, or
    /// it was taken more than once: then it is for [`release`](crate::Engine::release).
    #[inline]
    pub fn release_last(&self, instance: usize) -> bool {
        !self.is_busy() && self.pop(instance)
    }

    /// The same of a task that may be in the engine.
    #[inline]
    pub(crate) fn pop(&self, instance: usize) -> bool {
        let top = self.depth().wrapping_sub(1);
        let last = self
            .held
            .get(top)
            .is_some_and(|held| held.get().instance == instance && held.get().references <= 1);
        if last {
            self.cut(top);
        }
        last
    }

    /// Takes off the lock at `index` and those above, which stay to be read.
    #[inline]
    pub(crate) fn cut(&self, index: usize) {
        self.chain.set(self.held(index).before);
        self.depth.set(index);
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
