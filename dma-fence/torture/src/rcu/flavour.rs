// SPDX-License-Identifier: GPL-2.0-only
//! The operations that are tortured: RCU's, SRCU's, and those that are wrong on purpose.

use crate::{interrupt::in_interrupt, run::Run};
use kernel::bindings::{self as c, callback_head, rcu_callback_t};
use std::{cell::UnsafeCell, mem::MaybeUninit};

/// What is tortured.
pub(super) trait Flavour: Sync {
    /// The kinds of sections that readers have.
    const KINDS: u8;
    /// Readers may sleep.
    const SLEEPS: bool;

    /// Runs `body` in a section of that kind.
    fn section(&self, kind: u8, body: &mut dyn FnMut());
    fn synchronize(&self);
    fn expedited(&self);
    /// # Safety
    ///
    /// As `call_rcu()`.
    unsafe fn call(&self, head: *mut callback_head, func: rcu_callback_t);
    fn barrier(&self);
    /// The barrier of a test's end, which waits in every variant.
    fn true_barrier(&self);
    fn get_state(&self) -> usize;
    fn start_poll(&self) -> usize;
    fn poll(&self, cookie: usize) -> bool;
    fn cond_synchronize(&self, cookie: usize);
}

/// What a busted variant leaves out.
#[derive(Clone, Copy)]
struct Busted {
    grace_period: bool,
    callback: bool,
    polled: bool,
    barrier: bool,
}

impl Busted {
    fn new(run: &Run) -> Self {
        Self {
            grace_period: run.busted("grace-period"),
            callback: run.busted("callback"),
            polled: run.busted("polled"),
            barrier: run.busted("barrier"),
        }
    }
}

/// RCU.
pub(super) struct Rcu {
    busted: Busted,
    /// Sections of these kinds are none.
    no_spinlock: bool,
    no_irq: bool,
}

impl Rcu {
    pub(super) fn new(run: &Run) -> Self {
        Self {
            busted: Busted::new(run),
            no_spinlock: run.busted("spinlock"),
            no_irq: run.busted("irq"),
        }
    }
}

impl Flavour for Rcu {
    const KINDS: u8 = 6;
    const SLEEPS: bool = false;

    fn section(&self, kind: u8, body: &mut dyn FnMut()) {
        match kind {
            0 | 1 => {
                let _guard = kernel::sync::rcu::read_lock();
                body();
            }
            2 => {
                // SAFETY: Enabled again by the same thread.
                unsafe { c::preempt_disable() };
                body();
                // SAFETY: Disabled above.
                unsafe { c::preempt_enable() };
            }
            3 if self.no_spinlock => body(),
            3 => {
                let lock = UnsafeCell::new(c::spinlock::new());
                // SAFETY: The lock lives here, and the same thread releases it.
                unsafe { c::spin_lock(lock.get()) };
                body();
                // SAFETY: Taken above.
                unsafe { c::spin_unlock(lock.get()) };
            }
            4 if self.no_irq => body(),
            4 => {
                // SAFETY: Restored by the same thread.
                let flags = unsafe { c::local_irq_save() };
                body();
                // SAFETY: Saved above.
                unsafe { c::local_irq_restore(flags) };
            }
            _ => in_interrupt(body),
        }
    }

    fn synchronize(&self) {
        if !self.busted.grace_period {
            kernel::sync::rcu::synchronize_rcu();
        }
    }

    fn expedited(&self) {
        if !self.busted.grace_period {
            // SAFETY: No section is open: the writers have none.
            unsafe { c::synchronize_rcu_expedited() };
        }
    }

    unsafe fn call(&self, head: *mut callback_head, func: rcu_callback_t) {
        match func {
            // SAFETY: The caller's guarantees are the same, but for readers, who see too much.
            Some(func) if self.busted.callback => unsafe { func(head) },
            // SAFETY: The caller's guarantees are the same.
            _ => unsafe { c::call_rcu(head, func) },
        }
    }

    fn barrier(&self) {
        if !self.busted.barrier {
            self.true_barrier();
        }
    }

