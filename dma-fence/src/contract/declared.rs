// SPDX-License-Identifier: GPL-2.0-only
//! Fences that reach the same, as their driver has declared: a context, and what belongs to that.
//!
//! A context has many fences. So what they reach is an object once, of the context, which is known by
//! its address; and here are its fences.

use super::record::{Id, Tracked};
use core::mem::replace;
use kernel::bindings::debugobjects::{HashTable, Vec};

/// What is known of a context.
#[derive(Default)]
struct Context {
    there: bool,
    /// In any order; each knows its place.
    fences: Vec<&'static Tracked>,
}

impl Context {
    fn is_over(&self) -> bool {
        !self.there && self.fences.is_empty()
    }
}

/// By their addresses.
static CONTEXTS: HashTable<usize, Context> = HashTable::new();

/// A fence reaches a context; true if that is new.
pub(super) fn begins(context: usize, fence: Id) -> bool {
    CONTEXTS.with_entry(context, |context| {
        let known = replace(&mut context.there, true);
        if !known {
            // These are of one that was there before.
            context.fences.clear();
        }
        fence.facts().set_among_its_own(context.fences.len());
        context.fences.push(fence.place());
        !known
    })
}

/// A fence has no record any more.
pub(super) fn ends(context: usize, fence: Id) {
    change(context, |context| {
        let place = fence.facts().among_its_own();
        if context.fences.get(place) == Some(&fence.place()) {
            context.fences.swap_remove(place);
            if let Some(moved) = context.fences.get(place) {
                moved.set_among_its_own(place);
            }
        }
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
        CONTEXTS.remove_if(context, Context::is_over);
    }
}

/// The fences that reach a context, the oldest first.
pub(super) fn fences(context: usize) -> Vec<Id> {
    // Their places are other fences' as soon as they are not among these.
    let fences = CONTEXTS.with(context, |context| {
        let fences = context.fences.iter().copied();
        fences.map(Id::of).collect()
    });
    let mut fences: Vec<_> = fences.unwrap_or_default();
    fences.sort_by_key(|fence| fence.number());
    fences
}

#[cfg(test)]
mod tests {
    use super::{super::record::of_a_test, *};
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use kernel::{
        alloc::flags::GFP_KERNEL,
        time::{delay::fsleep, Delta},
        workqueue,
    };

    #[test]
    fn a_context_is_known_while_it_or_a_fence_is() {
        const CONTEXT: usize = usize::MAX - 1;
        let known = || CONTEXTS.with(CONTEXT, |_| ()).is_some();
        let all = || -> Vec<_> { fences(CONTEXT).iter().map(|fence| fence.number()).collect() };
        let [one, two, three] = [1, 2, 3].map(of_a_test);
        assert!(begins(CONTEXT, two) && !begins(CONTEXT, one));
        assert_eq!(all(), [1, 2]);
        ends(CONTEXT, one);
        gone(CONTEXT);
        assert_eq!(all(), [2]);
        // Another at the same address.
        assert!(begins(CONTEXT, three));
        assert_eq!(all(), [3]);
        ends(CONTEXT, three);
        ends(CONTEXT, two);
        assert!(known());
        gone(CONTEXT);
        assert!(!known());
    }

    #[test]
    fn fences_end_in_any_order() {
        const CONTEXT: usize = usize::MAX - 2;
        let all = || -> Vec<_> { fences(CONTEXT).iter().map(|fence| fence.number()).collect() };
        let four = [11, 12, 13, 14].map(of_a_test);
        for fence in four {
            begins(CONTEXT, fence);
        }
        ends(CONTEXT, four[0]);
        assert_eq!(all(), [12, 13, 14]);
        ends(CONTEXT, four[3]);
        ends(CONTEXT, four[1]);
        assert_eq!(all(), [13]);
        ends(CONTEXT, four[2]);
        gone(CONTEXT);
        assert_eq!(all(), []);
    }

    /// As soon as a fence has left, its place may be that of any other.
    #[test]
    fn only_fences_of_the_context_are_found() {
        const CONTEXT: usize = usize::MAX - 3;
        const ROUNDS: usize = 20_000;
        static DONE: AtomicU32 = AtomicU32::new(0);
        static WRONG: AtomicU32 = AtomicU32::new(0);
        let look = || {
            while DONE.load(Relaxed) == 0 {
                let wrong = fences(CONTEXT).iter().any(|fence| fence.number() != 21);
                WRONG.fetch_add(wrong.into(), Relaxed);
            }
            DONE.store(2, Relaxed);
        };
        workqueue::system_unbound()
            .try_spawn(GFP_KERNEL, look)
            .unwrap();
        let fence = of_a_test(21);
        for _ in 0..ROUNDS {
            fence.place().is_of_a_test(21);
            begins(CONTEXT, fence);
            ends(CONTEXT, fence);
            fence.place().is_of_a_test(22);
        }
        DONE.store(1, Relaxed);
        while DONE.load(Relaxed) == 1 {
            fsleep(Delta::from_millis(1));
        }
        gone(CONTEXT);
        assert_eq!(WRONG.load(Relaxed), 0);
    }
}
