// SPDX-License-Identifier: GPL-2.0-only
//! Tasks: threads of the host that can block, be woken, and be sent signals.

use super::{
    atomic::{fence, quiet},
    blocked::{self, Patience, Question, Thing},
    clock,
    cpu::{self, Cpu, Unusual},
    failed, fork, heap,
    lent::Lent,
    lock, oops,
    vcpu::{self, Vcpu},
};
use core::ffi::{c_int, c_uint, c_void};
use core::{
    cell::Cell,
    ptr,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    },
};
use std::{
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// C: `TASK_RUNNING`.
pub const TASK_RUNNING: c_uint = 0;
/// C: `TASK_INTERRUPTIBLE`.
pub const TASK_INTERRUPTIBLE: c_uint = 1;
/// C: `TASK_UNINTERRUPTIBLE`.
pub const TASK_UNINTERRUPTIBLE: c_uint = 2;
/// Not woken by signals, and nobody minds how long it sleeps: it has nothing to do.
pub const TASK_IDLE: c_uint = TASK_UNINTERRUPTIBLE | 0x400;
/// Added to another state: the task may be frozen while it sleeps; here no task ever is.
pub const TASK_FREEZABLE: c_uint = 0x2000;
/// The states from which `wake_up_process()` wakes.
pub const TASK_NORMAL: c_uint = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;

/// Bytes of a task's name, the final NUL included.
pub const TASK_COMM_LEN: usize = 16;

/// The function of a thread that [`spawn`] starts.
pub type ThreadFn = unsafe extern "C" fn(data: *mut c_void) -> c_int;

/// A task.
///
/// # Invariants
///
/// Others change `state` from a blocked state to [`TASK_RUNNING`] only under `token`, under which a
/// thread that is about to sleep looks at it; so no wake-up is lost.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct task_struct {
    /// Number of the task in its machine.
    pub pid: c_int,
    /// Number of the process: there is but one.
    pub tgid: c_int,
    comm: [u8; TASK_COMM_LEN],
    usage: AtomicU32,
    state: quiet::AtomicU32,
    signal: AtomicBool,
    allowed: AtomicBool,
    should_stop: AtomicBool,
    exit_code: AtomicI32,
    lifecycle: Mutex<Lifecycle>,
    ended: Condvar,
    token: Mutex<bool>,
    woken: Condvar,
    /// True while the thread waits for `woken`, and not only looks again and again; under `token`.
    asleep: AtomicBool,
    vcpu: Option<Arc<Vcpu>>,
    /// The reader word of the thread, for a virtual CPU that checks for quiescent states.
    reader: AtomicPtr<cpu::Reader>,
    question: Question,
    /// The thread that it has, if that is lent to its virtual CPU.
    lent: OnceLock<Arc<Lent>>,
}

/// The stage in a kernel thread's life.
#[derive(Clone, Copy, PartialEq)]
enum Lifecycle {
    /// Created, waits for its first wake-up.
    New,
    Started,
    Ended,
}

/// References that are more than there can be, unless some were forgotten.
const TOO_MANY: u32 = i32::MAX as u32;

/// Where a count of too many stays: as far from 0 as from `TOO_MANY`, so that references taken or
/// given back by others before they see it make no difference.
const SATURATED: u32 = 0xc000_0000;

static NEXT_PID: AtomicI32 = AtomicI32::new(1);

impl task_struct {
    fn new(name: &[u8], vcpu: Option<Arc<Vcpu>>, usage: u32, life: Lifecycle) -> *mut Self {
        fork::watch();
        oops::watch();
        let mut comm = [0; TASK_COMM_LEN];
        let len = name.len().min(TASK_COMM_LEN - 1);
        comm[..len].copy_from_slice(&name[..len]);
        Box::into_raw(Box::new(Self {
            pid: vcpu
                .as_ref()
                .map_or(&NEXT_PID, |vcpu| &vcpu.next_pid)
                .fetch_add(1, Relaxed),
            tgid: 1,
            comm,
            usage: AtomicU32::new(usage),
            state: quiet::AtomicU32::new(TASK_RUNNING),
            signal: AtomicBool::new(false),
            allowed: AtomicBool::new(false),
            should_stop: AtomicBool::new(false),
            exit_code: AtomicI32::new(0),
            lifecycle: Mutex::new(life),
            ended: Condvar::new(),
            token: Mutex::new(false),
            woken: Condvar::new(),
            asleep: AtomicBool::new(false),
            vcpu,
            reader: AtomicPtr::new(ptr::null_mut()),
            question: Question::default(),
            lent: OnceLock::new(),
        }))
    }

