// SPDX-License-Identifier: GPL-2.0-only
//! Models of RCU: every interleaving of two or three threads, and every order that the atomics allow;
//! `scripts/loom` runs them.
//!
//! They are of the fallback without `sys_membarrier`, where both barriers are fences: the checker
//! knows no other. An element is published, found by readers, replaced, and written to after a grace
//! period: a reader that still has it is found by the checker as one that reads meanwhile.

use super::{
    callback_head, gp, poll, rcu_access_pointer, rcu_assign_pointer, rcu_pointer, Callbacks,
};
use crate::globals;
use core::{
    ptr::{addr_of_mut, null_mut},
    sync::atomic::Ordering::Relaxed,
};
use loom::{
    cell::UnsafeCell,
    sync::{atomic::AtomicUsize, Arc},
    thread,
};
use machine::{
    cpu::{self, Count},
    task,
};

/// Two elements, one of which is published.
pub(super) struct Published {
    /// 0 or 1.
    current: AtomicUsize,
    elements: [UnsafeCell<usize>; 2],
}

impl Published {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            current: AtomicUsize::new(0),
            elements: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    /// What a reader does in its section.
    pub(super) fn read(&self) {
        // The other one is there from the beginning: the pointer needs no order.
        let found = self.current.load(Relaxed);
        // SAFETY: None writes to it while it may be found: this is what the checker checks.
        self.elements[found].with(|element| unsafe { *element });
    }

    pub(super) fn replace(&self) {
        self.current.store(1, Relaxed);
    }

    /// What an updater does after a grace period.
    pub(super) fn free(&self) {
        // SAFETY: No reader has it any more: this is what the checker checks.
        self.elements[0].with_mut(|element| unsafe { *element = 1 });
    }
}

fn read_section(published: &Published) {
    cpu::with(|cpu| cpu.enter(Count::Rcu, gp::current));
    published.read();
    cpu::with(|cpu| cpu.exit(Count::Rcu));
}

/// A reader is waited for, or sees what was published before: in its first section, and where the
/// updater sees no more of that than the second.
#[test]
fn a_grace_period_waits_for_readers() {
    loom::model(|| {
        let published = Published::new();
        let read = published.clone();
        let reader = thread::spawn(move || {
            read_section(&read);
            read_section(&read);
        });
        published.replace();
        gp::wait();
        published.free();
        reader.join().unwrap();
    });
}

/// A cookie covers what was done before it was taken, whoever has the grace period begin.
#[test]
fn a_cookie_covers_what_came_before() {
    loom::model(|| {
        let published = Published::new();
        let read = published.clone();
        let reader = thread::spawn(move || read_section(&read));
        let other = thread::spawn(gp::wait);
        published.replace();
        let cookie = poll::cookie();
        if globals::with(|globals| globals.progress.has_completed(cookie)) {
            published.free();
        }
        reader.join().unwrap();
        other.join().unwrap();
    });
}

/// What is published is seen initialised.
#[test]
fn what_is_published_is_initialised() {
    struct Shared {
        pointer: rcu_pointer<UnsafeCell<usize>>,
        element: UnsafeCell<usize>,
    }
    loom::model(|| {
        let shared = Arc::new(Shared {
            pointer: rcu_pointer::new(null_mut()),
            element: UnsafeCell::new(0),
        });
        let read = shared.clone();
        let reader = thread::spawn(move || {
            let found = rcu_access_pointer(&read.pointer);
            if !found.is_null() {
                // SAFETY: Published below, and never freed.
                unsafe { (*found).with(|element| assert_eq!(*element, 1)) };
            }
        });
        // SAFETY: Not published yet.
        shared.element.with_mut(|element| unsafe { *element = 1 });
        let element = core::ptr::from_ref(&shared.element).cast_mut();
        rcu_assign_pointer(&shared.pointer, element);
        reader.join().unwrap();
    });
}

#[repr(C)]
struct Object {
    head: callback_head,
    value: AtomicUsize,
}

/// # Safety
///
/// `head` is that of an [`Object`].
unsafe extern "C" fn called(head: *mut callback_head) {
    // SAFETY: The caller's guarantees are the same.
    let value = unsafe { &(*head.cast::<Object>()).value };
    value.store(value.load(Relaxed) + 1, Relaxed);
}

struct Module {
    callbacks: Callbacks,
    object: core::cell::UnsafeCell<Object>,
}

// SAFETY: The object is the callback's from when it is queued until it has returned.
unsafe impl Send for Module {}
// SAFETY: As for `Send`.
unsafe impl Sync for Module {}

