// SPDX-License-Identifier: GPL-2.0-only
//! An interrupt on this CPU, whenever a test wants one.

use kernel::bindings::{init_irq_work, irq_work, irq_work_queue, irq_work_sync};
use std::mem::MaybeUninit;

#[repr(C)]
struct Interrupt<'a> {
    work: MaybeUninit<irq_work>,
    handler: &'a mut dyn FnMut(),
}

/// # Safety
///
/// `work` is that of an [`Interrupt`].
unsafe extern "C" fn handle(work: *mut irq_work) {
    let interrupt: *mut Interrupt<'_> = work.cast();
    // SAFETY: It lives until `in_interrupt()` has waited for its end, and is not looked at meanwhile.
    unsafe { ((*interrupt).handler)() };
}

/// Runs `handler` in a hard interrupt, which comes at once. May sleep, with interrupts enabled.
pub(crate) fn in_interrupt(handler: &mut dyn FnMut()) {
    let mut interrupt = Interrupt {
        work: MaybeUninit::uninit(),
        handler,
    };
    let work = (&raw mut interrupt).cast();
    // SAFETY: `interrupt` lives until the end of its handler has been waited for.
    unsafe {
        init_irq_work(work, Some(handle));
        irq_work_queue(work);
        irq_work_sync(work);
    }
}
