// SPDX-License-Identifier: GPL-2.0-only
//! Commands of the language that are not there yet.
//!
//! They are known, so that a scenario which uses them is told that it is right
//! and the interpreter is not.

use super::{nested, threaded, top, Command, ANY};
use crate::{
    call::Call,
    outcome::{quote, refused, Outcome},
};

pub(crate) const COMMANDS: &[Command] = &[
    top(
        "array",
        (1, ANY),
        "NEW FENCE... [context=CONTEXT] [seqno=N]",
        not_yet,
    ),
    nested("array_first", (1, 1), "FENCE or NULL", not_yet),
    nested("array_next", (2, 2), "FENCE or NULL, INDEX", not_yet),
    nested("array_for_each", (1, 1), "FENCE or NULL", not_yet),
    nested("match_context", (2, 2), "FENCE CONTEXT", not_yet),
    nested("is_array", (1, 1), "FENCE", not_yet),
    nested("is_chain", (1, 1), "FENCE", not_yet),
    nested("is_container", (1, 1), "FENCE", not_yet),
    top("chain", (4, 4), "NEW PREVIOUS-or-NULL FENCE SEQNO", not_yet),
    nested("chain_walk", (1, 1), "FENCE", not_yet),
    nested("chain_for_each", (1, 1), "FENCE or NULL", not_yet),
    nested("chain_find_seqno", (2, 2), "FENCE SEQNO", not_yet),
    nested("chain_contained", (1, 1), "FENCE or NULL", not_yet),
    nested("chain_prev", (1, 1), "FENCE", not_yet),
    nested("chain_prev_seqno", (1, 1), "FENCE", not_yet),
    nested("unwrap_for_each", (1, 1), "FENCE or NULL", not_yet),
    top("unwrap_merge", (1, ANY), "NEW FENCE...", not_yet),
    top("dedup_array", (0, ANY), "FENCE...", not_yet),
    top("resv", (1, 1), "NEW", not_yet),
    top("resv_fini", (1, 1), "RESV", not_yet),
    top("resv_lock", (1, 1), "RESV", not_yet),
    top("resv_unlock", (1, 1), "RESV", not_yet),
    top("resv_reserve_fences", (2, 2), "RESV N", not_yet),
    top("resv_add_fence", (3, 3), "RESV FENCE USAGE", not_yet),
    top(
        "resv_replace_fences",
        (4, 4),
        "RESV CONTEXT FENCE USAGE",
        not_yet,
    ),
    top("resv_test_signaled", (2, 2), "RESV USAGE", not_yet),
    top("resv_for_each_fence", (2, 2), "RESV USAGE", not_yet),
    top(
        "resv_for_each_fence_unlocked",
        (2, 2),
        "RESV USAGE",
        not_yet,
    ),
    top("resv_get_fences", (2, 2), "RESV USAGE", not_yet),
    top("resv_get_singleton", (3, 3), "NEW RESV USAGE", not_yet),
    threaded(
        "resv_wait_timeout",
        (3, 4),
        "RESV USAGE JIFFIES [intr]",
        not_yet,
    ),
    top(
        "resv_set_deadline",
        (3, 3),
        "RESV USAGE NANOSECONDS",
        not_yet,
    ),
    top("resv_copy_fences", (2, 2), "RESV RESV", not_yet),
];

fn not_yet(call: &Call<'_>) -> Outcome {
    Err(refused!(
        0,
        "not yet: {}; expected a command for single fences",
        quote(call.word(0))
    ))
}
