// SPDX-License-Identifier: GPL-2.0-only
//! The implementation: the C mirror, in a machine of one processor.

mod ops;
mod probe;
mod state;
mod thread;
mod wait;

pub(crate) use probe::Probes;

use super::{
    call::{Call, Nothing, Signal, Slot, CALLBACKS, CONTEXTS, LOCKS, SLOTS, STUB, THREADS},
    user::{Answer, Core, Snapshot, Task, User},
};
use ::dma_fence::bindings::{self as c, dma_fence, dma_fence_cb, spinlock_t};
use core::{mem::MaybeUninit, ptr::null_mut};
use kernel::{
    bindings::{
        __spin_lock_init, kref_read, ktime_get, lock_class_key, rcu_read_lock, rcu_read_unlock,
    },
    str::CStrExt as _,
    testing::{vcpu, without_checks},
};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Owner = User<Mirror>;

thread_local! {
    /// The user on whose behalf the thread runs.
    static USER: RefCell<Option<Arc<Owner>>> = const { RefCell::new(None) };
}

/// The user on whose behalf this thread runs.
fn user() -> Option<Arc<Owner>> {
    USER.with_borrow(Clone::clone)
}

/// A callback in memory of its own.
#[repr(C)]
struct ScriptedCallback {
    // First, so that a callback is found from what the core knows of it.
    base: MaybeUninit<dma_fence_cb>,
    index: usize,
}

/// The class of all shared locks.
struct Class(MaybeUninit<lock_class_key>);

// SAFETY: Nobody reads or writes the key; its address is all that matters.
unsafe impl Sync for Class {}

static CLASS: Class = Class(MaybeUninit::uninit());

struct State {
    fences: [*mut dma_fence; SLOTS + 1],
    callbacks: [*mut ScriptedCallback; CALLBACKS],
    locks: [*mut spinlock_t; LOCKS],
    threads: [Option<thread::Thread>; THREADS],
    /// When the machine was started.
    start: i64,
}

// SAFETY: Fences, callbacks and locks may be used from any thread.
unsafe impl Send for State {}

/// The implementation.
///
/// # Invariants
///
/// A fence that the user takes for alive is; callbacks and locks live as long as this.
pub(crate) struct Mirror {
    state: Mutex<State>,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let state = self.state();
        for &cb in &state.callbacks {
            // SAFETY: From a box; all fences are gone.
            drop(unsafe { Box::from_raw(cb) });
        }
        for &lock in &state.locks {
            // SAFETY: As above.
            drop(unsafe { Box::from_raw(lock.cast::<MaybeUninit<spinlock_t>>()) });
        }
    }
}

/// Runs the commands, and gives what has happened.
pub(crate) fn run(calls: &[Call]) -> Result<String, vcpu::Stuck> {
    vcpu::fifo(|| {
        let user = Arc::new(User::new(Mirror::new()));
        USER.set(Some(Arc::clone(&user)));
        // The calls are random, and break rules.
        without_checks(|| user.run(calls));
        USER.set(None);
        user.transcript()
    })
    .inspect_err(|_| USER.set(None))
}

