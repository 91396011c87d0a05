// SPDX-License-Identifier: GPL-2.0-only
//! The last step of shrinking.
//!
//! proptest leaves out commands first and simplifies the others then, after which more of them
//! may have become superfluous.

use super::call::Call;

/// The sequences that have one command less; those of callbacks and threads count too.
fn shorter(calls: &[Call]) -> Vec<Vec<Call>> {
    let mut all = Vec::new();
    for (n, call) in calls.iter().enumerate() {
        let mut without = calls.to_vec();
        without.remove(n);
        all.push(without);
        let inside: Vec<Call> = match call {
            Call::AddCallback(fence, cb, actions) => shorter(actions)
                .into_iter()
                .map(|actions| Call::AddCallback(*fence, *cb, actions))
                .collect(),
            Call::Thread(thread, waits) => (0..waits.len())
                .map(|n| {
                    let mut waits = waits.clone();
                    waits.remove(n);
                    Call::Thread(*thread, waits)
                })
                .collect(),
            _ => Vec::new(),
        };
        all.extend(inside.into_iter().map(|call| {
            let mut with = calls.to_vec();
            with[n] = call;
            with
        }));
    }
    all
}

/// Leaves out commands for as long as the sequence `fails`.
pub(crate) fn shrink(mut calls: Vec<Call>, fails: impl Fn(&[Call]) -> bool) -> Vec<Call> {
    while let Some(less) = shorter(&calls).into_iter().find(|calls| fails(calls)) {
        calls = less;
    }
    calls
}
