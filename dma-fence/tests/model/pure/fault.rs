// SPDX-License-Identifier: GPL-2.0-only
//! Faults that the model can be given, to see that they are found.

/// A fault of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    CallbacksLastInFirstOut,
    CallbacksRunTwice,
    LateErrorIgnored,
    TimelineNameIsDrivers,
    PutDestroysEarly,
    WaitPolls,
    AddPolls,
    OpsStayAttached,
    NumbersDoNotWrap,
    NamesAskedWhileAttached,
    SecondSignalMovesTimestamp,
    EnablesEachTime,
    RefusalIgnored,
    NoErrorOnRelease,
    WaitersFirstInFirstOut,
    DeadlineAfterSignal,
    PendingErrorIsStatus,
    DescribeAsksNamesFirst,
    InterruptBeatsSignal,
    TimeoutLeavesSomething,
}

/// All of them.
pub(crate) const FAULTS: [Fault; 20] = [
    Fault::CallbacksLastInFirstOut,
    Fault::CallbacksRunTwice,
    Fault::LateErrorIgnored,
    Fault::TimelineNameIsDrivers,
    Fault::PutDestroysEarly,
    Fault::WaitPolls,
    Fault::AddPolls,
    Fault::OpsStayAttached,
    Fault::NumbersDoNotWrap,
    Fault::NamesAskedWhileAttached,
    Fault::SecondSignalMovesTimestamp,
    Fault::EnablesEachTime,
    Fault::RefusalIgnored,
    Fault::NoErrorOnRelease,
    Fault::WaitersFirstInFirstOut,
    Fault::DeadlineAfterSignal,
    Fault::PendingErrorIsStatus,
    Fault::DescribeAsksNamesFirst,
    Fault::InterruptBeatsSignal,
    Fault::TimeoutLeavesSomething,
];
