// SPDX-License-Identifier: GPL-2.0-only
//! A kernel that has nothing but locks. Each test has a world of its own, and all share an engine.

use lockdep::{
    lock_class_key, Acquire, Context, Engine, Host, Known, Lock, Name, Report, Task, Text,
    LD_LOCK_NORMAL, LD_WAIT_CONFIG, LD_WAIT_INV,
};
use std::{
    cell::Cell,
    ffi::CStr,
    fmt,
    panic::Location,
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
        Mutex,
    },
    thread,
};

pub(crate) struct Threads {
    locked: AtomicBool,
    found: Mutex<Vec<(u32, Report)>>,
}

pub(crate) static LOCKDEP: Engine<Threads> = Engine::new(Threads {
    locked: AtomicBool::new(false),
    found: Mutex::new(Vec::new()),
});

static WORLDS: AtomicU32 = AtomicU32::new(1);

/// A key that must be registered.
pub(crate) static DYNAMIC: lock_class_key = lock_class_key::new();

/// A task with interrupts on.
pub(crate) const TASK: Context = Context {
    irqs_off: false,
    hardirq: false,
    threaded: false,
    softirq: false,
    softirqs_enabled: true,
};

/// A soft interrupt handler.
pub(crate) const SOFTIRQ: Context = Context {
    softirq: true,
    softirqs_enabled: false,
    ..TASK
};

thread_local! {
    static STATE: Task = const { Task::new() };
    static CONTEXT: Cell<Context> = const { Cell::new(TASK) };
    static WORLD: Cell<u32> = const { Cell::new(0) };
}

impl Host for Threads {
    const LOCK_BYTES: usize = 4;

    fn enabled(&self) -> bool {
        true
    }

    fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> R {
        STATE.with(f)
    }

    fn context(&self) -> Context {
        CONTEXT.get()
    }

    fn set_softirqs_enabled(&self, softirqs_enabled: bool) {
        CONTEXT.set(Context {
            softirqs_enabled,
            ..CONTEXT.get()
        });
    }

    fn task_name(&self) -> (Text<16>, i32) {
        (Text::from_bytes(b"test"), 1)
    }

    fn lock(&self) {
        // Pairs with the `Release` in `unlock()`.
        while self.locked.swap(true, Ordering::Acquire) {
            thread::yield_now();
        }
    }

    fn unlock(&self) {
        // Pairs with the `Acquire` in `lock()`.
        self.locked.store(false, Ordering::Release);
    }

    fn report(&self, report: &Report) {
        // A report may take locks, which are not looked at.
        let console = SpinLock::new(c"console", ptr::from_ref(self).addr());
        console.lock();
        assert_eq!(LOCKDEP.is_held(&console.0, None), Known::Unknown);
        console.unlock();
        self.found.lock().unwrap().push((WORLD.get(), *report));
    }

    fn write_place(&self, ip: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "test.rs:{ip}")
    }

    fn is_static(&self, address: usize) -> bool {
        address != ptr::from_ref(&DYNAMIC).addr()
    }

    fn world(&self) -> u32 {
        WORLD.get()
    }
}

impl Threads {
    /// How much was found in this world so far.
    pub(crate) fn count(&self) -> usize {
        let found = self.found.lock().unwrap();
        found.iter().filter(|(of, _)| *of == WORLD.get()).count()
    }
}

/// Random numbers: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = self.0;
        next = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        next = (next ^ next >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((next ^ next >> 31) % end as u64) as usize
    }
}

/// The address of a key that no other class has. Only addresses count, so there is no key.
pub(crate) fn key() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1 << 32);
    NEXT.fetch_add(size_of::<lock_class_key>(), Ordering::Relaxed)
}

/// A lock that is never contended.
#[derive(Clone, Copy)]
pub(crate) struct SpinLock(pub(crate) Lock);

/// Declares locks, each of a class of its own.
macro_rules! locks {
    ($($name:ident),*) => {
        $(
            let name = concat!(stringify!($name), "\0").as_bytes();
            let name = std::ffi::CStr::from_bytes_with_nul(name).unwrap();
            let $name = $crate::host::SpinLock::new(name, $crate::host::key());
        )*
    };
}

impl SpinLock {
    pub(crate) fn new(name: &'static CStr, key: usize) -> Self {
        Self(Lock {
            instance: self::key(),
            key,
            name: Name::new(name),
            inner: LD_WAIT_CONFIG,
            outer: LD_WAIT_INV,
            lock_type: LD_LOCK_NORMAL,
            subclass: 0,
        })
    }

