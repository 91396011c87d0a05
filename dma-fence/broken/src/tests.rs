// SPDX-License-Identifier: GPL-2.0-only
//! More drivers that break a rule, beside those of the pages, and some that only look like it.
//!
//! One table: by rule, the drivers, each of which is told whether to make its mistake, and words of
//! the report. A production kernel runs them without.

extern crate std;

mod active;
mod callbacks;
mod containers;
mod freed;
mod happened;
mod locks;
mod names;
mod nested;
mod pending;
mod refs;
mod resvs;
mod threads;
mod unload;
mod whole;

use crate::exporter::{job, Timeline};
use ::dma_fence::{
    bindings::dma_fence,
    testing::{expect_no_report, judge},
};
use kernel::{prelude::*, workqueue};

/// A test of each driver; of one with `in`, for each of these.
macro_rules! drivers {
    ($($rule:literal { $($file:ident::$name:ident $(in $list:expr)?, $($words:literal),+;)* })*) => {
        $($(drivers!(@test $name, $rule, [$($words),+], $file::$name, $($list)?);)*)*
    };
    (@test $name:ident, $rule:literal, $words:expr, $driver:path,) => {
        #[test]
        fn $name() {
            judge($rule, &$words, $driver);
        }
    };
    (@test $name:ident, $rule:literal, $words:expr, $driver:path, $list:expr) => {
        #[test]
        fn $name() {
            for case in $list {
                judge($rule, &$words, move |wrong| $driver(case, wrong));
            }
        }
    };
}

::dma_fence::mistakes! {
    "tests":
    nested::array_over_chains, "lock-order";
    nested::chain_over_a_chain, "lock-order";
    nested::child_under_its_parent, "lock-order";
    nested::container_over_its_member, "lock-order";
    nested::lock_that_the_interrupt_takes, "irq-lock-order";
    nested::names_under_a_lock;
    nested::timer_that_signals, "lock-order";
}

drivers! {
    "names-in-one-rcu-section" {
        names::used_after_its_section, "a name used after its";
    }
    "grace-period-before-free" {
        freed::context_or_data in freed::WAYS,
            "private data (by the pointer at +64) freed before a grace period";
        freed::name in freed::WAYS, "name freed before a grace period";
        freed::something_else_than_a_grace_period in freed::INSTEAD, "private data";
        freed::while_pending, "although the fence has not signalled";
        freed::string_that_was_not_asked_for in 1..20, "string of the private data";
        freed::name_before_this_one, "name freed although the fence has not";
        whole::fence_itself, "memory of the fence freed";
        whole::data_of_three_fences, "private data";
        whole::data_of_the_first_of_many, "although the fence has not signalled";
        whole::data_of_before_the_first_reference, "freed although the fence had not signalled";
    }
    "no-driver-data-after-signal" {
        names::event_after_the_signal, "the table of ops";
    }
    "nothing-after-remove" {
        callbacks::left_behind_by_a_device, "the device of importer is gone while its callback is pending, fence";
    }
    "unload-after-detach" {
        callbacks::left_behind_by_a_module, "while its callback is pending";
        callbacks::release_op_of_a_module,
            "is unloaded while a fence can call into it", "the op release of a module";
    }
    "signal-eventually" {
        pending::for_two_minutes, "pending for 121 seconds";
        pending::for_long_and_shared, "pending for 1000 seconds";
        pending::beside_one_that_is_shared_later, "pending for 121 seconds";
        pending::at_a_timeout, "pending for";
        pending::dropped_by_all, "released without a signal";
        pending::at_the_end, "no task is left";
        pending::for_a_waiter, "the tasks that are left are blocked";
    }
    "error-before-signal" {
        names::number_that_is_no_error in names::ERRORS, "expected one of -4095..-1";
        names::error_after_a_poll, "set after the signal";
    }
    "callback-atomic" {
        callbacks::that_sleeps, "a callback sleeps";
        callbacks::that_takes_the_lock, "a callback takes the lock";
        callbacks::that_signals_another, "a callback takes the lock of fence";
        callbacks::that_drops_the_last_reference, "drops the last reference";
        callbacks::enable_signaling_that_sleeps, "the op enable_signaling sleeps";
        callbacks::set_deadline_that_sleeps, "the op set_deadline sleeps";
    }
    "callback-once" {
        callbacks::never_added, "never added";
        callbacks::freed_while_pending, "freed while it is pending";
        callbacks::on_two_fences, "that is pending on fence";
    }
    "compare-same-context" {
        names::later_of_two_contexts in names::COMPARES, "of another context";
    }
    "no-nested-containers" {
        containers::node_in_an_array, "which is a container";
        containers::node_in_a_node, "which is a container";
    }
    "resv-reserve-first" {
        resvs::never_reserved, "no slot is reserved";
        resvs::more_than_was_reserved, "no slot is reserved";
    }
    "refcount" {
        refs::freed in refs::CALLS, "of a fence that was freed";
        refs::released in refs::OF_RELEASED, "of a fence whose last reference was dropped";
        refs::never_initialised, "dma_fence_put() of ";
        refs::none, "dma_fence_is_container() without a fence";
    }
    "reference-left" {
        refs::left_by_its_issuer, "1 of 1 references left at the end";
        refs::left_in_a_loop, "1 of 2 references left at the end";
    }
    "active-object-freed" {
        active::queued_work, "work item freed while it is queued";
        active::delayed, "timer freed while it is armed";
    }
    "rcu-no-sleep" {
        names::copied_with_memory_that_sleeps, "inside an RCU read-side";
    }
    "irq-lock-order" {
        locks::shared_with_interrupts_on, "inconsistent lock state";
    }
    "lock-order" {
        locks::of_two_timelines, "possible recursive locking";
    }
}

