// SPDX-License-Identifier: GPL-2.0-only
//! The elements, and the pipe through which they go back to where new ones come from.

use super::flavour::Flavour;
use crate::run::{Run, STEPS};
use kernel::bindings::callback_head;
use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::null_mut,
    sync::{
        atomic::{
            AtomicPtr, AtomicU32,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
        Mutex, PoisonError,
    },
};

/// How many grace periods an element waits for.
pub(super) const PIPE: u32 = STEPS as u32 - 1;

/// More than a writer can have in the pipe before it has to wait for callbacks.
const COUNT: usize = 10 * STEPS;

/// An element. Its memory stays: a reader that comes too late reads what it must not, but no
/// memory of others.
#[repr(C)]
pub(super) struct Element<F> {
    head: UnsafeCell<callback_head>,
    /// The [`Elements`] that it is one of.
    elements: *const (),
    flavour: PhantomData<F>,
    /// The grace periods since it was unpublished.
    pub(super) passed: AtomicU32,
    /// 1 from before it is published until it is free: a reader that finds 0 has followed a
    /// pointer to what was not ready, or is not there any more.
    pub(super) ready: AtomicU32,
}

/// All elements of a run.
pub(super) struct Elements<'a, F: Flavour> {
    pub(super) run: &'a Run,
    pub(super) flavour: &'a F,
    pub(super) published: AtomicPtr<Element<F>>,
    memory: Vec<Element<F>>,
    free: Mutex<Vec<*mut Element<F>>>,
}

// SAFETY: The thread that has taken an element from the list of free ones owns its head; the rest is atomic.
unsafe impl<F: Flavour> Send for Elements<'_, F> {}
// SAFETY: Likewise.
unsafe impl<F: Flavour> Sync for Elements<'_, F> {}

impl<'a, F: Flavour> Elements<'a, F> {
    pub(super) fn new(run: &'a Run, flavour: &'a F) -> Box<Self> {
        let mut elements = Box::new(Self {
            run,
            flavour,
            published: AtomicPtr::new(null_mut()),
            memory: Vec::with_capacity(COUNT),
            free: Mutex::default(),
        });
        let this: *const () = (&raw const *elements).cast();
        for _ in 0..COUNT {
            elements.memory.push(Element {
                head: UnsafeCell::new(callback_head {
                    next: null_mut(),
                    func: None,
                }),
                elements: this,
                flavour: PhantomData,
                passed: AtomicU32::new(0),
                ready: AtomicU32::new(0),
            });
        }
        let memory = elements.memory.as_mut_ptr();
        // SAFETY: There are so many.
        let free = (0..COUNT).map(|n| unsafe { memory.add(n) }).collect();
        elements.free = Mutex::new(free);
        elements
    }

    /// An element that is not used.
    pub(super) fn take(&self) -> Option<*mut Element<F>> {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    /// Publishes `element` in place of another, which is returned: null only at first.
    pub(super) fn publish(&self, element: *mut Element<F>) -> *mut Element<F> {
        if !element.is_null() {
            // SAFETY: Elements live as long as `self`.
            let element = unsafe { &*element };
            element.passed.store(0, Relaxed);
            if !self.run.busted("publish") {
                element.ready.store(1, Relaxed);
            }
        }
        // Pairs with the `Acquire` in the reader: what is published is ready.
        let old = self.published.swap(element, AcqRel);
        if !element.is_null() && self.run.busted("publish") {
            std::thread::yield_now();
            // SAFETY: As above.
            unsafe { &*element }.ready.store(1, Relaxed);
        }
        old
    }

    /// A grace period has passed for an unpublished element; true if it is free now.
    pub(super) fn passed(&self, element: *mut Element<F>) -> bool {
        // SAFETY: Elements live as long as `self`.
        let shared = unsafe { &*element };
        if shared.passed.fetch_add(1, Relaxed) + 1 < PIPE {
            return false;
        }
        shared.ready.store(0, Relaxed);
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(element);
        true
    }

    /// Has a callback carry the element through the rest of the pipe.
    pub(super) fn call(&self, element: *mut Element<F>) {
        // SAFETY: The element is the caller's, and lives until `drain()` has waited for it.
        unsafe { self.flavour.call((*element).head.get(), Some(called::<F>)) };
    }

    /// Waits for the callbacks; no thread uses elements any more.
    pub(super) fn drain(&self) {
        let last = self.publish(null_mut());
        if !last.is_null() {
            while !self.passed(last) {}
        }
        // A callback queues itself again as often as the pipe is long.
        for _ in 0..=PIPE {
            self.flavour.true_barrier();
        }
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        if free != COUNT {
            self.run
                .fail(|| format!("{} elements of {COUNT} never came back", COUNT - free));
        }
    }
}

/// # Safety
///
/// `head` is that of an element, of which the callback disposes.
unsafe extern "C" fn called<F: Flavour>(head: *mut callback_head) {
    let element: *mut Element<F> = head.cast();
    // SAFETY: The head is the element's first member, and `drain()` waits for the callback.
    let elements = unsafe { &*(*element).elements.cast::<Elements<'_, F>>() };
    if !elements.passed(element) {
        elements.call(element);
    }
}

/// The pointer that a reader follows.
pub(super) fn dereference<'a, F: Flavour>(elements: &'a Elements<'_, F>) -> Option<&'a Element<F>> {
    let element = elements.published.load(Acquire);
    // SAFETY: Elements live as long as `elements`.
    unsafe { element.as_ref() }
}