    /// Returns the name, or `?` if it is no UTF-8.
    pub fn comm(&self) -> &str {
        let name = self.comm.split(|&c| c == 0).next().unwrap_or_default();
        core::str::from_utf8(name).unwrap_or("?")
    }

    /// The virtual CPU that it belongs to, if it does not run freely.
    #[inline]
    pub fn vcpu(&self) -> Option<&Arc<Vcpu>> {
        self.vcpu.as_ref()
    }

    /// True while the thread is in a section that holds up grace periods.
    pub fn in_section(&self) -> bool {
        self.reader()
            .is_some_and(|reader| reader.grace_period() != 0)
    }

    fn reader(&self) -> Option<&'static cpu::Reader> {
        // SAFETY: Null, or a reader, which are never freed.
        unsafe { self.reader.load(Acquire).as_ref() }
    }

    /// The task has ended, or never runs again. A section that it is in does not hold up grace
    /// periods any more: instead, memory that these would protect is kept from here on.
    pub(super) fn abandon_section(&self) {
        if let (true, Some(reader)) = (self.in_section(), self.reader()) {
            heap::keep();
            // Read by an updater's scan and by `in_section()`: what frees something once it has
            // seen this finds that memory is kept.
            reader.quiesce();
        }
    }

    /// Takes a reference. As with a `refcount_t`, a count that has gone wrong stays where it
    /// neither wraps nor comes to 0: the task leaks, and is not freed while others hold references.
    pub fn get(&self) {
        if self.usage.fetch_add(1, Relaxed) >= TOO_MANY {
            self.usage.store(SATURATED, Relaxed);
        }
    }

    /// Drops a reference.
    ///
    /// # Safety
    ///
    /// The caller owns the reference.
    pub unsafe fn put(task: *const Self) {
        // SAFETY: The caller's reference keeps the task.
        let usage = unsafe { &(*task).usage };
        match usage.fetch_sub(1, AcqRel) {
            // SAFETY: That was the last reference; the block comes from `new`.
            1 => drop(unsafe { Box::from_raw(task.cast_mut()) }),
            TOO_MANY.. => usage.store(SATURATED, Relaxed),
            _ => {}
        }
    }

    /// Sets the state, before a condition is checked: `set_current_state()`.
    pub fn set_state(&self, state: c_uint) {
        // A wake-up may come before the store, or between it and the look at the condition.
        if state != TASK_RUNNING {
            point();
        }
        self.state.store(state, Relaxed);
        if let (TASK_RUNNING, Some(vcpu)) = (state, &self.vcpu) {
            vcpu.cancel_block(self);
        }
        // Pairs with the fence in `wake`: either that one sees the new state, or what the waker
        // did before is seen by what the caller reads next.
        fence(SeqCst);
        if state != TASK_RUNNING {
            point();
        }
    }

    /// True if a signal is pending.
    pub fn signal_pending(&self) -> bool {
        self.signal.load(Acquire)
    }

    /// From now on signals are delivered: `allow_signal()`.
    pub fn allow_signal(&self) {
        self.allowed.store(true, Relaxed);
    }

    /// Delivers a signal, unless the task ignores them.
    pub fn send_signal(&self) {
        if self.allowed.load(Relaxed) {
            self.signal.store(true, Release);
            self.wake(TASK_INTERRUPTIBLE);
        }
    }

    /// Makes the task runnable if it is in one of `states`, or not started yet.
    pub fn wake(&self, states: c_uint) -> bool {
        {
            let mut life = lock(&self.lifecycle);
            if *life == Lifecycle::New && states == TASK_NORMAL {
                *life = Lifecycle::Started;
                // From here on the thread may run, and end.
                self.get();
                drop(life);
                match &self.vcpu {
                    Some(vcpu) => vcpu.woken(self),
                    None => self.give_token(),
                }
                // SAFETY: The reference just taken.
                unsafe { Self::put(self) };
                return true;
            }
        }
        fence(SeqCst);
        let mut token = lock(&self.token);
        if self.state.load(Relaxed) & states == 0 {
            return false;
        }
        self.state.store(TASK_RUNNING, Relaxed);
        match &self.vcpu {
            Some(vcpu) => {
                drop(token);
                vcpu.woken(self);
            }
            // A call to the host is not needed for a thread that has not gone to sleep.
            None if !self.asleep.load(Relaxed) => {}
            None => {
                *token = true;
                self.woken.notify_one();
            }
        }
        true
    }

    /// Lets the thread go on; for a virtual CPU.
    pub(super) fn give_token(&self) {
        let mut token = lock(&self.token);
        *token = true;
        // Under the lock: once the thread has seen its run token it may end, and this with it.
        self.woken.notify_one();
    }

    /// Blocks the host's thread until it is given the run token; for a virtual CPU.
    pub(super) fn wait_token(&self) {
        fork::about_to_wait("a task");
        let mut token = lock(&self.token);
        loop {
            token = self
                .woken
                .wait_while(token, |token| !*token && !self.question.is_asked())
                .unwrap_or_else(PoisonError::into_inner);
            if !self.question.is_asked() {
                break;
            }
            drop(token);
            self.question.answer(self);
            token = lock(&self.token);
        }
        *token = false;
    }

    /// Has the thread look whether it is asked, while it waits for the run token.
    pub(super) fn wake_to_answer(&self) {
        let _token = lock(&self.token);
        self.woken.notify_one();
    }

    /// What others ask the task.
    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// The thread that it has, if that is lent to its virtual CPU.
    pub(super) fn lent(&self) -> Option<&Lent> {
        self.lent.get().map(|lent| &**lent)
    }

    /// As [`lent`](Self::lent), if the caller runs on that thread.
    pub(super) fn lent_here(&self) -> Option<&Lent> {
        let here = cpu::with(|cpu| ptr::eq(cpu.task(), self));
        self.lent().filter(|_| here)
    }

    /// The state, as Linux shows it: and N if the task was never woken.
    pub(super) fn state_letter(&self) -> char {
        if *lock(&self.lifecycle) == Lifecycle::New {
            return 'N';
        }
        match self.state.load(Relaxed) {
            TASK_RUNNING => 'R',
            TASK_IDLE => 'I',
            state if state & TASK_INTERRUPTIBLE != 0 => 'S',
            _ => 'D',
        }
    }

    /// True if the task waits for a wake-up.
    pub fn is_blocked(&self) -> bool {
        let interrupted =
            self.state.load(Relaxed) & TASK_INTERRUPTIBLE != 0 && self.signal_pending();
        self.state.load(Relaxed) != TASK_RUNNING && !interrupted
    }

    pub(super) fn set_running(&self) {
        self.state.store(TASK_RUNNING, Relaxed);
    }

    /// Sleeps until woken, interrupted, or `ns` nanoseconds have passed; returns at once if the
    /// state is [`TASK_RUNNING`], in which it is left in any case.
    #[inline]
    pub fn schedule(&self, ns: Option<u128>) {
        blocked::timed(ns.is_some(), || match &self.vcpu {
            Some(vcpu) => vcpu.block(self, ns),
            None => self.sleep(ns),
        });
    }

    fn sleep(&self, ns: Option<u128>) {
        if self.is_blocked() {
            fork::about_to_wait("a task");
        }
        let start = clock::monotonic();
        self.look(ns, start);
        let mut token = lock(&self.token);
        self.asleep.store(true, Relaxed);
        let mut patience = Patience::new();
        while self.is_blocked() {
            let slept = clock::monotonic().abs_diff(start);
            if patience.is_over(slept) && blocked::hangs(self.state_letter()) {
                drop(token);
                patience.name_task();
                token = lock(&self.token);
                continue;
            }
            let rest = match ns {
                None => u64::MAX,
                Some(ns) if u128::from(slept) >= ns => break,
                Some(ns) => u64::try_from(ns - u128::from(slept)).unwrap_or(u64::MAX),
            };
            token = self
                .woken
                .wait_timeout(token, patience.at_most(Duration::from_nanos(rest), slept))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *token = false;
        self.asleep.store(false, Relaxed);
        self.set_running();
    }

    /// Looks again and again whether the task is still blocked, no longer than a sleep and a wake-up of
    /// the host's take, and less where that was in vain before, but for now and then: two that wait
    /// for each other would else sleep forever after. A waker that needs this processor gets it, at
    /// once if the last one did. The waker may not be ready with what it does when this sees that it is
    /// over, so `token` is taken after it.
    fn look(&self, ns: Option<u128>, start: i64) {
        const WORTH: core::ops::RangeInclusive<u64> = 1_000..=50_000;
        /// After so long others may need the processor (ns).
        const ALONE: u64 = 2_000;
        crate::per_thread! {
            static WORTH_NOW: Cell<u64> = Cell::new(50_000);
            static LOOKS: Cell<u32> = Cell::new(0);
            /// True if the last waker was waiting for this processor.
            static SHARED: Cell<bool> = Cell::new(false);
        }
        LOOKS.set(LOOKS.get().wrapping_add(1));
        let anew = LOOKS.get().is_multiple_of(8);
        let worth = if anew { *WORTH.end() } else { WORTH_NOW.get() };
        let alone = if SHARED.get() && !anew { 0 } else { ALONE };
        let most = ns.map_or(worth, |ns| u64::try_from(ns).unwrap_or(worth).min(worth));
        let mut yields = 0;
        while self.is_blocked() {
            let looked = clock::monotonic().abs_diff(start);
            if looked >= most {
                WORTH_NOW.set((WORTH_NOW.get() / 2).max(*WORTH.start()));
                SHARED.set(false);
                return;
            }
            if looked >= alone {
                yields += 1;
                std::thread::yield_now();
            } else {
                (0..16).for_each(|_| core::hint::spin_loop());
            }
        }
        WORTH_NOW.set(*WORTH.end());
        // One that runs elsewhere is seldom ready at the first return to this task.
        SHARED.set(yields == 1);
    }

    /// True once `kthread_stop()` has asked it to end.
    pub fn should_stop(&self) -> bool {
        self.should_stop.load(Acquire)
    }

    /// Asks a kernel thread to end and waits until it has: `kthread_stop()`.
    ///
    /// A thread that was never woken does not run its function; it ends with -EINTR. Ends the machine
    /// of the caller if that of the thread got stuck: what it uses is not to be freed.
    #[track_caller]
    pub fn stop(&self) -> c_int {
        fork::about_to_wait("a task");
        self.should_stop.store(true, Release);
        self.wake(TASK_NORMAL);
        let _waits = blocked::waiting(Thing::end_of(self));
        if !self.has_ended() && self.vcpu.as_ref().is_some_and(|vcpu| vcpu.is_stuck()) {
            super::end(format_args!(
                "a task is stopped that never ends: its machine got stuck"
            ));
        }
        match &self.vcpu {
            Some(vcpu) => vcpu.join(self),
            None => self.wait_for_end(),
        }
        self.exit_code.load(Relaxed)
    }

    fn wait_for_end(&self) {
        let start = clock::monotonic();
        let mut patience = Patience::new();
        let mut life = lock(&self.lifecycle);
        while *life != Lifecycle::Ended {
            let waited = clock::monotonic().abs_diff(start);
            if patience.is_over(waited) {
                drop(life);
                patience.name_task();
                life = lock(&self.lifecycle);
                continue;
            }
            life = self
                .ended
                .wait_timeout(life, patience.at_most(Duration::MAX, waited))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        *lock(&self.lifecycle) == Lifecycle::Ended
    }
}

/// The task of this thread, if it is one yet. From a handler of the host's signals, too.
pub(super) fn known(cpu: &Cpu) -> Option<&'static task_struct> {
    // SAFETY: Null, or the task of this thread, which lives as long as that; nothing here keeps it.
    unsafe { cpu.task().as_ref() }
}