/// A test of each driver, which breaks no rule although it may look so.
macro_rules! right {
    ($($file:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() {
            expect_no_report($file::$name);
        })*
    };
}

right! {
    active::work_that_was_run;
    callbacks::fence_in_memory_of_another;
    callbacks::set_deadline_that_takes_the_lock;
    containers::arrays_in_a_chain;
    resvs::in_the_place_of_others;
    callbacks::signaled_that_drops_a_reference;
    freed::no_string_behind_private_data;
    refs::fences_that_are_there;
    names::asked_without_checks;
    names::memory_of_a_name_that_is_another_string;
    whole::lock_that_goes_with_its_fence;
    whole::lock_that_goes_after_the_last_reference;
    whole::fences_of_before;
    whole::fences_that_are_freed_without_a_last_put;
    whole::memory_that_a_callback_is_linked_to;
    whole::memory_that_was_never_written;
}

/// Deeper than what is known of callbacks in callbacks: each that is known is reported once.
#[test]
fn nested_deeply() {
    let (reports, end) = kernel::testing::report::reports_of(callbacks::nested_deeply);
    assert_eq!(end, Ok(Ok(())));
    let known = if cfg!(feature = "debug") { 16 } else { 0 };
    assert_eq!(reports.len(), known, "{reports:#?}");
    for report in reports.iter() {
        let nested = report.text.contains("a callback takes the lock of fence");
        assert!(nested && report.rule == "callback-atomic", "{report:#?}");
    }
}

/// What is known of the callbacks of a machine is over with it.
#[test]
#[cfg(feature = "debug")]
fn a_callback_may_be_added_again_in_another_machine() {
    for _ in 0..2 {
        let (reports, end) = kernel::testing::report::reports_of(callbacks::pending_at_the_end);
        assert_eq!(end, Ok(Ok(())));
        let of_callbacks = |rule: &str| rule == "callback-once";
        assert!(
            reports.iter().all(|report| !of_callbacks(report.rule)),
            "{reports:#?}"
        );
    }
}

#[test]
#[cfg(feature = "debug")]
fn what_frees_a_fence_is_named() {
    let (reports, _) = kernel::testing::report::reports_of(refs::freed_by_its_driver);
    let freed = |text: &str| text.contains("\n  freed at dma-fence/broken/src/exporter.rs:");
    assert!(
        reports.iter().any(|report| freed(&report.text)),
        "{reports:#?}"
    );
}

/// A fence that was not created where it is used.
fn elsewhere(timeline: *mut Timeline) -> Result<*mut dma_fence> {
    job(timeline, 1)
}

/// Another task of the same machine, which is not started where it is used.
fn task(body: unload::Task) {
    workqueue::system_unbound()
        .try_spawn(GFP_KERNEL, body)
        .unwrap();
}

#[test]
#[should_panic(expected = "left == right")]
#[cfg(feature = "debug")]
fn no_mistake_is_judged() {
    judge("callback-once", &["that is pending"], |_| Ok(()));
}

#[test]
#[should_panic(expected = "never added")]
#[cfg(feature = "debug")]
fn another_mistake_is_judged() {
    judge(
        "callback-once",
        &["that is pending"],
        callbacks::never_added,
    );
}

#[test]
#[cfg(feature = "debug")]
fn a_name_that_was_asked_for_is_shown() {
    let wrong = || names::used_after_its_section(true).unwrap();
    let (reports, _) = kernel::testing::report::reports_of(wrong);
    assert!(reports[0].text.contains(":1 (?:ring0)\n"), "{reports:?}");
}