    fn true_barrier(&self) {
        kernel::sync::rcu::rcu_barrier();
    }

    fn get_state(&self) -> usize {
        // SAFETY: From any context.
        unsafe { c::get_state_synchronize_rcu() }
    }

    fn start_poll(&self) -> usize {
        // SAFETY: From any context.
        unsafe { c::start_poll_synchronize_rcu() }
    }

    fn poll(&self, cookie: usize) -> bool {
        // SAFETY: From any context.
        self.busted.polled || unsafe { c::poll_state_synchronize_rcu(cookie) }
    }

    fn cond_synchronize(&self, cookie: usize) {
        if !self.busted.grace_period {
            // SAFETY: No section is open: the writers have none.
            unsafe { c::cond_synchronize_rcu(cookie) };
        }
    }
}

/// SRCU.
pub(super) struct Srcu {
    busted: Busted,
    domain: Box<UnsafeCell<MaybeUninit<c::srcu_struct>>>,
}

// SAFETY: SRCU does its own locking.
unsafe impl Sync for Srcu {}

impl Srcu {
    pub(super) fn new(run: &Run) -> Self {
        let domain = Box::new(UnsafeCell::new(MaybeUninit::uninit()));
        let this = Self {
            busted: Busted::new(run),
            domain,
        };
        // SAFETY: The memory is there, stays where it is, and no other thread knows it.
        let error = unsafe { c::init_srcu_struct(this.domain()) };
        assert_eq!(error, 0, "there is memory");
        this
    }

    fn domain(&self) -> *mut c::srcu_struct {
        self.domain.get().cast()
    }
}

impl Drop for Srcu {
    fn drop(&mut self) {
        // SAFETY: No reader is left, and `true_barrier()` has waited for the callbacks.
        unsafe { c::cleanup_srcu_struct(self.domain()) };
    }
}

impl Flavour for Srcu {
    const KINDS: u8 = 1;
    const SLEEPS: bool = true;

    fn section(&self, _kind: u8, body: &mut dyn FnMut()) {
        // SAFETY: The domain lives as long as `self`.
        let index = unsafe { c::srcu_read_lock(self.domain()) };
        body();
        // SAFETY: Begun above.
        unsafe { c::srcu_read_unlock(self.domain(), index) };
    }

    fn synchronize(&self) {
        if !self.busted.grace_period {
            // SAFETY: The writers have no section.
            unsafe { c::synchronize_srcu(self.domain()) };
        }
    }

    fn expedited(&self) {
        if !self.busted.grace_period {
            // SAFETY: The writers have no section.
            unsafe { c::synchronize_srcu_expedited(self.domain()) };
        }
    }

    unsafe fn call(&self, head: *mut callback_head, func: rcu_callback_t) {
        match func {
            // SAFETY: The caller's guarantees are the same, but for readers, who see too much.
            Some(func) if self.busted.callback => unsafe { func(head) },
            // SAFETY: The caller's guarantees are the same.
            _ => unsafe { c::call_srcu(self.domain(), head, func) },
        }
    }

    fn barrier(&self) {
        if !self.busted.barrier {
            self.true_barrier();
        }
    }

    fn true_barrier(&self) {
        // SAFETY: The domain lives as long as `self`.
        unsafe { c::srcu_barrier(self.domain()) };
    }

    fn get_state(&self) -> usize {
        // SAFETY: The domain lives as long as `self`.
        unsafe { c::get_state_synchronize_srcu(self.domain()) }
    }

    fn start_poll(&self) -> usize {
        // SAFETY: The domain lives as long as `self`.
        unsafe { c::start_poll_synchronize_srcu(self.domain()) }
    }

    fn poll(&self, cookie: usize) -> bool {
        // SAFETY: The domain lives as long as `self`.
        self.busted.polled || unsafe { c::poll_state_synchronize_srcu(self.domain(), cookie) }
    }

    fn cond_synchronize(&self, cookie: usize) {
        // SRCU has none.
        if !self.poll(cookie) {
            self.synchronize();
        }
    }
}
