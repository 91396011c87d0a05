// SPDX-License-Identifier: GPL-2.0-only
//! Commands of the language that are not there yet.
//!
//! They are known, so that a scenario which uses them is told that it is right and the interpreter
//! is not.

use super::{threaded, top, Command};
use crate::{
    call::Call,
    outcome::{quote, refused, Outcome},
};

macro_rules! commands {
    ($($place:ident $name:literal $words:tt $usage:literal;)*) => {
        pub(crate) const COMMANDS: &[Command] = &[$($place($name, $words, $usage, not_yet)),*];
    };
}

commands! {
    top "resv" (1, 1) "NEW";
    top "resv_fini" (1, 1) "RESV";
    top "resv_lock" (1, 1) "RESV";
    top "resv_unlock" (1, 1) "RESV";
    top "resv_reserve_fences" (2, 2) "RESV N";
    top "resv_add_fence" (3, 3) "RESV FENCE USAGE";
    top "resv_replace_fences" (4, 4) "RESV CONTEXT FENCE USAGE";
    top "resv_test_signaled" (2, 2) "RESV USAGE";
    top "resv_for_each_fence" (2, 2) "RESV USAGE";
    top "resv_for_each_fence_unlocked" (2, 2) "RESV USAGE";
    top "resv_get_fences" (2, 2) "RESV USAGE";
    top "resv_get_singleton" (3, 3) "NEW RESV USAGE";
    threaded "resv_wait_timeout" (3, 4) "RESV USAGE JIFFIES [intr]";
    top "resv_set_deadline" (3, 3) "RESV USAGE NANOSECONDS";
    top "resv_copy_fences" (2, 2) "RESV RESV";
}

fn not_yet(call: &Call<'_>) -> Outcome {
    Err(refused!(
        0,
        "not yet: {}; expected a command for single fences",
        quote(call.word(0))
    ))
}