/// The task that this thread is.
#[inline]
pub fn current() -> &'static task_struct {
    let task = cpu::with(|cpu| match cpu.task() {
        task if task.is_null() => first_task(cpu),
        task => task,
    });
    // SAFETY: The thread holds a reference to its task until it ends; other users take their own.
    unsafe { &*task }
}

#[cold]
fn first_task(cpu: &Cpu) -> *const task_struct {
    let name = thread::current();
    let name = name.name().unwrap_or("thread").as_bytes();
    become_task(cpu, task_struct::new(name, None, 1, Lifecycle::Started));
    cpu.task()
}

fn become_task(cpu: &Cpu, task: *mut task_struct) {
    let reader = ptr::from_ref(cpu.reader()).cast_mut();
    // SAFETY: The task is live.
    let known = unsafe { &*task };
    known.reader.store(reader, Release);
    cpu.reader().set_task(&known.comm, known.pid);
    cpu.set_task(task);
    cpu::leave_at_exit();
}

/// What the thread still runs, destructors of its thread-locals among it, is no part of the
/// machine that its task has left; called before another task gets the run token. The thread's
/// reference to the task is the caller's.
pub(super) fn leave_machine() {
    cpu::with(|cpu| cpu.set_task(ptr::null()));
}

/// Drops the thread's own reference when it ends.
pub(super) fn leave(task: *const task_struct) {
    if !task.is_null() {
        // SAFETY: The reference that `current` or `spawn` has left with the thread.
        unsafe { task_struct::put(task) };
    }
}

