// SPDX-License-Identifier: GPL-2.0-only
//! The lock validator: reports deadlocks that have not happened yet.
//!
//! C file: [`kernel/locking/lockdep.c`](srctree/kernel/locking/lockdep.c); the theory is that of
//! [`Documentation/locking/lockdep-design.rst`](srctree/Documentation/locking/lockdep-design.rst).
//!
//! # How it works
//!
//! Locks that are initialised in one place are of one class. The first time that a lock of class B
//! is taken while one of class A is held, an edge A → B is drawn. An edge remembers whether A was
//! held exclusively (E) or shared (S), and whether B was taken by a recursive reader (R) or not (N),
//! since a recursive reader waits for no other reader: a path is *strong*, and can be part of a
//! deadlock, if in it no R is followed by an S. A new edge that closes a strong circle is a deadlock
//! that some timing can bring about. So is a strong path from a class that is taken in interrupts to
//! one that is held with interrupts on; classes remember both as marks. Whole chains of held locks
//! that were found good are cached, so that nearly always an acquisition costs a look-up.
//!
//! # What it needs
//!
//! The kernel that it watches is a [`Host`]: it calls an [`Engine`] when a lock is taken, released,
//! initialised or freed, and when interrupts are turned on or off. The engine takes no lock but the
//! host's raw one, allocates nothing, and calls nothing but its `Host`. All its tables are of fixed
//! size, and a `static` of it is zero bytes, of which only those used are ever touched.
//!
//! A finding is a [`Report`], which can be written as the kernel would. Whether the engine goes on
//! after it is the host's choice: the edge that would close a circle is not drawn, and a lock stays
//! on the stack of those held.

#![no_std]
#![allow(non_camel_case_types, non_upper_case_globals)]

/// True if the engine is built with this mistake, which a test must find.
macro_rules! fault {
    ($name:literal) => {
        cfg!(lockdep_fault = $name)
    };
}

mod again;
mod chain;
mod class;
mod deadlock;
mod engine;
mod graph;
mod host;
mod irq;
mod lock;
mod registry;
mod render;
mod report;
mod search;
mod task;
mod usage;

pub use self::{
    again::Same,
    engine::{Acquire, Engine, Known},
    host::{Context, Host},
    lock::*,
    report::*,
    task::{Task, MAX_LOCK_DEPTH},
    usage::{Irq, Mark},
};
