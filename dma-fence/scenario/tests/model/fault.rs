// SPDX-License-Identifier: GPL-2.0-only
//! Faults that the model can be given, to see that they are found.

macro_rules! faults {
    ($($name:ident),* $(,)?) => {
        /// A fault of the model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($name),*
        }

        /// All of them.
        pub(crate) const FAULTS: [Fault; 20] = [$(Fault::$name),*];
    };
}

faults! {
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
    InterruptEndsEachWait,
    TimeoutLeavesSomething,
}