/// Runs `f` as a task of its own on this thread, which may be `lent`, on the virtual CPU `vcpu`.
pub(super) fn with_task<R>(
    vcpu: Arc<Vcpu>,
    lent: Option<Arc<Lent>>,
    f: impl FnOnce(&'static task_struct) -> R,
) -> R {
    let outer = cpu::with(|cpu| cpu.set_task(ptr::null()));
    let task = task_struct::new(b"init", Some(vcpu), 1, Lifecycle::Started);
    if let Some(lent) = lent {
        // SAFETY: Just created, so it has none.
        let _ = unsafe { &*task }.lent.set(lent);
    }
    cpu::with(|cpu| become_task(cpu, task));
    struct Restore(*const task_struct);
    impl Drop for Restore {
        fn drop(&mut self) {
            leave(cpu::with(|cpu| cpu.set_task(self.0)));
        }
    }
    let _restore = Restore(outer);
    // SAFETY: Live until `_restore` is dropped, after `f` has returned.
    f(unsafe { &*task })
}

struct Start {
    task: *mut task_struct,
    function: ThreadFn,
    returned: fn(),
    data: *mut c_void,
    /// The test that has started it.
    test: u64,
}

// SAFETY: The function may be called with the data on another thread: `spawn` was told so.
unsafe impl Send for Start {}

impl Start {
    fn run(self) {
        // SAFETY: The reference that `spawn` took for the thread.
        let task = unsafe { &*self.task };
        cpu::with(|cpu| become_task(cpu, self.task));
        match (&task.vcpu, task.lent()) {
            (Some(vcpu), Some(_)) => vcpu.answer(task),
            _ => task.wait_token(),
        }
        let code = if task.should_stop() {
            -4 // -EINTR: stopped before it ran.
        } else {
            // SAFETY: The function may be called with the data: the promise of `spawn`'s caller.
            failed::work_for(self.test, || unsafe { (self.function)(self.data) })
        };
        (self.returned)();
        task.exit_code.store(code, Relaxed);
        *lock(&task.lifecycle) = Lifecycle::Ended;
        task.ended.notify_all();
        if let Some(vcpu) = &task.vcpu {
            vcpu.ended(task);
            // SAFETY: The thread's own reference, which `leave_machine` has left to us.
            unsafe { task_struct::put(self.task) };
        }
    }
}

/// Creates a kernel thread, which waits for its first wake-up; null if the host has no more. When
/// its function has returned, it calls `returned`.
///
/// The caller gets a reference of its own only if it takes one before the thread can end.
///
/// # Safety
///
/// `function` may be called with `data` on another thread, whenever that runs.
pub unsafe fn spawn(
    function: ThreadFn,
    data: *mut c_void,
    name: &[u8],
    returned: fn(),
) -> *mut task_struct {
    let vcpu = vcpu::current();
    let task = task_struct::new(name, vcpu.clone(), 2, Lifecycle::New);
    if let Some(vcpu) = &vcpu {
        // SAFETY: Just created.
        vcpu.created(unsafe { &*task });
    }
    let start = Start {
        task,
        function,
        data,
        returned,
        test: failed::this_test(),
    };
    // The first reference is the thread's, given back when it ends; the second is the creator's
    // hold until the thread ends, so that a pointer to a thread that runs is never stale.
    let run = move || {
        let task = start.task;
        start.run();
        // SAFETY: The second reference.
        unsafe { task_struct::put(task) };
    };
    let name = String::from_utf8_lossy(name);
    let start = || match vcpu.as_ref().and_then(|vcpu| vcpu.carrier()) {
        Some(carrier) => carrier.thread(&name, None).map(|lent| {
            lent.set_job(Box::new(run));
            // SAFETY: Just created, so it has none.
            let _ = unsafe { &*task }.lent.set(lent);
        }),
        None => {
            let builder = thread::Builder::new().name(name.into_owned());
            builder.spawn(run).ok().map(drop)
        }
    };
    match (!threads_are_refused()).then(start).flatten() {
        Some(()) => task,
        None => {
            // SAFETY: The task is live, and the thread that was to own these does not exist.
            unsafe {
                if let Some(vcpu) = &vcpu {
                    vcpu.forget(&*task);
                }
                task_struct::put(task);
                task_struct::put(task);
            }
            core::ptr::null_mut()
        }
    }
}

crate::per_thread! {
    /// True while this thread gets no other.
    static REFUSED: Cell<bool> = Cell::new(false);
}

/// Fails all further creations of tasks by this thread, or not any more; returns the old setting.
pub fn refuse_threads(refuse: bool) -> bool {
    REFUSED.replace(refuse)
}

pub(super) fn threads_are_refused() -> bool {
    REFUSED.get()
}

/// Comes to a point at which another processor could interfere.
#[inline(always)]
pub fn point() {
    if cfg!(all(feature = "debug", not(loom))) {
        cpu::with(point_on);
    }
}

/// The same, on this thread.
#[inline(always)]
pub fn point_on(cpu: &Cpu) {
    if cfg!(all(feature = "debug", not(loom))) && cpu.is(Unusual::Vcpu) {
        point_on_vcpu();
    }
}

#[inline(never)]
fn point_on_vcpu() {
    vcpu::with(|vcpu| vcpu.point(current()));
}

/// Waits a moment for another processor: `cpu_relax()`.
#[inline]
pub fn relax() {
    match vcpu::current() {
        Some(vcpu) => vcpu.spin(current()),
        None => {
            blocked::spins();
            #[cfg(loom)]
            loom::thread::yield_now();
            #[cfg(not(loom))]
            {
                fork::about_to_wait("a task");
                core::hint::spin_loop();
                thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time that this thread has had of a processor (ns).
    fn worked() -> u128 {
        let mut now = core::mem::MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: The call writes it, and cannot fail with this clock.
        let now = unsafe {
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, now.as_mut_ptr());
            now.assume_init()
        };
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32).as_nanos()
    }

    #[test]
    fn a_task_that_waits_sleeps() {
        let (before, time) = (worked(), 300_000_000);
        let task = current();
        task.set_state(TASK_UNINTERRUPTIBLE);
        task.schedule(Some(time));
        assert!(worked() - before < time / 10, "it has looked all the time");
    }

    #[test]
    fn references_that_were_forgotten_keep_the_task() {
        let task = task_struct::new(b"test", None, 1, Lifecycle::Started);
        // SAFETY: Just created; it is never freed.
        let usage = unsafe { &(*task).usage };
        // As if so many had been forgotten.
        usage.store(u32::MAX, Relaxed);
        for _ in 0..3 {
            // SAFETY: It is never freed.
            unsafe { &*task }.get();
        }
        for _ in 0..5 {
            // SAFETY: There are many references.
            unsafe { task_struct::put(task) };
        }
        assert_eq!(usage.load(Relaxed), SATURATED);
    }
}
