// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes that drivers make: violations written by somebody who has read only the rules, and
//! not how they are checked.
//!
//! Each test has one driver, which is told whether to make its mistake. Without it, nothing may be
//! reported; with it, the rule of that name and no other.

#![cfg(feature = "debug")]

use ::dma_fence::{
    bindings::*, wait_any, Fence, FenceCallback, FenceCallbackRegistration, FenceContext,
    FenceContextOps,
};
use kernel::{
    bindings::{
        cpu_relax, kfree, kzalloc_obj, rcu_read_lock, rcu_read_unlock, synchronize_rcu, GFP_KERNEL,
    },
    ffi::c_char,
    prelude::{GFP_KERNEL as MAY_SLEEP, *},
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        new_mutex, new_spinlock, rcu, Arc, Mutex, SpinLock,
    },
    testing::{expect_report, insmod, trace, vcpu},
    time::{delay::fsleep, msecs_to_jiffies, Delta},
    workqueue,
};

/// Runs the driver without its mistake, which nobody may report, and with it, which breaks `rule`.
#[track_caller]
fn judge(rule: &str, driver: impl Fn(bool) + Sync) {
    assert_eq!(vcpu::fifo(|| driver(false)), Ok(()));
    expect_report(rule, || driver(true));
}

/// A ring of a driver in C, which its fences reach.
#[repr(C)]
struct Ring {
    lock: spinlock_t,
    context: u64,
    /// How many fences it has issued.
    issued: u64,
    /// The hardware's register: how far it has got.
    done: Atomic<u64>,
    name: [u8; 8],
}

impl Ring {
    fn new() -> *mut Self {
        // SAFETY: The memory is zeroed, which is a valid ring, and nobody else knows it.
        unsafe {
            let ring = kzalloc_obj::<Self>(GFP_KERNEL);
            assert!(!ring.is_null());
            (*ring).lock = spinlock_t::new();
            (*ring).context = dma_fence_context_alloc(1);
            (*ring).name = *b"render0\0";
            ring
        }
    }
}

/// A job on a [`Ring`].
#[repr(C)]
struct Job {
    base: dma_fence,
    ring: *mut Ring,
}

/// Which lock the fence of a job has.
#[derive(PartialEq)]
enum Lock {
    Own,
    OfTheRing,
}

/// The fence of a new job, with one reference, which is the caller's.
///
/// # Safety
///
/// `ring` is alive, used by no other thread, and stays until a grace period after the fence has
/// signalled; or, if the fence has its lock, as long as that.
#[track_caller]
unsafe fn issue(ring: *mut Ring, ops: &'static dma_fence_ops, lock: Lock) -> *mut dma_fence {
    // SAFETY: The memory is zeroed, and nobody else knows it; the rest is as required.
    unsafe {
        let job = kzalloc_obj::<Job>(GFP_KERNEL);
        assert!(!job.is_null());
        (*job).ring = ring;
        (*ring).issued += 1;
        let lock = match lock {
            Lock::Own => core::ptr::null_mut(),
            Lock::OfTheRing => &raw mut (*ring).lock,
        };
        let fence = &raw mut (*job).base;
        dma_fence_init64(fence, ops, lock, (*ring).context, (*ring).issued);
        fence
    }
}

/// # Safety
///
/// None; the type of an op asks for it.
unsafe extern "C" fn driver_name(_fence: *mut dma_fence) -> *const c_char {
    c"render".as_char_ptr()
}

/// # Safety
///
/// `fence` is that of a [`Job`], whose ring is alive.
unsafe extern "C" fn ring_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: By the safety requirements; the fence is the job's first member.
    unsafe { (&raw const (*(*fence.cast::<Job>()).ring).name).cast() }
}

/// Has the hardware got as far as this?
///
/// # Safety
///
/// `fence` is that of a [`Job`], whose ring is alive.
unsafe extern "C" fn is_done(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { (*(*fence.cast::<Job>()).ring).done.load(Relaxed) >= (*fence).seqno }
}

/// As [`is_done`], of a register that is cleared when it is read.
///
/// # Safety
///
/// `fence` is that of a [`Job`], whose ring is alive.
unsafe extern "C" fn is_done_and_clear(fence: *mut dma_fence) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { (*(*fence.cast::<Job>()).ring).done.xchg(0, Relaxed) >= (*fence).seqno }
}

