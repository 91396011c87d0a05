// SPDX-License-Identifier: GPL-2.0-only
//! Random commands. What stands first in a choice is what shrinking leads to.

use super::call::{
    Call, EnableOp, Nothing, Order, Query, Signal, Slot, Spec, Wait, WaitOp, CALLBACKS, CONTEXTS,
    LOCKS, SLOTS, STUB, THREADS,
};
use proptest::{
    bool::weighted, collection::vec, option, option::weighted as maybe, prelude::*, sample::select,
};

/// Numbers at which a comparison may go wrong.
const SEQNOS: [u64; 10] = [
    1,
    2,
    3,
    0,
    0x7fff_ffff,
    0x8000_0001,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0002,
    u64::MAX,
];

fn seqno() -> impl Strategy<Value = u64> {
    select(&SEQNOS)
}

fn fence() -> impl Strategy<Value = Slot> {
    // Most of them one of the first two, so that things meet.
    select(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, STUB])
}

fn callback() -> impl Strategy<Value = usize> {
    select(&[0, 0, 0, 0, 1, 1, 2, CALLBACKS - 1])
}

fn errno() -> impl Strategy<Value = i32> {
    select(&[-5, -62, -4095])
}

fn spec() -> impl Strategy<Value = Spec> {
    let numbers = (0..SLOTS, select(&[0, 0, 0, 1, 2]), seqno(), weighted(0.2));
    let enable = prop_oneof![
        2 => Just(EnableOp::Agrees),
        1 => Just(EnableOp::Refuses),
        1 => errno().prop_map(EnableOp::Fails),
    ];
    let wait = prop_oneof![
        2 => Just(WaitOp::Default),
        1 => select(&[0_i64, 7, -512]).prop_map(WaitOp::Fixed),
    ];
    let ops = (
        maybe(0.5, enable),
        maybe(0.4, option::of(errno())),
        maybe(0.2, wait),
        weighted(0.2),
        weighted(0.3),
    );
    (numbers, maybe(0.3, 0..LOCKS), ops).prop_map(|((slot, context, seqno, seqno64), lock, ops)| {
        assert!(context < CONTEXTS.len());
        let (enable_signaling, signaled, wait, release, set_deadline) = ops;
        Spec {
            slot,
            context,
            seqno,
            seqno64,
            lock,
            enable_signaling,
            signaled,
            wait,
            release,
            set_deadline,
        }
    })
}

fn signal() -> impl Strategy<Value = Call> {
    let how = prop_oneof![
        3 => Just(Signal::Plain),
        1 => Just(Signal::Locked),
        1 => (0_i64..100).prop_map(Signal::Timestamp),
        1 => (0_i64..100).prop_map(Signal::TimestampLocked),
        1 => Just(Signal::Check),
        1 => Just(Signal::CheckLocked),
    ];
    (how, fence()).prop_map(|(how, fence)| Call::Signal(how, fence))
}

fn ask() -> impl Strategy<Value = Call> {
    const QUERIES: [Query; 11] = [
        Query::TestSignaledFlag,
        Query::IsSignaled,
        Query::IsSignaledLocked,
        Query::GetStatus,
        Query::GetStatusLocked,
        Query::Timestamp,
        Query::DriverName,
        Query::TimelineName,
        Query::Describe,
        Query::WasInitialized,
        Query::LockHeld,
    ];
    (select(&QUERIES), fence()).prop_map(|(query, fence)| Call::Ask(query, fence))
}

fn compare() -> impl Strategy<Value = Call> {
    const ORDERS: [Order; 3] = [Order::IsLater, Order::IsLaterOrSame, Order::Later];
    prop_oneof![
        3 => (select(&ORDERS), fence(), fence()).prop_map(|(o, f, g)| Call::Compare(o, f, g)),
        1 => (fence(), seqno(), seqno()).prop_map(|(f, m, n)| Call::CompareNumbers(f, m, n)),
    ]
}

