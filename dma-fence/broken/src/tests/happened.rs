// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that drivers on the C API have made and mended in public, each reduced to one function.
//!
//! A line that is to be named by what tells of the mistake ends with the word BUG.

mod memory;
mod order;
mod references;

use dma_fence::testing::Mistake;

/// A test of each function: what tells of its mistake.
macro_rules! mistakes {
    ($($file:ident::$name:ident, $says:literal;)*) => {
        $(#[test]
        fn $name() {
            Mistake {
                file: concat!("tests/happened/", stringify!($file), ".rs"),
                source: include_str!(concat!("happened/", stringify!($file), ".rs")),
                driver: $file::$name,
            }
            .judge($says);
        })*
    };
}

mistakes! {
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
}

/// Mistakes that are none to a kernel: `what` says what no check can know.
macro_rules! silent {
    ($($what:literal: $file:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() {
            dma_fence::testing::expect_no_report(|| $file::$name(true));
            dma_fence::testing::expect_no_report(|| $file::$name(false));
        })*
    };
}

silent! {
    "a second signal has no effect, and C allows it": order::recovered_after_it_was_retired;
    "what a result means to the caller of a driver's function": order::time_left_for_an_error;
}