/// # Safety
///
/// The last reference to `fence` is gone.
unsafe extern "C" fn release(fence: *mut dma_fence) {
    // SAFETY: A job comes from the allocator, and its fence is the first member.
    unsafe { dma_fence_free(fence) };
}

const NAMES: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(driver_name),
    get_timeline_name: Some(ring_name),
    enable_signaling: None,
    signaled: None,
    wait: None,
    release: None,
    set_deadline: None,
};

static PLAIN: dma_fence_ops = NAMES;

static POLLED: dma_fence_ops = dma_fence_ops {
    signaled: Some(is_done),
    ..NAMES
};

static POLLED_ONCE: dma_fence_ops = dma_fence_ops {
    signaled: Some(is_done_and_clear),
    ..NAMES
};

static RELEASED: dma_fence_ops = dma_fence_ops {
    release: Some(release),
    ..NAMES
};

/// The driver as a module, all of whose code is in this file.
struct Render;

impl kernel::Module for Render {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Render,
    name: "render",
    authors: ["The dma-fence authors"],
    description: "A driver that makes mistakes",
    license: "GPL",
}

/// A driver in safe code.
struct Display;

impl FenceContextOps for Display {
    type FenceDataType = ();
}

/// A timeline of the driver in safe code.
fn display() -> Arc<FenceContext<Display>> {
    let context = FenceContext::new(1, c"display", c"crtc0", Display);
    Arc::pin_init(context, MAY_SLEEP).unwrap()
}

/// The name of the driver, for messages; asks for it in a section of its own.
///
/// # Safety
///
/// The caller has a reference to `fence`, and is in a read-side section that lasts for `'a`.
unsafe fn name_for_messages<'a>(fence: *mut dma_fence) -> &'a CStr {
    // SAFETY: Sections nest; the caller's lasts.
    unsafe {
        rcu_read_lock();
        let name = CStr::from_char_ptr(dma_fence_driver_name(fence));
        rcu_read_unlock();
        name
    }
}

