// SPDX-License-Identifier: GPL-2.0-only
//! What a user of fences can do, one command each.
//!
//! A command is written as in the scenario language where that has it, so that a sequence that
//! was found can be put to the kernel.

use std::fmt;

/// Fences that a sequence can have at a time, besides the shared stub.
pub(crate) const SLOTS: usize = 4;
/// The place of the shared stub.
pub(crate) const STUB: Slot = SLOTS;
/// Callbacks.
pub(crate) const CALLBACKS: usize = 4;
/// Threads besides the first task.
pub(crate) const THREADS: usize = 3;
/// Locks that fences can share.
pub(crate) const LOCKS: usize = 2;
/// The contexts; one is larger than what a trace event shows.
pub(crate) const CONTEXTS: [u64; 3] = [1, 2, 0x7_0000_0003];

/// The place of a fence.
pub(crate) type Slot = usize;

/// The name of the fence at a place.
pub(crate) fn name(slot: Slot) -> &'static str {
    ["a", "b", "c", "d", "stub"][slot]
}

/// What an `enable_signaling` op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnableOp {
    Agrees,
    Refuses,
    /// Sets an error and refuses.
    Fails(i32),
}

/// What a `wait` op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOp {
    Default,
    Fixed(i64),
}

/// What a fence is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) slot: Slot,
    /// A place in [`CONTEXTS`].
    pub(crate) context: usize,
    pub(crate) seqno: u64,
    pub(crate) seqno64: bool,
    pub(crate) lock: Option<usize>,
    pub(crate) enable_signaling: Option<EnableOp>,
    /// The op is there; the error that it sets before it says true.
    pub(crate) signaled: Option<Option<i32>>,
    pub(crate) wait: Option<WaitOp>,
    pub(crate) release: bool,
    pub(crate) set_deadline: bool,
}

/// The six ways to signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Plain,
    Locked,
    Timestamp(i64),
    TimestampLocked(i64),
    Check,
    CheckLocked,
}

/// A wait, with a timeout in jiffies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Forever(Slot, bool),
    Timeout(Slot, i64, bool),
    Default(Slot, i64, bool),
    Any(Vec<Slot>, i64, bool),
}

impl Wait {
    pub(crate) fn fences(&self) -> &[Slot] {
        match self {
            Self::Forever(fence, _) | Self::Timeout(fence, ..) | Self::Default(fence, ..) => {
                std::slice::from_ref(fence)
            }
            Self::Any(fences, ..) => fences,
        }
    }
}

/// A question that takes a fence and gives a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    TestSignaledFlag,
    IsSignaled,
    IsSignaledLocked,
    GetStatus,
    GetStatusLocked,
    Timestamp,
    DriverName,
    TimelineName,
    Describe,
    WasInitialized,
    LockHeld,
}

/// A comparison of two fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    IsLater,
    IsLaterOrSame,
    Later,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Init(Box<Spec>),
    PrivateStub(Slot, i64),
    GetStub,
    Get(Slot),
    GetRcu(Slot),
    Put(Slot),
    /// Drops a reference and asks for another in one read-side section.
    PutGetRcu(Slot),
    Signal(Signal, Slot),
    EnableSignaling(Slot),
    /// Adds the callback, which will run the commands.
    AddCallback(Slot, usize, Vec<Call>),
    RemoveCallback(Slot, usize),
    SetError(Slot, i32),
    Ask(Query, Slot),
    Compare(Order, Slot, Slot),
    /// `__dma_fence_is_later()`, with two numbers.
    CompareNumbers(Slot, u64, u64),
    SetDeadline(Slot, i64),
    Emit(Slot),
    /// From now on the signaled op says true, after that many times false.
    Complete(Slot, u32),
    Wait(Wait),
    /// Starts a thread that waits so, one after the other.
    Thread(usize, Vec<Wait>),
    Interrupt(usize),
    /// Allocates contexts twice: is the second lot behind the first?
    ContextAlloc(u32),
    /// The calls that take no fence for one: null, a callback without function, no context.
    Nothing(Nothing),
}

/// Calls that are given nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    GetPut,
    Signal,
    AddCallback,
    WaitAny,
    WasInitialized,
}

impl Call {
    /// The fences that must have a reference.
    pub(crate) fn fences(&self) -> Vec<Slot> {
        match self {
            Self::Init(_)
            | Self::PrivateStub(..)
            | Self::GetStub
            | Self::Interrupt(_)
            | Self::ContextAlloc(_)
            | Self::Nothing(_) => Vec::new(),
            Self::Get(f)
            | Self::GetRcu(f)
            | Self::Put(f)
            | Self::PutGetRcu(f)
            | Self::Signal(_, f)
            | Self::EnableSignaling(f)
            | Self::AddCallback(f, ..)
            | Self::RemoveCallback(f, _)
            | Self::SetError(f, _)
            | Self::Ask(_, f)
            | Self::CompareNumbers(f, ..)
            | Self::SetDeadline(f, _)
            | Self::Emit(f)
            | Self::Complete(f, _) => vec![*f],
            Self::Compare(_, f, g) => vec![*f, *g],
            Self::Wait(wait) => wait.fences().to_vec(),
            Self::Thread(_, waits) => waits.iter().flat_map(|w| w.fences().to_vec()).collect(),
        }
    }
}