impl Mirror {
    fn new() -> Self {
        let locks = [(); LOCKS].map(|()| {
            let lock: *mut spinlock_t =
                Box::into_raw(Box::new(MaybeUninit::<spinlock_t>::zeroed())).cast();
            let class = core::ptr::from_ref(&CLASS.0).cast_mut().cast();
            // SAFETY: Memory for a lock; the name and the class are static.
            unsafe { __spin_lock_init(lock, c"shared".as_char_ptr(), class) };
            lock
        });
        let mut index = 0;
        let callbacks = [(); CALLBACKS].map(|()| {
            let base = MaybeUninit::zeroed();
            let callback = Box::into_raw(Box::new(ScriptedCallback { base, index }));
            index += 1;
            callback
        });
        let state = Mutex::new(State {
            fences: [null_mut(); SLOTS + 1],
            callbacks,
            locks,
            threads: Default::default(),
            // SAFETY: Nothing is asked for.
            start: unsafe { ktime_get() },
        });
        Self { state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fence(&self, slot: Slot) -> *mut dma_fence {
        self.state().fences[slot]
    }

    /// The place of the fence at this address.
    fn slot(&self, fence: *mut dma_fence) -> Option<Slot> {
        self.state().fences.iter().position(|&f| f == fence)
    }

    fn forget(&self, slot: Slot) {
        self.state().fences[slot] = null_mut();
    }

    /// Runs `f` with the lock held; takes it, unless that was done further up.
    fn locked<R>(&self, slot: Slot, f: impl FnOnce(*mut dma_fence) -> R) -> R {
        let fence = self.fence(slot);
        if self.lock_held(slot) {
            return f(fence);
        }
        // SAFETY: By the type invariant the fence is alive, and its lock is free.
        let flags = unsafe { c::dma_fence_lock_irqsave(fence) };
        let result = f(fence);
        // SAFETY: Taken above.
        unsafe { c::dma_fence_unlock_irqrestore(fence, flags) };
        result
    }

    fn signal(&self, how: Signal, slot: Slot) -> Answer {
        let fence = self.fence(slot);
        // SAFETY: The fence is alive, and its lock free where these take it.
        unsafe {
            match how {
                Signal::Plain => c::dma_fence_signal(fence),
                Signal::Timestamp(ns) => c::dma_fence_signal_timestamp(fence, ns),
                Signal::Check => return Answer::value(c::dma_fence_check_and_signal(fence)),
                Signal::Locked => self.locked(slot, |f| c::dma_fence_signal_locked(f)),
                Signal::TimestampLocked(ns) => {
                    self.locked(slot, |f| c::dma_fence_signal_timestamp_locked(f, ns));
                }
                Signal::CheckLocked => {
                    let signaled = self.locked(slot, |f| c::dma_fence_check_and_signal_locked(f));
                    return Answer::value(signaled);
                }
            }
        }
        Answer::done()
    }

    fn get_rcu(fence: *mut dma_fence) -> bool {
        // SAFETY: The caller has found the fence in a section that has not ended.
        let got = unsafe { c::dma_fence_get_rcu(fence) };
        !got.is_null()
    }

    fn put_get_rcu(&self, slot: Slot) -> bool {
        let mut fence = self.fence(slot);
        // SAFETY: The section keeps the memory, even if this was the last reference.
        unsafe {
            rcu_read_lock();
            c::dma_fence_put(fence);
            let got = Self::get_rcu(fence);
            if got {
                // From a slot that nobody changes: the same once more, and back.
                let safe = c::dma_fence_get_rcu_safe(&mut fence);
                c::dma_fence_put(safe);
            }
            rcu_read_unlock();
            got
        }
    }

    fn nothing(&self, what: Nothing) -> Answer {
        // SAFETY: These allow null.
        unsafe {
            match what {
                Nothing::GetPut => {
                    let null = c::dma_fence_get(null_mut());
                    c::dma_fence_put(null);
                    Answer::value(if null.is_null() { "NULL" } else { "a fence" })
                }
                Nothing::WasInitialized => Answer::value(c::dma_fence_was_initialized(null_mut())),
                Nothing::Signal => {
                    c::dma_fence_signal(null_mut());
                    Answer::done()
                }
                Nothing::AddCallback => {
                    let null = null_mut();
                    Answer::value(c::dma_fence_add_callback(
                        null,
                        null_mut(),
                        Some(ops::callback),
                    ))
                }
                Nothing::WaitAny => {
                    let (fences, idx) = (null_mut(), null_mut());
                    Answer::value(c::dma_fence_wait_any_timeout(fences, 0, false, 5, idx))
                }
            }
        }
    }

    fn init(&self, spec: &super::call::Spec) {
        let fence = ops::alloc(spec.slot);
        self.state().fences[spec.slot] = fence;
        let lock = spec
            .lock
            .map_or(null_mut(), |lock| self.state().locks[lock]);
        let init = if spec.seqno64 {
            c::dma_fence_init64
        } else {
            c::dma_fence_init
        };
        let context = CONTEXTS[spec.context];
        // SAFETY: Fresh memory; the ops are static, the lock outlives the fence.
        unsafe { init(fence, ops::table(spec), lock, context, spec.seqno) };
    }

    fn callback(&self, cb: usize) -> *mut dma_fence_cb {
        self.state().callbacks[cb].cast()
    }
}

impl Core for Mirror {
    fn call(&self, _user: &Owner, _task: Task, call: &Call) -> Answer {
        // SAFETY: The user keeps the rules: a fence that it names is alive, locks are free where
        // they are taken, a callback is added only while it is not pending.
        unsafe {
            match call {
                Call::Init(spec) => self.init(spec),
                Call::PrivateStub(slot, ns) => {
                    let fence = c::dma_fence_allocate_private_stub(*ns);
                    self.state().fences[*slot] = fence;
                }
                Call::GetStub => {
                    let stub = c::dma_fence_get_stub();
                    self.state().fences[STUB] = stub;
                }
                Call::Get(f) => {
                    let fence = self.fence(*f);
                    if c::dma_fence_get(fence) != fence {
                        return Answer::value("another");
                    }
                }
                Call::GetRcu(f) => {
                    rcu_read_lock();
                    let got = Self::get_rcu(self.fence(*f));
                    rcu_read_unlock();
                    return Answer::value(got);
                }
                Call::Put(f) => c::dma_fence_put(self.fence(*f)),
                Call::PutGetRcu(f) => return Answer::value(self.put_get_rcu(*f)),
                Call::Signal(how, f) => return self.signal(*how, *f),
                Call::EnableSignaling(f) => c::dma_fence_enable_signaling(self.fence(*f)),
                Call::AddCallback(f, cb, _) => {
                    let (fence, cb) = (self.fence(*f), self.callback(*cb));
                    let added = c::dma_fence_add_callback(fence, cb, Some(ops::callback));
                    return Answer::value(added);
                }
                Call::RemoveCallback(f, cb) => {
                    let (fence, cb) = (self.fence(*f), self.callback(*cb));
                    return Answer::value(c::dma_fence_remove_callback(fence, cb));
                }
                Call::SetError(f, error) => c::dma_fence_set_error(self.fence(*f), *error),
                Call::Ask(query, f) => return self.ask(*query, *f),
                Call::Compare(order, f, g) => return self.compare(*order, *f, *g),
                Call::CompareNumbers(f, m, n) => {
                    return Answer::value(c::__dma_fence_is_later(self.fence(*f), *m, *n));
                }
                Call::SetDeadline(f, ns) => c::dma_fence_set_deadline(self.fence(*f), *ns),
                Call::Emit(f) => {
                    rcu_read_lock();
                    c::trace_dma_fence_emit(self.fence(*f));
                    rcu_read_unlock();
                }
                Call::Wait(wait) => return self.wait(wait),
                Call::Interrupt(thread) => self.interrupt(*thread),
                Call::ContextAlloc(n) => {
                    // Others allocate as well, so that nothing more is certain.
                    let first = c::dma_fence_context_alloc(*n);
                    let second = c::dma_fence_context_alloc(1);
                    return Answer::value(first > 0 && second >= first + u64::from(*n));
                }
                Call::Nothing(what) => return self.nothing(*what),
                // The user's own.
                Call::Complete(..) | Call::Thread(..) => (),
            }
        }
        Answer::done()
    }

    fn snapshot(&self, slot: Slot) -> Snapshot {
        let fence = self.fence(slot);
        // SAFETY: The fence is alive.
        unsafe {
            Snapshot {
                flags: c::dma_fence_flags(fence),
                error: c::dma_fence_error(fence),
                attached: c::dma_fence_has_ops(fence),
                refs: kref_read(c::dma_fence_kref(fence)),
            }
        }
    }

    fn lock_held(&self, slot: Slot) -> bool {
        // The lock of the shared stub is taken by other machines as well.
        slot != STUB && ops::lock_held(self.fence(slot))
    }

    fn start(&self, _user: &Owner, thread: usize) {
        let started = thread::start(thread);
        self.state().threads[thread] = started;
    }

    fn settle(&self, _user: &Owner) {
        vcpu::settle();
    }
}
