// SPDX-License-Identifier: GPL-2.0-only
//! What a lock has of lockdep: the number of its kind.
//!
//! In Linux a debug kernel's locks are larger, by a `lockdep_map` with a key and a name. Here the layout
//! is one, so a lock has no more than a number in what is padding elsewhere, and locks that one line
//! initialises share the rest. The tables are static: a lock may be initialised in any context.

use super::{lock_class_key, What};
use crate::ffi::c_char;
use core::{
    ffi::CStr,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicPtr, AtomicU16, AtomicU8, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use lockdep::{
    Lock, Name, LD_LOCK_EVENT, LD_LOCK_NORMAL, LD_WAIT_CONFIG, LD_WAIT_INV, LD_WAIT_SLEEP,
};
use machine::location;
use spin::mutex::SpinMutex;

impl What {
    /// How it may wait.
    fn wait_type(self) -> u8 {
        match self {
            What::Spinlock => LD_WAIT_CONFIG,
            What::Mutex => LD_WAIT_SLEEP,
            What::Event | What::Completion => LD_WAIT_INV,
        }
    }
}

/// Lines that initialise locks, and locks that none has initialised.
const KINDS: usize = 1 << 13;

/// What locks that were initialised in one line have in common.
struct Kind {
    /// The address of their key, or a number if they have none; 0 if this was never used.
    key: AtomicUsize,
    name: AtomicPtr<c_char>,
    what: AtomicU8,
}

impl Kind {
    /// True if it is that of this key, which is not `GONE`, and kind of lock.
    #[inline]
    fn is(&self, key: usize, what: What) -> bool {
        // Pairs with the `Release` in `number_elsewhere()`: the rest is there as well.
        self.key.load(Acquire) == key && self.what.load(Relaxed) == what as u8
    }
}

/// A hash table, in which nothing moves: by key and kind of lock.
static TABLE: [Kind; KINDS] = [const {
    Kind {
        key: AtomicUsize::new(0),
        name: AtomicPtr::new(ptr::null_mut()),
        what: AtomicU8::new(0),
    }
}; KINDS];

/// The key of a kind whose own key was unregistered: it may be used for another one.
const GONE: usize = 1;

/// Held while the table changes.
static CHANGES: SpinMutex<()> = SpinMutex::new(());

/// Locks that were never initialised of which so many are watched.
const UNNAMED_MOST: usize = 512;

/// The number of the next of these.
static UNNAMED: AtomicUsize = AtomicUsize::new(0);

/// A lock that was not initialised, or not yet.
pub(super) const NONE: u16 = 0;
/// A lock that is not watched.
const UNWATCHED: u16 = u16::MAX;

/// Where it stands, or may be put: the number of a kind.
fn find(key: usize, what: What) -> Result<u16, Option<u16>> {
    let first = first(key, what);
    let mut free = None;
    for n in 0..KINDS {
        let at = (first + n) % KINDS;
        if TABLE[at].is(key, what) {
            return Ok(at as u16 + 1);
        }
        match TABLE[at].key.load(Relaxed) {
            0 => return Err(free.or(Some(at as u16 + 1))),
            GONE => free = free.or(Some(at as u16 + 1)),
            _ => {}
        }
    }
    Err(free)
}

/// Where in the table it is looked for first.
#[inline]
fn first(key: usize, what: What) -> usize {
    let hash = (key as u64 ^ what as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 40) as usize % KINDS
}

/// The number of a kind. From any context.
#[inline]
fn number(key: usize, name: *const c_char, what: What) -> u16 {
    let first = first(key, what);
    if TABLE[first].is(key, what) {
        return first as u16 + 1;
    }
    number_elsewhere(key, name, what)
}

#[inline(never)]
fn number_elsewhere(key: usize, name: *const c_char, what: What) -> u16 {
    if let Ok(number) = find(key, what) {
        return number;
    }
    let _changes = CHANGES.lock();
    let number = match find(key, what) {
        Ok(number) => return number,
        // So many are not watched; Linux would turn lockdep off.
        Err(None) => return UNWATCHED,
        Err(Some(free)) => free,
    };
    let kind = &TABLE[usize::from(number) - 1];
    kind.name.store(name.cast_mut(), Relaxed);
    kind.what.store(what as u8, Relaxed);
    // Pairs with the `Acquire` in `find()`.
    kind.key.store(key, Release);
    number
}

/// The part of a lock that says of which kind it is.
///
/// C: `struct lockdep_map dep_map`
#[repr(transparent)]
pub(crate) struct dep_map(AtomicU16);

impl dep_map {
    /// That of a lock which is not initialised: it is of a kind of its own.
    pub(crate) const fn new() -> Self {
        Self(AtomicU16::new(NONE))
    }

    /// That of a lock which is not watched.
    pub(crate) const fn unwatched() -> Self {
        Self(AtomicU16::new(UNWATCHED))
    }

    /// That of a lock with this key and name; without a key, of all locks that have the name; without
    /// either, of one that is not watched, since it is only taken inside the kernel itself.
    ///
    /// # Safety
    ///
    /// The name is null or lives forever.
    pub(crate) unsafe fn named(name: *const c_char, key: *mut lock_class_key, what: What) -> Self {
        match [key.addr(), name.addr()] {
            [0, 0] => Self::unwatched(),
            [0, _] if what == What::Event => Self::unwatched(),
            [0, name_at] => Self(AtomicU16::new(number(name_at, name, what))),
            [key, _] => Self(AtomicU16::new(number(key, name, what))),
        }
    }

    /// That of an event which is initialised there: all that are, are of one class; the kernel's own
    /// are not watched.
    pub(crate) fn of_place(
        name: &'static CStr,
        at: &'static Location<'static>,
        what: What,
    ) -> Self {
        match location::is_core_location(at) {
            true => Self::unwatched(),
            false => {
                let key = ptr::from_ref(at).addr();
                Self(AtomicU16::new(number(key, crate::as_char_ptr(name), what)))
            }
        }
    }

    /// Gives that of a map without a lock its kind, if it has none yet.
    #[inline]
    pub(crate) fn is_named(&self, name: &'static CStr) {
        if self.0.load(Relaxed) == NONE {
            self.is_named_first(name);
        }
    }

    #[cold]
    fn is_named_first(&self, name: &'static CStr) {
        let key = ptr::from_ref(self).addr();
        let kind = number(key, crate::as_char_ptr(name), What::Event);
        self.0.store(kind, Relaxed);
    }

    /// The memory of such a map is about to be freed.
    pub(crate) fn goes(&self) {
        forget(ptr::from_ref(self).addr(), super::watch::forget);
    }

    /// The number of its kind.
    #[inline]
    pub(super) fn kind(&self) -> u16 {
        self.0.load(Relaxed)
    }

    /// True if it is of a kind that is watched.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        !matches!(self.kind(), NONE | UNWATCHED)
    }

    /// True if both are of one kind.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.0.load(Relaxed) == other.0.load(Relaxed)
    }

    /// A copy, for what is held while the original may go.
    pub(crate) fn copy(&self) -> Self {
        Self(AtomicU16::new(self.0.load(Relaxed)))
    }

    /// The lock at `instance`, of which this is a part, for lockdep; `None` if it is not watched.
    pub(super) fn lock(&self, instance: usize, what: What) -> Option<Lock> {
        let number = match self.0.load(Relaxed) {
            NONE => self.first_used(what),
            number => number,
        };
        if number == UNWATCHED {
            return None;
        }
        let kind = &TABLE[usize::from(number) - 1];
        Some(Lock {
            instance,
            // The address of a kind, of more than eight bytes, is that of no other key.
            key: ptr::from_ref(kind).addr(),
            // SAFETY: A name lives forever, as its caller says.
            name: unsafe { Name::from_ptr(kind.name.load(Relaxed).cast()) },
            inner: what.wait_type(),
            outer: LD_WAIT_INV,
            lock_type: match kind.what.load(Relaxed) {
                what if what == What::Completion as u8 => LD_LOCK_EVENT,
                _ => LD_LOCK_NORMAL,
            },
            subclass: 0,
        })
    }

    /// A lock that was never initialised is taken for the first time.
    #[cold]
    fn first_used(&self, what: What) -> u16 {
        let name = match what {
            What::Spinlock => c"spinlock",
            What::Mutex => c"mutex",
            What::Event | What::Completion => c"event",
        };
        // Too small for an address.
        let key = UNNAMED.fetch_add(1, Relaxed) + GONE + 1;
        let own = if key < UNNAMED_MOST {
            number(key, crate::as_char_ptr(name), what)
        } else {
            UNWATCHED
        };
        match self.0.compare_exchange(NONE, own, Relaxed, Relaxed) {
            Ok(_) => own,
            Err(other) => other,
        }
    }
}

/// The keys of the kinds that have this key themselves, which are forgotten.
pub(super) fn forget(key: usize, mut f: impl FnMut(usize, usize)) {
    let _changes = CHANGES.lock();
    for what in [What::Spinlock, What::Mutex, What::Event, What::Completion] {
        if let Ok(number) = find(key, what) {
            let kind = &TABLE[usize::from(number) - 1];
            f(ptr::from_ref(kind).addr(), size_of::<Kind>());
            kind.key.store(GONE, Release);
        }
    }
}