fn intr(intr: bool) -> &'static str {
    if intr {
        " intr"
    } else {
        ""
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever(a, i) => write!(f, "wait {}{}", name(*a), intr(*i)),
            Self::Timeout(a, j, i) => write!(f, "wait_timeout {} {j}{}", name(*a), intr(*i)),
            Self::Default(a, j, i) => write!(f, "default_wait {} {j}{}", name(*a), intr(*i)),
            Self::Any(fences, j, i) => {
                write!(f, "wait_any_timeout {j}")?;
                for fence in fences {
                    write!(f, " {}", name(*fence))?;
                }
                f.write_str(intr(*i))
            }
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = name(self.slot);
        write!(f, "fence {slot} C{} {}", self.context, self.seqno)?;
        write!(f, " driver=drv-{slot} timeline=tl-{slot}")?;
        if self.seqno64 {
            f.write_str(" seqno64")?;
        }
        if let Some(lock) = self.lock {
            write!(f, " lock=L{lock}")?;
        }
        match self.enable_signaling {
            None => (),
            Some(EnableOp::Agrees) => f.write_str(" enable_signaling")?,
            Some(EnableOp::Refuses) => f.write_str(" enable_signaling=false")?,
            Some(EnableOp::Fails(error)) => write!(f, " enable_signaling={error}")?,
        }
        match self.signaled {
            None => (),
            Some(None) => f.write_str(" signaled")?,
            Some(Some(error)) => write!(f, " signaled={error}")?,
        }
        match self.wait {
            None => (),
            Some(WaitOp::Default) => f.write_str(" wait")?,
            Some(WaitOp::Fixed(value)) => write!(f, " wait={value}")?,
        }
        if self.release {
            f.write_str(" release")?;
        }
        if self.set_deadline {
            f.write_str(" set_deadline")?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(spec) => spec.fmt(f),
            Self::PrivateStub(a, ns) => write!(f, "allocate_private_stub {} {ns}", name(*a)),
            Self::GetStub => f.write_str("get_stub"),
            Self::Get(a) => write!(f, "get {}", name(*a)),
            Self::GetRcu(a) => write!(f, "get_rcu {}", name(*a)),
            Self::Put(a) => write!(f, "put {}", name(*a)),
            Self::PutGetRcu(a) => write!(f, "put_get_rcu {}", name(*a)),
            Self::Signal(how, a) => {
                let a = name(*a);
                match how {
                    Signal::Plain => write!(f, "signal {a}"),
                    Signal::Locked => write!(f, "signal_locked {a}"),
                    Signal::Timestamp(ns) => write!(f, "signal_timestamp {a} {ns}"),
                    Signal::TimestampLocked(ns) => write!(f, "signal_timestamp_locked {a} {ns}"),
                    Signal::Check => write!(f, "check_and_signal {a}"),
                    Signal::CheckLocked => write!(f, "check_and_signal_locked {a}"),
                }
            }
            Self::EnableSignaling(a) => write!(f, "enable_signaling {}", name(*a)),
            Self::AddCallback(a, cb, actions) => {
                write!(f, "add_callback {} c{cb}", name(*a))?;
                if !actions.is_empty() {
                    f.write_str(" {")?;
                    for action in actions {
                        write!(f, " {action};")?;
                    }
                    f.write_str(" }")?;
                }
                Ok(())
            }
            Self::RemoveCallback(a, cb) => write!(f, "remove_callback {} c{cb}", name(*a)),
            Self::SetError(a, error) => write!(f, "set_error {} {error}", name(*a)),
            Self::Ask(query, a) => {
                let query = match query {
                    Query::TestSignaledFlag => "test_signaled_flag",
                    Query::IsSignaled => "is_signaled",
                    Query::IsSignaledLocked => "is_signaled_locked",
                    Query::GetStatus => "get_status",
                    Query::GetStatusLocked => "get_status_locked",
                    Query::Timestamp => "timestamp",
                    Query::DriverName => "driver_name",
                    Query::TimelineName => "timeline_name",
                    Query::Describe => "describe",
                    Query::WasInitialized => "was_initialized",
                    Query::LockHeld => "lock_held",
                };
                write!(f, "{query} {}", name(*a))
            }
            Self::Compare(order, a, b) => {
                let order = match order {
                    Order::IsLater => "is_later",
                    Order::IsLaterOrSame => "is_later_or_same",
                    Order::Later => "later",
                };
                write!(f, "{order} {} {}", name(*a), name(*b))
            }
            Self::CompareNumbers(a, m, n) => write!(f, "__is_later {} {m} {n}", name(*a)),
            Self::SetDeadline(a, ns) => write!(f, "set_deadline {} {ns}", name(*a)),
            Self::Emit(a) => write!(f, "emit {}", name(*a)),
            Self::Complete(a, n) => write!(f, "complete {} {n}", name(*a)),
            Self::Wait(wait) => wait.fmt(f),
            Self::Thread(thread, waits) => {
                write!(f, "thread t{thread}")?;
                for (n, wait) in waits.iter().enumerate() {
                    write!(f, "{}{wait}", if n == 0 { " " } else { "; " })?;
                }
                Ok(())
            }
            Self::Interrupt(thread) => write!(f, "interrupt t{thread}"),
            Self::ContextAlloc(n) => write!(f, "context_alloc {n}"),
            Self::Nothing(what) => f.write_str(match what {
                Nothing::GetPut => "get NULL, put NULL",
                Nothing::Signal => "signal NULL",
                Nothing::AddCallback => "add_callback NULL",
                Nothing::WaitAny => "wait_any_timeout 5",
                Nothing::WasInitialized => "was_initialized NULL",
            }),
        }
    }
}