/// What may stand in a callback as well, but for [`add_callback`].
fn plain() -> impl Strategy<Value = Call> {
    let nothing = select(&[
        Nothing::GetPut,
        Nothing::Signal,
        Nothing::AddCallback,
        Nothing::WasInitialized,
    ]);
    prop_oneof![
        5 => signal(),
        4 => fence().prop_map(Call::Put),
        2 => fence().prop_map(Call::Get),
        2 => fence().prop_map(Call::EnableSignaling),
        3 => (fence(), callback()).prop_map(|(f, cb)| Call::RemoveCallback(f, cb)),
        2 => (fence(), select(&[-5, -62, 0, 1, -4095, -4096]))
            .prop_map(|(f, e)| Call::SetError(f, e)),
        8 => ask(),
        3 => compare(),
        2 => (fence(), 0..3_u32).prop_map(|(f, n)| Call::Complete(f, n)),
        2 => prop_oneof![
            3 => (fence(), 0_i64..100).prop_map(|(f, ns)| Call::SetDeadline(f, ns)),
            2 => fence().prop_map(Call::Emit),
            1 => fence().prop_map(Call::GetRcu),
            2 => fence().prop_map(Call::PutGetRcu),
            1 => nothing.prop_map(Call::Nothing),
            1 => (0..3_u32).prop_map(Call::ContextAlloc),
        ],
    ]
}

fn add_callback(depth: u32) -> BoxedStrategy<Call> {
    let action = if depth == 0 {
        plain().boxed()
    } else {
        prop_oneof![3 => plain(), 1 => add_callback(depth - 1)].boxed()
    };
    (fence(), callback(), vec(action, 0..3))
        .prop_map(|(f, cb, actions)| Call::AddCallback(f, cb, actions))
        .boxed()
}

fn wait() -> impl Strategy<Value = Wait> {
    let timeout = || select(&[0, 1, 5, 20, 1_000_000, -1]);
    let positive = select(&[0, 1, 5, 20]);
    prop_oneof![
        2 => (fence(), any::<bool>()).prop_map(|(f, intr)| Wait::Forever(f, intr)),
        4 => (fence(), timeout(), any::<bool>()).prop_map(|(f, j, i)| Wait::Timeout(f, j, i)),
        1 => (fence(), positive, any::<bool>()).prop_map(|(f, j, i)| Wait::Default(f, j, i)),
        3 => (vec(fence(), 0..4), timeout(), any::<bool>())
            .prop_map(|(fences, j, i)| Wait::Any(fences, j, i)),
    ]
}

fn thread() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => (0..THREADS, vec(wait(), 1..3)).prop_map(|(t, waits)| Call::Thread(t, waits)),
        1 => (0..THREADS).prop_map(Call::Interrupt),
    ]
}

/// A sequence: some fences first, then anything.
///
/// Threads cost the host much, so that few sequences have them.
pub(crate) fn calls() -> impl Strategy<Value = Vec<Call>> {
    let top = |threads: u32| {
        prop_oneof![
            20 => plain(),
            6 => add_callback(2),
            3 => spec().prop_map(|spec| Call::Init(Box::new(spec))),
            2 => wait().prop_map(Call::Wait),
            1 => prop_oneof![
                (0..SLOTS, 0_i64..100).prop_map(|(f, ns)| Call::PrivateStub(f, ns)),
                Just(Call::GetStub),
                Just(Call::Nothing(Nothing::WaitAny)),
            ],
            threads => thread(),
        ]
    };
    let alone = (vec(spec(), 1..4), vec(top(0), 0..36));
    let together = (vec(spec(), 1..4), vec(top(12), 0..36));
    prop_oneof![7 => alone, 1 => together].prop_map(|(specs, more)| {
        let first = specs.into_iter().enumerate().map(|(slot, spec)| {
            let spec = Spec { slot, ..spec };
            Call::Init(Box::new(spec))
        });
        first.chain(more).collect()
    })
}
