// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that drivers on the C API have made and mended in public, each reduced to one function.
//!
//! A line that is to be named by what tells of the mistake ends with the word BUG.

mod locks;
mod memory;
mod order;
mod references;

extern crate std;

#[cfg(feature = "debug")]
use dma_fence::testing::Mistake;

dma_fence::mistakes! {
    "happened":
    locks::last_reference_of_a_pending_fence, "release-signalled";
    locks::memory_that_is_reclaimed_in_the_section, "signalling-section";
    locks::mutex_held_across_a_wait, "signalling-section";
    locks::mutex_in_a_callback, "callback-atomic";
    locks::signal_under_the_lock_of_the_fence, "lock-order";
    locks::wait_in_the_signalling_section, "signalling-section";
    memory::callback_that_frees_itself, "a callback sleeps";
    memory::freed_with_its_watchdog_armed, "active-object-freed";
    order::error_for_what_a_poll_has_signalled, "error-before-signal";
    order::null_for_an_error, "error-before-signal";
    order::slot_emptied_after_the_signal, "signal-eventually";
    order::timeout_that_turns_negative, "WARNING";
    order::two_orders_of_fence_locks, "a callback takes the lock of fence";
    references::chosen_before_it_was_replaced, "refcount";
    references::closed_while_its_callback_is_pending, "callback-once";
    references::got_after_the_push, "refcount";
    references::left_by_a_refused_request, "reference-left";
    references::left_on_an_error_path, "reference-left";
    references::lock_of_the_unplugged, "extern-lock-outlives";
    references::no_fence_attached, "WARNING";
    references::put_before_the_hardware_is_done, "signal-eventually";
    references::put_of_what_was_never_a_fence, "refcount";
    references::put_twice_by_a_poll, "refcount";
    // A second signal has no effect, and C allows it.
    order::recovered_after_it_was_retired;
    // What a result means to the caller of a driver's function is the driver's.
    order::time_left_for_an_error;
}

/// What is said of the misuses of locks, for `scripts/kernel-lane --misuses` to read.
#[test]
#[ignore = "prints, and expects nothing: run by scripts/kernel-lane --misuses"]
fn print_what_is_said_of_locks() {
    use kernel::testing::{console, report::reports_of};
    console::set_loglevel(0);
    for (name, driver) in locks::ALL {
        std::println!("@@ misuse {name}");
        let (reports, end) = reports_of(move || driver(true));
        for report in reports.iter() {
            std::println!("{}", report.text);
        }
        std::println!("@@ {}", if end.is_ok() { "ended" } else { "stuck" });
    }
}

/// What judges is judged.
#[cfg(feature = "debug")]
mod judge {
    use super::{order, Mistake};
    use kernel::error::Result;

    /// A driver that makes its mistake if it is told to, and another that does not.
    const MISTAKE: Mistake<fn(bool) -> Result> = Mistake {
        files: &[("happened/order.rs", include_str!("happened/order.rs"))],
        name: "null_for_an_error",
        driver: order::null_for_an_error,
    };

    #[test]
    #[should_panic(expected = "but there is this: []")]
    fn no_mistake_is_judged() {
        let driver: fn(bool) -> Result = |_| order::null_for_an_error(false);
        Mistake { driver, ..MISTAKE }.judge(Some("error-before-signal"));
    }

    #[test]
    #[should_panic(expected = "at a line that is marked")]
    fn another_line_is_judged() {
        let files = &[];
        Mistake { files, ..MISTAKE }.judge(Some("error-before-signal"));
    }

    #[test]
    #[should_panic(expected = "error-before-signal")]
    fn a_mistake_that_is_not_silent_is_judged() {
        MISTAKE.judge(None);
    }
}
