// SPDX-License-Identifier: GPL-2.0-only
//! Names are asked for and used within one RCU read-side section.

use super::{
    super::bindings::Live,
    record::{report_on, At, Subject},
    rules::NAMES_IN_ONE_RCU_SECTION,
};
use core::panic::Location;
use kernel::{
    bindings::{
        rcu_read_lock_held,
        rule::{checking, Place, Rule},
    },
    ffi::c_char,
};

fn in_a_section() -> bool {
    // SAFETY: It looks at this thread alone, and has no preconditions.
    unsafe { rcu_read_lock_held() != 0 }
}

/// A name is asked for.
#[inline(always)]
#[track_caller]
pub(super) fn names_in_one_rcu_section(fence: &Live) {
    Rule::count([&NAMES_IN_ONE_RCU_SECTION]);
    if !in_a_section() && checking() {
        outside(fence);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside(fence: &Live) {
    report_on(
        fence,
        &NAMES_IN_ONE_RCU_SECTION,
        format_args!("suspicious RCU usage: a name asked for outside of a read-side section"),
        [("name asked for", Place::Here(Location::caller()))],
    );
}

/// An op of a fence, which was created there, has returned a name, which may be used until the section
/// ends.
#[inline(always)]
#[track_caller]
#[cfg_attr(not(feature = "debug"), allow(unused_variables))]
pub(super) fn escapes((subject, created): (Subject, Option<At>), name: *const c_char) {
    if in_a_section() {
        #[cfg(feature = "debug")]
        kernel::bindings::debug_rcu_string(kernel::bindings::RcuString {
            addr: name.addr(),
            subject,
            created,
            asked: Location::caller(),
            rule: &NAMES_IN_ONE_RCU_SECTION,
        });
    }
}
