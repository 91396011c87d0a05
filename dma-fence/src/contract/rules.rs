// SPDX-License-Identifier: GPL-2.0-only
//! The rules, by their names.

use super::named;
use kernel::bindings::rule::{Rule, Words};

/// The subject of the rules.
static FENCE: Words = Words {
    subsystem: "dma-fence",
    object: "fence",
    created: "fence created",
    names: named::write,
};

/// The way in which a rule is kept.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Kept {
    /// Code that breaks it does not compile.
    ByType,
    /// A check reports code that breaks it, on any run.
    ByCheck(&'static Check),
}

/// A check of a rule, with its counts.
pub struct Check(pub(super) &'static Rule);

impl Check {
    /// Returns how often it has checked something.
    pub fn looked(&self) -> usize {
        self.0.looked()
    }

    /// Returns how often it has found the rule broken.
    pub fn broken(&self) -> usize {
        self.0.broken()
    }
}

/// A rule of the contract.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ContractRule {
    /// Its name; its page is `Documentation/rules/NAME.rst`.
    pub name: &'static str,
    /// The rule in one sentence.
    pub statement: &'static str,
    /// The way in which it is kept.
    pub kept: Kept,
}

macro_rules! rules {
    ($($(#[$kind:ident])? $name:ident = $text:literal: $statement:literal;)*) => {
        $(rules!(@static $($kind)? $name = $text);)*

        /// The rules of the contract, those of the patch first.
        pub const RULES: &[ContractRule] = &[$(ContractRule {
            name: $text,
            statement: $statement,
            kept: rules!(@kept $($kind)? $name),
        }),*];
    };
    (@static by_type $name:ident = $text:literal) => {};
    (@static kernel $name:ident = $text:literal) => {};
    (@static $name:ident = $text:literal) => {
        pub(crate) static $name: Rule = Rule::new($text).about(&FENCE);
    };
    (@kept by_type $name:ident) => { Kept::ByType };
    (@kept kernel $name:ident) => { Kept::ByCheck(&Check(&kernel::bindings::$name)) };
    (@kept $name:ident) => { Kept::ByCheck(&Check(&$name)) };
}

rules! {
    NAMES_IN_ONE_RCU_SECTION = "names-in-one-rcu-section":
        "The names of a driver and a timeline are asked for and used within one RCU read-side section.";
    GRACE_PERIOD_BEFORE_FREE = "grace-period-before-free":
        "A grace period passes between signalling a fence and freeing anything that its ops can reach.";
    NO_DRIVER_DATA_AFTER_SIGNAL = "no-driver-data-after-signal":
        "Once a fence has signalled, nothing outside of the fence itself is touched.";
    UNLOAD_AFTER_DETACH = "unload-after-detach":
        "The text of a module outlives every call that a fence could still make into it.";
    EXTERN_LOCK_OUTLIVES = "extern-lock-outlives":
        "A lock that fences share lives as long as every fence that names it.";
    #[by_type]
    SIGNAL_ONCE = "signal-once": "A fence is signalled once.";
    SIGNAL_EVENTUALLY = "signal-eventually":
        "Every published fence is signalled, in bounded time.";
    ERROR_BEFORE_SIGNAL = "error-before-signal":
        "An error is set before the fence signals, and is one of -4095..-1.";
    RELEASE_SIGNALLED = "release-signalled":
        "The last reference is not dropped while callbacks are pending.";
    CALLBACK_ATOMIC = "callback-atomic":
        "Callbacks and ops neither sleep, nor come back to the lock that they are called under.";
    CALLBACK_ONCE = "callback-once":
        "A callback is on one fence at a time, and only what was added is removed.";
    SIGNALED_MONOTONIC = "signaled-monotonic":
        "Once the signaled op has said yes, it says yes whenever it is asked.";
    NOT_BEFORE_DONE = "not-before-done":
        "A fence signals without an error only once its hardware has got there.";
    CONTEXT_ORDER = "context-order":
        "The fences of a context signal in the order of their numbers.";
    SIGNALLING_SECTION = "signalling-section":
        "What it takes to signal a fence waits for nothing that may wait for a fence.";
    COMPARE_SAME_CONTEXT = "compare-same-context":
        "Fences are compared only with fences of their own context.";
    NO_NESTED_CONTAINERS = "no-nested-containers":
        "An array contains neither an array nor a node of a chain, and a node of a chain no node.";
    RESV_RESERVE_FIRST = "resv-reserve-first":
        "A fence is added to a reservation object in a slot that was reserved since its lock was taken.";
    #[by_type]
    NO_ALLOC_AT_SUBMIT = "no-alloc-at-submit":
        "Memory for fences and callbacks is taken before the point of no return.";
    #[by_type]
    NO_OPS_IDENTITY = "no-ops-identity":
        "Fences are not told apart by their ops once they are published.";
    REFCOUNT = "refcount":
        "Nothing is done to a fence that was freed or never initialised, and no reference is taken or dropped that there is not.";
    REFERENCE_LEFT = "reference-left": "No reference to a fence is left at the end.";
    #[kernel]
    ACTIVE_OBJECT_FREED = "active-object-freed":
        "Memory that has a timer or a work item which is still to come is not freed.";
    #[kernel]
    NOTHING_AFTER_REMOVE = "nothing-after-remove":
        "Nothing that a driver has started is still to come once its module or its device has gone.";
    #[kernel]
    RCU_NO_SLEEP = "rcu-no-sleep": "No task sleeps inside an RCU read-side section.";
    #[kernel]
    LOCK_ORDER = "lock-order":
        "Locks of which one is taken while another is held are taken in that order everywhere.";
    #[kernel]
    IRQ_LOCK_ORDER = "irq-lock-order":
        "A lock that is taken in interrupts is held with interrupts off, and no lock is taken under it that is not.";
    #[kernel]
    LOCK_CONTEXT = "lock-context":
        "A lock is released by the task that has it, before its memory goes and before the task ends.";
}