    /// Another lock of the same class.
    pub(crate) fn sibling(&self) -> Self {
        let instance = key();
        Self(Lock { instance, ..self.0 })
    }

    #[track_caller]
    pub(crate) fn acquire(&self, how: Acquire<'_>) {
        LOCKDEP.acquire(&self.0, &Acquire { ip: here(), ..how });
    }

    #[track_caller]
    pub(crate) fn lock(&self) {
        self.acquire(Acquire::at(0));
    }

    #[track_caller]
    pub(crate) fn read(&self, read: u8) {
        self.acquire(Acquire {
            read,
            ..Acquire::at(0)
        });
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) {
        self.acquire(Acquire {
            trylock: true,
            ..Acquire::at(0)
        });
    }

    #[track_caller]
    pub(crate) fn nested(&self, subclass: u8) {
        self.acquire(Acquire {
            subclass,
            ..Acquire::at(0)
        });
    }

    #[track_caller]
    pub(crate) fn under(&self, nest: &Self) {
        self.acquire(Acquire {
            nest: Some(&nest.0),
            ..Acquire::at(0)
        });
    }

    #[track_caller]
    pub(crate) fn unlock(&self) {
        LOCKDEP.release(&self.0, here());
    }

    pub(crate) fn is_held(&self) -> bool {
        LOCKDEP.is_held(&self.0, None) == Known::Held
    }
}

/// The caller's line.
#[track_caller]
pub(crate) fn here() -> usize {
    Location::caller().line() as usize
}

/// Takes locks one inside the other, and releases them.
#[track_caller]
pub(crate) fn take(locks: &[&SpinLock]) {
    for lock in locks {
        lock.lock();
    }
    for lock in locks.iter().rev() {
        lock.unlock();
    }
}

/// Turns interrupts off, and on again.
#[track_caller]
pub(crate) fn irqs_off(f: impl FnOnce()) {
    let at = here();
    LOCKDEP.hardirqs_off(at);
    in_context(
        Context {
            irqs_off: true,
            ..CONTEXT.get()
        },
        || {
            f();
            LOCKDEP.hardirqs_on_prepare(at);
            LOCKDEP.hardirqs_on(at);
        },
    );
}

/// A hard interrupt comes, whose handler could run in a thread.
pub(crate) fn hardirq(f: impl FnOnce()) {
    LOCKDEP.hardirqs_off(0);
    in_context(
        Context {
            hardirq: true,
            threaded: true,
            irqs_off: true,
            ..CONTEXT.get()
        },
        f,
    );
    LOCKDEP.hardirqs_on(0);
}

pub(crate) fn in_context(context: Context, f: impl FnOnce()) {
    let before = CONTEXT.replace(context);
    f();
    CONTEXT.set(before);
}

/// Another task of this world.
pub(crate) fn another_task(f: impl FnOnce() + Send) {
    let f = Mutex::new(Some(f));
    tasks(1, |_| f.lock().unwrap().take().unwrap()());
}

/// Some tasks of this world, at the same time.
pub(crate) fn tasks(count: u64, run: impl Fn(u64) + Sync) {
    let (world, run) = (WORLD.get(), &run);
    thread::scope(|scope| {
        for n in 0..count {
            scope.spawn(move || {
                WORLD.set(world);
                LOCKDEP.hardirqs_on(0);
                run(n);
            });
        }
    });
}

/// Runs `f` in a world of its own, in the end of which the task holds nothing, and returns what was
/// found.
pub(crate) fn found(f: impl FnOnce()) -> Vec<Report> {
    let world = WORLDS.fetch_add(1, Ordering::Relaxed);
    let before = WORLD.replace(world);
    LOCKDEP.hardirqs_on(0);
    f();
    STATE.with(|task| assert_eq!(task.depth(), 0));
    LOCKDEP.end_world(world);
    WORLD.set(before);
    let mut all = LOCKDEP.host().found.lock().unwrap();
    let own = all.extract_if(.., |(of, _)| *of == world);
    own.map(|(_, report)| report).collect()
}

/// Nothing is found.
#[track_caller]
pub(crate) fn good(f: impl FnOnce()) {
    if let Some(report) = found(f).first() {
        panic!("{}", text(report));
    }
}

/// One thing is found.
#[track_caller]
pub(crate) fn bad(f: impl FnOnce()) -> Report {
    let found = found(f);
    let texts: Vec<_> = found.iter().map(text).collect();
    assert_eq!(texts.len(), 1, "{}", texts.concat());
    found[0]
}

/// The report as text.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    report.write(LOCKDEP.host(), &mut text).unwrap();
    text
}
