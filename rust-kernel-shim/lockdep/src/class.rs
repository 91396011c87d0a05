// SPDX-License-Identifier: GPL-2.0-only
//! Lock classes, as far as they are read without the engine's lock.

use crate::{
    lock::{Lock, LD_LOCK_WAIT_OVERRIDE, LD_WAIT_INV, MAX_LOCKDEP_SUBCLASSES},
    usage::Marks,
};
use core::sync::atomic::{
    AtomicU16, AtomicU32, AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Classes there can be at one time.
pub(crate) const MAX_CLASSES: usize = 1 << 12;
const BUCKETS: usize = 1 << 12;

/// A class's place in the tables; 0 is none.
pub(crate) type Index = u16;

/// A class that was there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClassId {
    pub(crate) index: Index,
    /// No other class has or had it.
    pub(crate) serial: u32,
}

impl ClassId {
    pub(crate) const NONE: Self = Self {
        index: 0,
        serial: 0,
    };
}

/// A class. All but `key`, `serial` and `next` are set before it can be found.
pub(crate) struct Class {
    /// The key's address plus the subclass; 0 if there is no class here.
    key: AtomicUsize,
    world: AtomicU32,
    serial: AtomicU32,
    /// The next in its bucket.
    next: AtomicU16,
    marks: AtomicU8,
    subclass: AtomicU8,
    inner: AtomicU8,
    outer: AtomicU8,
    lock_type: AtomicU8,
}

/// The table of classes, and the way from a key to a class.
pub(crate) struct Classes {
    table: [Class; MAX_CLASSES],
    buckets: [AtomicU16; BUCKETS],
    /// No class was ever there or behind.
    end: AtomicU16,
    /// How often what tasks remember of classes was made wrong.
    forgotten: AtomicUsize,
}

fn bucket(key: usize, world: u32) -> usize {
    let hash = (key as u64 ^ u64::from(world) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 40) as usize % BUCKETS
}

impl Class {
    #[inline]
    pub(crate) fn id(&self, index: Index) -> ClassId {
        let serial = self.serial.load(Relaxed);
        ClassId { index, serial }
    }

    #[inline]
    pub(crate) fn key(&self) -> usize {
        // Pairs with the `Release` in `add()`: who has found a class by its key sees the rest.
        self.key.load(Acquire)
    }

    #[inline]
    pub(crate) fn world(&self) -> u32 {
        self.world.load(Relaxed)
    }

    pub(crate) fn subclass(&self) -> u8 {
        self.subclass.load(Relaxed)
    }

    #[inline]
    pub(crate) fn inner(&self) -> u8 {
        self.inner.load(Relaxed)
    }

    #[inline]
    pub(crate) fn outer(&self) -> u8 {
        match self.outer.load(Relaxed) {
            0 => self.inner(),
            outer => outer,
        }
    }

    /// What may be waited for inside a lock of the class, if no more than `limit` may outside.
    #[inline]
    pub(crate) fn limit_inside(&self, limit: u8) -> u8 {
        match self.inner() {
            LD_WAIT_INV => limit,
            inner if self.lock_type() == LD_LOCK_WAIT_OVERRIDE => inner,
            inner => limit.min(inner),
        }
    }

    #[inline]
    pub(crate) fn lock_type(&self) -> u8 {
        self.lock_type.load(Relaxed)
    }

    /// How it was used so far. Without the lock, what is missing is looked for again with it.
    #[inline]
    pub(crate) fn marks(&self) -> Marks {
        self.marks.load(Relaxed)
    }

    /// The caller holds the lock.
    pub(crate) fn add_mark(&self, mark: Marks) {
        self.marks.store(self.marks() | mark, Relaxed);
    }
}