#[test]
fn prints_a_name_that_a_helper_brought_out_of_its_section() {
    judge("names-in-one-rcu-section", |wrong| {
        let ring = Ring::new();
        // SAFETY: The ring outlives the fence. If wrong, there is no section around the helper and
        // the use of what it gives; but that is static.
        unsafe {
            let fence = issue(ring, &PLAIN, Lock::Own);
            if wrong {
                pr_warn!("still waiting for {}\n", name_for_messages(fence));
            } else {
                rcu_read_lock();
                pr_warn!("still waiting for {}\n", name_for_messages(fence));
                rcu_read_unlock();
            }
            dma_fence_signal(fence);
            dma_fence_put(fence);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn waits_for_readers_and_then_cancels_its_jobs() {
    judge("grace-period-before-free", |wrong| {
        let ring = Ring::new();
        // SAFETY: If wrong, the ring goes before its time, but nobody looks at it any more.
        unsafe {
            let fence = issue(ring, &PLAIN, Lock::Own);
            // The driver goes: nothing is queued any more, and what is left is canceled.
            if wrong {
                synchronize_rcu();
            }
            dma_fence_set_error(fence, ECANCELED.to_errno());
            dma_fence_signal(fence);
            if !wrong {
                synchronize_rcu();
            }
            kfree(ring.cast());
            dma_fence_put(fence);
        }
    });
}

#[test]
fn traces_the_signal_itself_after_it() {
    judge("no-driver-data-after-signal", |wrong| {
        let _recording = [
            &__tracepoint_dma_fence_signaled,
            &__tracepoint_dma_fence_emit,
        ]
        .map(|event| trace::record(event).unwrap());
        let ring = Ring::new();
        // SAFETY: The ring outlives the fence, whose ops stay attached.
        unsafe {
            let fence = issue(ring, &RELEASED, Lock::Own);
            dma_fence_signal(fence);
            if wrong {
                trace_dma_fence_signaled(fence);
            } else {
                trace_dma_fence_emit(fence);
            }
            dma_fence_put(fence);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn is_unloaded_while_a_buffer_still_holds_its_fence() {
    judge("unload-after-detach", |wrong| {
        let module = insmod::<Render>().unwrap();
        let ring = Ring::new();
        // SAFETY: The ring outlives the fence. If wrong, its release is called when the module is
        // gone; but the code of this one stays.
        unsafe {
            let ops = if wrong { &RELEASED } else { &PLAIN };
            let fence = issue(ring, ops, Lock::Own);
            let in_the_buffer = dma_fence_get(fence);
            dma_fence_signal(fence);
            dma_fence_put(fence);
            drop(module);
            dma_fence_put(in_the_buffer);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn frees_the_ring_whose_lock_is_in_its_last_fence() {
    judge("extern-lock-outlives", |wrong| {
        let ring = Ring::new();
        // SAFETY: If wrong, the lock goes before its time, but nobody takes it any more.
        unsafe {
            let last = issue(ring, &PLAIN, Lock::OfTheRing);
            dma_fence_signal(last);
            // For the readers of its name.
            synchronize_rcu();
            if wrong {
                kfree(ring.cast());
                dma_fence_put(last);
            } else {
                dma_fence_put(last);
                kfree(ring.cast());
            }
        }
    });
}

#[test]
fn forces_completion_before_it_says_that_it_failed() {
    judge("error-before-signal", |wrong| {
        let ring = Ring::new();
        // SAFETY: The ring outlives the fence.
        unsafe {
            let fence = issue(ring, &POLLED, Lock::Own);
            // The GPU hangs. The reset writes the number that it did not reach.
            if wrong {
                (*ring).done.store((*fence).seqno, Relaxed);
            }
            // Meanwhile the compositor looks.
            dma_fence_is_signaled(fence);
            dma_fence_set_error(fence, EIO.to_errno());
            (*ring).done.store((*fence).seqno, Relaxed);
            dma_fence_signal(fence);
            dma_fence_put(fence);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn keeps_a_hung_job_until_somebody_has_read_its_dump() {
    judge("signal-eventually", |wrong| {
        let context = display();
        let job = context.new_fence_allocation(()).unwrap().new_fence();
        let shared: ARef<Fence> = job.as_fence().into();
        // The hardware hangs, which the watchdog notices.
        assert_eq!(shared.wait_timeout(msecs_to_jiffies(2000)), None);
        let read_dump = || fsleep(Delta::from_secs(20 * 60));
        if wrong {
            read_dump();
            job.signal(Err(EIO));
        } else {
            job.signal(Err(EIO));
            read_dump();
        }
        shared.wait();
    });
}

/// What counts finished jobs.
enum Finished {
    Slept(Arc<Mutex<u64>>),
    Spun(Arc<SpinLock<u64>>),
}

impl FenceCallback for Finished {
    fn on_signal(&mut self) {
        match self {
            Finished::Slept(count) => *count.lock() += 1,
            Finished::Spun(count) => *count.lock() += 1,
        }
    }
}

#[test]
fn counts_finished_jobs_under_a_mutex() {
    judge("callback-atomic", |wrong| {
        let context = display();
        let job = context.new_fence_allocation(()).unwrap().new_fence();
        let finished = if wrong {
            Finished::Slept(Arc::pin_init(new_mutex!(0), MAY_SLEEP).unwrap())
        } else {
            Finished::Spun(Arc::pin_init(new_spinlock!(0), MAY_SLEEP).unwrap())
        };
        let init = FenceCallbackRegistration::new(job.as_fence(), finished);
        let registration = KBox::try_pin_init(init, MAY_SLEEP);
        assert!(registration.is_ok());
        job.signal(Ok(()));
    });
}

/// A callback, and a fence that it may need.
#[repr(C)]
struct Dependency {
    cb: dma_fence_cb,
    fence: *mut dma_fence,
}

impl Dependency {
    fn on(fence: *mut dma_fence) -> *mut Self {
        // SAFETY: The memory is zeroed, which is a valid dependency, and nobody else knows it.
        unsafe {
            let dependency = kzalloc_obj::<Self>(GFP_KERNEL);
            assert!(!dependency.is_null());
            (*dependency).fence = fence;
            dependency
        }
    }
}

/// # Safety
///
/// None; the type of a callback asks for it.
unsafe extern "C" fn nothing(_fence: *mut dma_fence, _cb: *mut dma_fence_cb) {}

/// # Safety
///
/// `cb` is that of a [`Dependency`], which has a reference to its fence.
unsafe extern "C" fn put_dependency(_fence: *mut dma_fence, cb: *mut dma_fence_cb) {
    // SAFETY: By the safety requirements; the callback is the first member.
    unsafe { dma_fence_put((*cb.cast::<Dependency>()).fence) };
}

#[test]
fn drops_the_job_before_when_the_next_has_finished() {
    judge("callback-atomic", |wrong| {
        let ring = Ring::new();
        // SAFETY: The ring outlives the fences. Each reference is dropped once.
        unsafe {
            let before = issue(ring, &PLAIN, Lock::OfTheRing);
            let next = issue(ring, &PLAIN, Lock::OfTheRing);
            let dependency = Dependency::on(before);
            let func = if wrong { put_dependency } else { nothing };
            dma_fence_add_callback(next, &raw mut (*dependency).cb, Some(func));
            dma_fence_signal(before);
            dma_fence_signal(next);
            if !wrong {
                dma_fence_put(before);
            }
            kfree(dependency.cast());
            dma_fence_put(next);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn allocates_the_copy_of_a_name_inside_the_section() {
    judge("rcu-no-sleep", |wrong| {
        let context = display();
        let job = context.new_fence_allocation(()).unwrap().new_fence();
        let mut copy = KVec::with_capacity(32, MAY_SLEEP).unwrap();
        let guard = rcu::read_lock();
        let name = job.as_fence().timeline_name(&guard);
        if wrong {
            let copy = CString::try_from(name).unwrap();
            assert_eq!(&*copy, c"crtc0");
        } else {
            copy.extend_from_slice(name.to_bytes(), GFP_NOWAIT).unwrap();
            assert_eq!(&copy[..], b"crtc0");
        }
        drop(guard);
        job.signal(Ok(()));
    });
}

#[test]
fn removes_its_callback_from_the_fence_that_replaces_the_other() {
    judge("callback-once", |wrong| {
        let ring = Ring::new();
        // SAFETY: The ring outlives the fences, and these the callback. If wrong, the list of
        // the one is changed under the lock of the other; there is no other thread.
        unsafe {
            let (old, new) = (
                issue(ring, &PLAIN, Lock::Own),
                issue(ring, &PLAIN, Lock::Own),
            );
            let dependency = Dependency::on(old);
            let cb = &raw mut (*dependency).cb;
            dma_fence_add_callback(old, cb, Some(nothing));
            if !wrong {
                dma_fence_remove_callback((*dependency).fence, cb);
            }
            (*dependency).fence = new;
            if wrong {
                dma_fence_remove_callback((*dependency).fence, cb);
            }
            dma_fence_add_callback((*dependency).fence, cb, Some(nothing));
            for fence in [old, new] {
                dma_fence_signal(fence);
                dma_fence_put(fence);
            }
            kfree(dependency.cast());
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}

#[test]
fn polls_a_register_that_is_cleared_by_reading() {
    judge("signaled-monotonic", |wrong| {
        let ring = Ring::new();
        // SAFETY: The ring outlives the fence: who polls has finished before it goes.
        unsafe {
            let ops = if wrong { &POLLED_ONCE } else { &POLLED };
            let fence = issue(ring, ops, Lock::OfTheRing);
            let shared: ARef<Fence> = Fence::from_raw(fence).into();
            let poll = move || assert!(wait_any(&[&shared], 0).is_ok());
            workqueue::system().try_spawn(MAY_SLEEP, poll).unwrap();
            (*ring).done.store((*fence).seqno, Relaxed);
            // The interrupt handler looks as well, while the other waits for the lock.
            let flags = dma_fence_lock_irqsave(fence);
            cpu_relax();
            dma_fence_is_signaled_locked(fence);
            dma_fence_unlock_irqrestore(fence, flags);
            vcpu::settle();
            dma_fence_signal(fence);
            dma_fence_put(fence);
            synchronize_rcu();
            kfree(ring.cast());
        }
    });
}
