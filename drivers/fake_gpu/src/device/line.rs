// SPDX-License-Identifier: GPL-2.0-only
//! The interrupt line, from the engines to the driver's handler.
#![forbid(unsafe_code)]

use kernel::{
    irq, new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        CondVar,
        SpinLockIrq, //
    },
};

/// A handler of a driver that can be connected to the line: something has happened, or not. Called in
/// hardirq context, maybe on several processors at once: that of a line of Linux is not entered again
/// while it runs.
pub trait Interrupt: irq::Handler + Send + 'static {}

struct Handler<H> {
    handler: Option<Arc<H>>,
    /// The number of calls of it that are running.
    running: u32,
}

/// The line, and the status register.
#[pin_data]
pub(super) struct Line<H: Interrupt> {
    status: Atomic<u32>,
    #[pin]
    handler: SpinLockIrq<Handler<H>>,
    #[pin]
    quiet: CondVar,
}

impl<H: Interrupt> Line<H> {
    pub(super) fn new() -> Result<Arc<Self>> {
        let handler = Handler {
            handler: None,
            running: 0,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                status: Atomic::new(0),
                handler <- new_spinlock_irq!(handler, "Line::handler"),
                quiet <- new_condvar!("Line::quiet"),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn connect(&self, handler: Option<Arc<H>>) {
        let before = core::mem::replace(&mut self.handler.lock().handler, handler);
        drop(before);
    }

    pub(super) fn synchronize(&self) {
        let mut handler = self.handler.lock();
        while handler.running > 0 {
            self.quiet.wait(&mut handler);
        }
    }

    pub(super) fn status(&self) -> u32 {
        self.status.load(Relaxed)
    }

    pub(super) fn acknowledge(&self, bits: u32) {
        self.change(|status| status & !bits);
    }

    /// An interrupt because of `bits`, maybe none. Called in hardirq context.
    pub(super) fn raise(&self, bits: u32) {
        self.change(|status| status | bits);
        let mut line = self.handler.lock();
        let Some(handler) = line.handler.clone() else {
            return;
        };
        line.running += 1;
        drop(line);
        // Whose interrupt it was is of no interest to the only one on the line.
        let _ = handler.handle();
        // Before the waiter is woken, whose reference is to be the last.
        drop(handler);
        let mut line = self.handler.lock();
        line.running -= 1;
        self.quiet.notify_all();
    }

    fn change(&self, new: impl Fn(u32) -> u32) {
        let mut status = self.status.load(Relaxed);
        // Full: what is raised comes before an acknowledgement that clears it, and what that one
        // looks at next comes after.
        while let Err(other) = self.status.cmpxchg(status, new(status), Full) {
            status = other;
        }
    }
}