impl Classes {
    pub(crate) const fn new() -> Self {
        Self {
            table: [const {
                Class {
                    key: AtomicUsize::new(0),
                    world: AtomicU32::new(0),
                    serial: AtomicU32::new(0),
                    next: AtomicU16::new(0),
                    marks: AtomicU8::new(0),
                    subclass: AtomicU8::new(0),
                    inner: AtomicU8::new(0),
                    outer: AtomicU8::new(0),
                    lock_type: AtomicU8::new(0),
                }
            }; MAX_CLASSES],
            buckets: [const { AtomicU16::new(0) }; BUCKETS],
            end: AtomicU16::new(0),
            forgotten: AtomicUsize::new(0),
        }
    }

    /// How often what tasks remember of classes was made wrong. Who uses a class that comes to the place
    /// of one that was forgotten has synchronised with who forgot that.
    #[inline]
    pub(crate) fn forgotten(&self) -> usize {
        self.forgotten.load(Relaxed)
    }

    /// What tasks remember is wrong. The caller holds the lock.
    pub(crate) fn forget(&self) {
        self.forgotten.store(self.forgotten() + 1, Relaxed);
    }

    #[inline]
    pub(crate) fn at(&self, index: Index) -> &Class {
        &self.table[usize::from(index)]
    }

    /// The class, if it is still there.
    #[inline]
    pub(crate) fn get(&self, id: ClassId) -> Option<&Class> {
        let class = self.at(id.index);
        (id != ClassId::NONE && class.id(id.index) == id).then_some(class)
    }

    /// Finds a class. Without the lock one that comes or goes meanwhile may be missed.
    #[inline]
    pub(crate) fn find(&self, key: usize, subclass: u8, world: u32) -> Option<Index> {
        let key = key.wrapping_add(subclass.into());
        // Pairs with the `Release` in `add()`.
        let mut index = self.buckets[bucket(key, world)].load(Acquire);
        while index != 0 {
            let class = self.at(index);
            if class.key() == key && class.world() == world {
                return Some(index);
            }
            index = class.next.load(Relaxed);
        }
        None
    }

    /// Adds a class at a free place. The caller holds the lock.
    pub(crate) fn add(&self, index: Index, serial: u32, lock: &Lock, subclass: u8, world: u32) {
        let key = lock.key.wrapping_add(subclass.into());
        let bucket = &self.buckets[bucket(key, world)];
        let class = self.at(index);
        self.end.fetch_max(index + 1, Relaxed);
        class.world.store(world, Relaxed);
        class.marks.store(0, Relaxed);
        class.subclass.store(subclass, Relaxed);
        class.inner.store(lock.inner, Relaxed);
        let outer = if fault!("outer") { 0 } else { lock.outer };
        class.outer.store(outer, Relaxed);
        class.lock_type.store(lock.lock_type, Relaxed);
        class.serial.store(serial, Relaxed);
        class.next.store(bucket.load(Relaxed), Relaxed);
        // Both pair with the `Acquire` loads in `find()`.
        class.key.store(key, Release);
        bucket.store(index, Release);
    }

    /// Removes a class. The caller holds the lock.
    pub(crate) fn remove(&self, index: Index) {
        let class = self.at(index);
        let mut link = &self.buckets[bucket(class.key(), class.world())];
        while link.load(Relaxed) != index {
            link = &self.at(link.load(Relaxed)).next;
        }
        link.store(class.next.load(Relaxed), Relaxed);
        class.key.store(0, Relaxed);
        class.serial.store(0, Relaxed);
        self.forget();
    }

    /// All that there are for which `f` is true. The caller holds the lock.
    pub(crate) fn all<'a>(
        &'a self,
        f: impl Fn(Index, &Class) -> bool + 'a,
    ) -> impl Iterator<Item = Index> + 'a {
        (1..self.end.load(Relaxed))
            .filter(move |index| self.at(*index).key() != 0 && f(*index, self.at(*index)))
    }

    /// The classes of a key, one for each subclass that was used.
    pub(crate) fn of_key(&self, key: usize, world: u32) -> impl Iterator<Item = Index> + '_ {
        (0..MAX_LOCKDEP_SUBCLASSES).filter_map(move |subclass| self.find(key, subclass, world))
    }
}
