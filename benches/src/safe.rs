// SPDX-License-Identifier: GPL-2.0-only
//! The operations by the safe API.

mod many;

pub(crate) use many::*;

use crate::measure::each;
use dma_fence::{
    DeadlineOp, DriverFence, Fence, FenceCallback, FenceCallbackRegistration, FenceContext,
    FenceContextOps, Ktime,
};
use kernel::{
    prelude::*,
    sync::{aref::ARef, rcu as krcu},
};
use std::{
    fmt::{self, Write as _},
    hint::black_box,
    sync::OnceLock,
};

pub(crate) struct Plain;

impl FenceContextOps for Plain {
    type FenceDataType = ();
}

struct WithDeadline;

impl FenceContextOps for WithDeadline {
    type FenceDataType = ();
    const SET_DEADLINE: Option<DeadlineOp<Self>> = Some(|_, deadline| {
        black_box(deadline.as_nanos());
    });
}

pub(crate) struct Nothing;

impl FenceCallback for Nothing {
    fn on_signal(&mut self) {}
}

pub(crate) type Context<T> = Pin<KBox<FenceContext<T>>>;

pub(crate) fn context<T: FenceContextOps>(ops: T) -> Context<T> {
    let context = FenceContext::new(1, c"bench", c"ring0", ops);
    KBox::pin_init(context, GFP_KERNEL).expect("a context")
}

pub(crate) fn make() -> DriverFence<'static, Plain> {
    static CONTEXT: OnceLock<Context<Plain>> = OnceLock::new();
    let context = CONTEXT.get_or_init(|| context(Plain));
    let room = context.new_fence_allocation(()).expect("memory");
    room.new_fence()
}

fn pending(body: impl FnOnce(&Fence) -> f64) -> f64 {
    let issuer = make();
    let took = body(issuer.as_fence());
    issuer.signal(Ok(()));
    took
}

fn signalled(body: impl FnOnce(&Fence) -> f64) -> f64 {
    let issuer = make();
    let fence: ARef<Fence> = issuer.as_fence().into();
    issuer.signal(Ok(()));
    body(&fence)
}

pub(crate) fn rcu(n: u64) -> f64 {
    each(n, |_| {
        let section = krcu::read_lock();
        black_box(&section);
    })
}

pub(crate) fn alloc_signal_put(n: u64) -> f64 {
    each(n, |_| make().signal(Ok(())))
}

pub(crate) fn alloc_signal_free(n: u64) -> f64 {
    each(n, |i| {
        make().signal(Ok(()));
        if i == n - 1 {
            krcu::rcu_barrier();
        }
    })
}

pub(crate) fn alloc_add_signal_put(n: u64) -> f64 {
    each(n, |_| {
        let issuer = make();
        let fence: ARef<Fence> = issuer.as_fence().into();
        pin_init::stack_try_pin_init!(let callback = FenceCallbackRegistration::new(&fence, Nothing));
        let callback = callback.ok().expect("a pending fence");
        issuer.signal(Ok(()));
        black_box(&callback);
    })
}

pub(crate) fn add_remove(n: u64) -> f64 {
    pending(|fence| {
        each(n, |_| {
            pin_init::stack_try_pin_init!(let callback = FenceCallbackRegistration::new(fence, Nothing));
            black_box(&callback.ok().expect("a pending fence"));
        })
    })
}

pub(crate) fn is_signaled_pending(n: u64) -> f64 {
    pending(|fence| {
        each(n, |_| {
            black_box(fence.is_signaled());
        })
    })
}

pub(crate) fn is_signaled(n: u64) -> f64 {
    signalled(|fence| {
        each(n, |_| {
            black_box(fence.is_signaled());
        })
    })
}

pub(crate) fn status(n: u64) -> f64 {
    signalled(|fence| {
        each(n, |_| {
            black_box(fence.status());
        })
    })
}

pub(crate) fn get_put(n: u64) -> f64 {
    pending(|fence| {
        each(n, |_| {
            let reference: ARef<Fence> = fence.into();
            black_box(&reference);
        })
    })
}

pub(crate) fn driver_name(n: u64) -> f64 {
    pending(|fence| {
        each(n, |_| {
            let section = krcu::read_lock();
            black_box(fence.driver_name(&section));
        })
    })
}

pub(crate) fn timeline_name(n: u64) -> f64 {
    pending(|fence| {
        each(n, |_| {
            let section = krcu::read_lock();
            black_box(fence.timeline_name(&section));
        })
    })
}

pub(crate) fn wait_signaled(n: u64) -> f64 {
    signalled(|fence| each(n, |_| fence.wait()))
}

/// What C has as a file of debugfs.
struct Buffer([u8; 256], usize);

impl fmt::Write for Buffer {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.1 + s.len();
        self.0[self.1..end].copy_from_slice(s.as_bytes());
        self.1 = end;
        Ok(())
    }
}

struct Described<'a>(&'a Fence);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        kernel::fmt::Display::fmt(&self.0.describe(), f)
    }
}

pub(crate) fn describe(n: u64) -> f64 {
    let mut buffer = Buffer([0; 256], 0);
    pending(|fence| {
        each(n, |_| {
            buffer.1 = 0;
            write!(buffer, "{}", Described(fence)).expect("it fits");
            black_box(&buffer.0);
        })
    })
}

pub(crate) fn deadline(n: u64) -> f64 {
    pending(|fence| each(n, |i| fence.set_deadline(Ktime::from_nanos(i as i64))))
}

pub(crate) fn deadline_op(n: u64) -> f64 {
    let context = context(WithDeadline);
    let room = context.new_fence_allocation(()).expect("memory");
    let issuer = room.new_fence();
    let took = each(n, |i| {
        issuer.as_fence().set_deadline(Ktime::from_nanos(i as i64));
    });
    issuer.signal(Ok(()));
    took
}
