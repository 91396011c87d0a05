// SPDX-License-Identifier: GPL-2.0-only
//! The rules of the contract: what is tracked of each fence, and what each report says.
//!
//! The C mirror calls the functions of this room where something happens; each is one statement
//! there. They never call into a driver, and change nothing of what the core does. What they know
//! of a fence stands beside it, by its address (`record`); a fence that was made while nothing
//! was checked is unknown to them, and nothing is said of it.
//!
//! A production kernel has none of this (`off`); nor have builds that look for data races or weak
//! orderings, since the shadow's lock would order everything.
//!
//! | file | rules |
//! |---|---|
//! | `names` | names-in-one-rcu-section |
//! | `reach`, `freed` | grace-period-before-free, extern-lock-outlives |
//! | `ops` | no-driver-data-after-signal, unload-after-detach, callback-atomic |
//! | `state` | error-before-signal, compare-same-context, signaled-monotonic |
//! | `pending` | signal-eventually, release-signalled |
//! | `callback` | callback-once |

mod call;
pub(crate) mod rules;

pub(crate) use self::call::Call;

/// The modules of a kernel that checks the rules: those that the mirror calls, and what these need.
macro_rules! checks {
    (called [$($called:ident)*] own [$($own:ident)*]) => {
        $(#[cfg(all(feature = "debug", not(any(loom, tsan))))]
        mod $called;
        #[cfg(all(feature = "debug", not(any(loom, tsan))))]
        pub(crate) use self::$called::*;)*
        $(#[cfg(all(feature = "debug", not(any(loom, tsan))))]
        mod $own;)*
    };
}

checks! {
    called [callback life names ops pending reach state]
    own [freed record]
}

#[cfg(not(all(feature = "debug", not(any(loom, tsan)))))]
mod off;
#[cfg(not(all(feature = "debug", not(any(loom, tsan)))))]
pub(crate) use self::off::*;
