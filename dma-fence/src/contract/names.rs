// SPDX-License-Identifier: GPL-2.0-only
//! Names are asked for and used within one RCU read-side section.

use super::{super::bindings::Live, record::report_on, rules::NAMES_IN_ONE_RCU_SECTION, seen};
use core::panic::Location;
use kernel::{
    bindings::{rcu_read_lock_held, rule::Place},
    ffi::c_char,
};

fn in_a_section() -> bool {
    // SAFETY: It looks at this thread alone, and has no preconditions.
    unsafe { rcu_read_lock_held() != 0 }
}

/// A name is asked for.
#[track_caller]
pub(super) fn names_in_one_rcu_section(fence: &Live) {
    if NAMES_IN_ONE_RCU_SECTION.look() && !in_a_section() {
        report_on(
            fence,
            &NAMES_IN_ONE_RCU_SECTION,
            format_args!("suspicious RCU usage: a name asked for outside of a read-side section"),
            [("name asked for", Place::Here(Location::caller()))],
        );
    }
}

/// An op has returned a name, which may be used until the section ends.
#[track_caller]
#[cfg_attr(not(feature = "debug"), allow(unused_variables))]
pub(super) fn escapes(fence: *const Live, name: *const c_char) {
    if let (true, Some(seen)) = (in_a_section(), seen::of(fence)) {
        #[cfg(feature = "debug")]
        kernel::bindings::debug_rcu_string(kernel::bindings::RcuString {
            addr: name.addr(),
            subject: seen.subject,
            created: Some(seen.created),
            asked: Location::caller(),
            rule: &NAMES_IN_ONE_RCU_SECTION,
        });
    }
}
