// SPDX-License-Identifier: GPL-2.0-only
//! Fences that reach the same, as their driver has declared: a context, and what belongs to that.
//!
//! A context has many fences. So what they reach is an object once, of the context, which is known by
//! its address; and here are the numbers of its fences.

use core::mem::replace;
use kernel::bindings::debugobjects::{BTreeSet, HashTable};

/// What is known of a context.
#[derive(Default)]
struct Context {
    there: bool,
    fences: BTreeSet<u64>,
}

impl Context {
    fn is_over(&self) -> bool {
        !self.there && self.fences.is_empty()
    }
}

/// By their addresses.
static CONTEXTS: HashTable<usize, Context> = HashTable::new();

/// A fence reaches a context; true if that is new.
pub(super) fn begins(context: usize, number: u64) -> bool {
    CONTEXTS.with_entry(context, |context| {
        let known = replace(&mut context.there, true);
        if !known {
            // These are of one that was there before.
            context.fences.clear();
        }
        context.fences.insert(number);
        !known
    })
}

/// A fence has no record any more.
pub(super) fn ends(context: usize, number: u64) {
    change(context, |context| {
        context.fences.remove(&number);
    });
}

/// A context has gone. What belongs to it may go after it.
pub(super) fn gone(context: usize) {
    change(context, |context| context.there = false);
}

fn change(context: usize, change: impl FnOnce(&mut Context)) {
    let over = CONTEXTS.with(context, |context| {
        change(context);
        context.is_over()
    });
    if over == Some(true) {
        CONTEXTS.move_if(context, Context::is_over, drop);
    }
}

/// The fences that reach a context, the oldest first.
pub(super) fn fences(context: usize) -> BTreeSet<u64> {
    let fences = CONTEXTS.with(context, |context| context.fences.clone());
    fences.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::bindings::debugobjects::Vec;

    #[test]
    fn a_context_is_known_while_it_or_a_fence_is() {
        const CONTEXT: usize = usize::MAX - 1;
        let known = || CONTEXTS.with(CONTEXT, |_| ()).is_some();
        let all = || fences(CONTEXT).into_iter().collect::<Vec<_>>();
        assert!(begins(CONTEXT, 2) && !begins(CONTEXT, 1));
        assert_eq!(all(), [1, 2]);
        ends(CONTEXT, 1);
        gone(CONTEXT);
        assert_eq!(all(), [2]);
        // Another at the same address.
        assert!(begins(CONTEXT, 3));
        assert_eq!(all(), [3]);
        ends(CONTEXT, 3);
        ends(CONTEXT, 2);
        assert!(known());
        gone(CONTEXT);
        assert!(!known());
    }
}