#[repr(C)]
struct Frees {
    head: callback_head,
    freed: Arc<AtomicUsize>,
}

/// # Safety
///
/// `head` is that of a [`Frees`].
unsafe extern "C" fn frees(head: *mut callback_head) {
    // SAFETY: The caller's guarantees are the same.
    unsafe { &(*head.cast::<Frees>()).freed }.store(1, Relaxed);
}

struct Queue(Callbacks);

// SAFETY: What is queued may be called by the worker.
unsafe impl Send for Queue {}
// SAFETY: As for `Send`.
unsafe impl Sync for Queue {}

/// A callback is called when the readers have gone that were there when it was queued, whenever the
/// grace period before it has begun.
#[test]
fn a_callback_waits_for_readers() {
    loom::model(|| {
        let (published, queue) = (Published::new(), Arc::new(Queue(Callbacks::new())));
        let freed = Arc::new(AtomicUsize::new(0));
        let (read, frees_what, served) = (published.clone(), freed.clone(), queue.clone());
        let reader = thread::spawn(move || {
            cpu::with(|cpu| cpu.enter(Count::Rcu, gp::current));
            if read.current.load(Relaxed) == 0 {
                assert_eq!(frees_what.load(Relaxed), 0, "freed in a section");
            }
            cpu::with(|cpu| cpu.exit(Count::Rcu));
        });
        let worker = thread::spawn(move || {
            served.0.serve();
        });
        published.replace();
        let (next, func) = (null_mut(), None);
        let head = callback_head { next, func };
        let mut object = core::mem::MaybeUninit::new(Frees { head, freed });
        let object = object.as_mut_ptr();
        // SAFETY: The object lives until the callback has returned, if it is called at all.
        unsafe { queue.0.push(object.cast(), Some(frees)) };
        worker.join().unwrap();
        reader.join().unwrap();
        // SAFETY: It is not used any more.
        unsafe { object.drop_in_place() };
    });
}

/// An exit that finds no callback pending sees what they did, and may free what they use; a callback
/// sees what was written to its object before it was queued.
#[test]
fn an_exit_waits_for_callbacks() {
    loom::model(|| {
        let (next, func) = (null_mut(), None);
        let module = Arc::new(Module {
            callbacks: Callbacks::new(),
            object: core::cell::UnsafeCell::new(Object {
                head: callback_head { next, func },
                value: AtomicUsize::new(0),
            }),
        });
        let served = module.clone();
        let worker = thread::spawn(move || {
            while !served.callbacks.serve() {
                task::relax();
            }
        });
        let object = module.object.get();
        // SAFETY: The object lives until the callback has returned, and is not used meanwhile.
        unsafe {
            (*object).value.store(1, Relaxed);
            module
                .callbacks
                .push(addr_of_mut!((*object).head), Some(called));
        }
        while module.callbacks.pending() {
            task::relax();
        }
        // SAFETY: The callback has returned.
        assert_eq!(unsafe { &(*object).value }.load(Relaxed), 2);
        worker.join().unwrap();
    });
}

/// An exit waits for its callbacks, whatever becomes of those that others queue meanwhile.
#[test]
fn an_exit_waits_while_others_queue() {
    let mut model = loom::model::Builder::new();
    // It takes one to be called before its thread has gone on.
    model.preemption_bound = Some(2);
    model.check(|| {
        let queue = Arc::new(Queue(Callbacks::new()));
        let (next, func) = (null_mut(), None);
        let called = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut objects = called.each_ref().map(|freed| Frees {
            head: callback_head { next, func },
            freed: freed.clone(),
        });
        let [own, others] = objects
            .each_mut()
            .map(|object| core::ptr::from_mut(object).expose_provenance());
        let push = |queue: &Queue, object: usize| {
            let head = core::ptr::with_exposed_provenance_mut(object);
            // SAFETY: The object lives until the worker has called it.
            unsafe { queue.0.push(head, Some(frees)) };
        };
        let (served, until) = (queue.clone(), called.clone());
        let worker = thread::spawn(move || {
            while until.iter().any(|called| called.load(Relaxed) == 0) {
                if !served.0.serve() {
                    task::relax();
                }
            }
        });
        let queued = queue.clone();
        let other = thread::spawn(move || push(&queued, others));
        push(&queue, own);
        // The second condition alone is what is checked; the checker cannot wait for what never ends.
        while queue.0.pending() && called[0].load(Relaxed) == 0 {
            task::relax();
        }
        assert_eq!(called[0].load(Relaxed), 1, "not called");
        other.join().unwrap();
        worker.join().unwrap();
    });
}
