// SPDX-License-Identifier: GPL-2.0-only
//! Keys and classes come and go.

use crate::{
    class::ClassId,
    engine::{Engine, Now},
    graph::Full,
    lock::{lock_class_key, lockdep_map, Lock, Name, MAX_LOCKDEP_SUBCLASSES},
    report::{Finding, Text},
    task::Task,
    Host,
};

impl<H: Host> Engine<H> {
    /// C: `lockdep_init_map_type()`. Makes `map` that of a lock of another class; its wait types and
    /// its lock type stay.
    pub fn init_map(&self, map: &lockdep_map, name: Name, key: *mut lock_class_key, subclass: u8) {
        map.set(name, key, subclass);
        let lock = map.lock();
        self.inside(|now| {
            if name.addr() == 0 || key.is_null() {
                self.misuse(now, &lock, "it has no name, or no key");
            } else if subclass != 0 {
                self.class(now, &lock, subclass);
            }
        });
    }

    /// Finds the class of a lock, or registers it.
    pub(crate) fn class(&self, now: &Now<'_>, lock: &Lock, subclass: u8) -> Option<ClassId> {
        let subclass = if subclass == 0 {
            lock.subclass
        } else {
            subclass
        };
        if subclass >= MAX_LOCKDEP_SUBCLASSES {
            self.misuse(now, lock, "there is no such subclass");
            return None;
        }
        let world = self.host.world();
        let find = || {
            let index = self.classes.find(lock.key, subclass, world)?;
            Some(self.classes.at(index).id(index))
        };
        if let Some(class) = find() {
            return Some(class);
        }
        let mut graph = self.locked();
        if !self.host.is_static(lock.key) && graph.key_slot(lock.key).is_none() {
            drop(graph);
            self.misuse(now, lock, "its key is neither static nor registered");
            return None;
        }
        if let Some(class) = find() {
            return Some(class);
        }
        match graph.register(&self.classes, lock, subclass, world) {
            Ok(index) => Some(self.classes.at(index).id(index)),
            Err(Full(table)) => {
                self.report(graph, now, Finding::Full { table });
                None
            }
        }
    }

    /// C: `lockdep_register_key()`. There may be classes of a key in memory that will be freed.
    pub fn register_key(&self, key: usize) {
        let mut graph = self.locked();
        if graph.key_slot(key).is_some() {
            return;
        }
        match graph.key_slot(0) {
            Some(slot) => *slot = key,
            None => {
                drop(graph);
                self.inside(|now| self.full(now, "registered keys"));
            }
        }
    }

    /// C: `lockdep_unregister_key()`. Forgets a key and its classes.
    pub fn unregister_key(&self, key: usize) {
        if let Some(slot) = self.locked().key_slot(key) {
            *slot = 0;
        }
        self.free_key_range(key, MAX_LOCKDEP_SUBCLASSES.into());
    }

    /// C: `lockdep_free_key_range()`. Forgets the classes whose keys or names are there.
    pub fn free_key_range(&self, start: usize, size: usize) {
        let memory = start..start.saturating_add(size);
        let mut graph = self.locked();
        for index in self.classes.all(|_, _| true) {
            if memory.contains(&self.classes.at(index).key()) || graph.is_named_in(index, &memory) {
                graph.forget(&self.classes, index);
            }
        }
    }

    /// C: `lockdep_reset_lock()`. Forgets the classes of a key.
    pub fn reset_lock(&self, key: usize) {
        let mut graph = self.locked();
        for index in self.classes.of_key(key, self.host.world()) {
            graph.forget(&self.classes, index);
        }
    }

    /// Forgets the classes of a world.
    pub fn end_world(&self, world: u32) {
        let mut graph = self.locked();
        for index in self.classes.all(|_, class| class.world() == world) {
            graph.forget(&self.classes, index);
        }
    }

    /// C: `lockdep_reset()`. The task holds nothing, and no chain was seen; classes and edges stay.
    pub fn reset(&self) {
        self.host.with_task(Task::init);
        let _graph = self.locked();
        self.forget_chains();
    }

    /// What tasks remember of the locks that they have taken is wrong: it was decided otherwise what is
    /// looked at, or whether anything is.
    pub fn forget_taken(&self) {
        let _graph = self.locked();
        self.classes.forget();
    }

    /// All chains are looked at again. The caller holds the lock.
    pub(crate) fn forget_chains(&self) {
        self.chains.clear();
        self.classes.forget();
    }

    #[cold]
    fn misuse(&self, now: &Now<'_>, lock: &Lock, what: &'static str) {
        let name = Text::from_bytes(lock.name.bytes());
        self.report(self.locked(), now, Finding::Misuse { what, name });
    }
}
