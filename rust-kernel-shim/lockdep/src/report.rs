// SPDX-License-Identifier: GPL-2.0-only
//! What was found.

use crate::{usage::Mark, Context, Irq};
use core::{fmt, str};

/// A text of at most `N` bytes, copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    /// As much of it as there is place for.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut text = Self::new();
        text.length = bytes.len().min(N);
        text.bytes[..text.length].copy_from_slice(&bytes[..text.length]);
        text
    }

    /// The text, up to what is no UTF-8.
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..self.length];
        let valid = match str::from_utf8(bytes) {
            Ok(text) => return text,
            Err(error) => error.valid_up_to(),
        };
        str::from_utf8(&bytes[..valid]).unwrap_or_default()
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The first `N` of some values.
#[derive(Clone, Copy, Debug)]
pub struct List<T, const N: usize> {
    items: [Option<T>; N],
    /// How many there were.
    pub total: usize,
}

impl<T: Copy, const N: usize> List<T, N> {
    pub(crate) fn new(from: impl Iterator<Item = T>) -> Self {
        let mut list = Self {
            items: [None; N],
            total: 0,
        };
        for item in from {
            if let Some(slot) = list.items.get_mut(list.total) {
                *slot = Some(item);
            }
            list.total += 1;
        }
        list
    }

    /// Those that are here, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter().flatten()
    }
}

/// A class.
#[derive(Clone, Copy, Debug)]
pub struct ClassInfo {
    /// Its name, as far as there is place for it.
    pub name: Text<48>,
    /// 1, or more if another class had the name before.
    pub version: u16,
    /// The subclass.
    pub subclass: u8,
    /// `LD_WAIT_*` outside.
    pub outer: u8,
    /// `LD_WAIT_*` inside.
    pub inner: u8,
    pub(crate) marks: u8,
    /// It is one of events ([`LD_LOCK_EVENT`](crate::LD_LOCK_EVENT)).
    pub event: bool,
}

/// A lock that is held, or was about to be.
#[derive(Clone, Copy, Debug)]
pub struct HeldInfo {
    /// Its class.
    pub class: ClassInfo,
    /// Its address.
    pub instance: usize,
    /// Where it was taken.
    pub ip: usize,
    /// 0 exclusively, 1 as reader, 2 as recursive reader.
    pub read: u8,
    /// It was free, and would not have been waited for.
    pub trylock: bool,
    /// It is waited for only.
    pub sync: bool,
    /// 0, or how often it was taken under its nest lock.
    pub references: u32,
}

/// The next class of a [`Chain`] was once taken while the one before was held.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The next class.
    pub class: ClassInfo,
    /// Where the lock of the class before had been taken.
    pub held_at: usize,
    /// Where the lock of this class was taken.
    pub taken_at: usize,
}

/// Classes that were taken inside each other.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// The outermost.
    pub first: ClassInfo,
    /// The others, in order.
    pub links: List<Link, 10>,
}

impl Chain {
    /// The class at a place, the outermost being at 0, or the last.
    pub fn class(&self, n: usize) -> &ClassInfo {
        let link = |n: usize| Some(&self.links.iter().nth(n.checked_sub(1)?)?.class);
        match n {
            0 => &self.first,
            n => link(n).unwrap_or(self.last()),
        }
    }

    /// The innermost class.
    pub fn last(&self) -> &ClassInfo {
        let last = self.links.iter().next_back();
        last.map_or(&self.first, |link| &link.class)
    }
}

/// How a class got a mark.
#[derive(Clone, Copy, Debug)]
pub struct MarkInfo {
    /// The mark.
    pub mark: Mark,
    /// Where the lock was taken.
    pub taken_at: usize,
    /// Where interrupts were turned on while it was held, 0 if they were on already.
    pub on_at: usize,
}

/// A mistake.
// It is rare, and made where memory cannot be allocated.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug)]
pub enum Finding {
    /// A lock of a class is held that the lock to be taken is of as well.
    Recursive {
        /// To be taken.
        lock: HeldInfo,
        /// Held.
        held: HeldInfo,
    },
    /// The class that is held was once taken inside the one to be taken.
    Circular {
        /// To be taken.
        lock: HeldInfo,
        /// Held.
        held: HeldInfo,
        /// From the class to be taken to the one held.
        chain: Chain,
    },
    /// A class is taken in interrupts, and held while these are on.
    InconsistentState {
        /// Just used.
        lock: HeldInfo,
        /// How.
        new: MarkInfo,
        /// How it was used before.
        old: MarkInfo,
    },
    /// Of two classes of which one was taken inside the other, one is now used so that an interrupt
    /// completes a circle.
    IrqInversion {
        /// Just used.
        lock: HeldInfo,
        /// How.
        new: MarkInfo,
        /// The other class.
        other: ClassInfo,
        /// How that was used.
        old: MarkInfo,
        /// From the class that is taken in interrupts to the one that is held with them on.
        chain: Chain,
    },
    /// Taking one class inside another makes a path from one that is taken in interrupts to one that
    /// is held while these are on.
    IrqOrder {
        /// To be taken.
        lock: HeldInfo,
        /// Held.
        held: HeldInfo,
        /// The mark of the class taken in interrupts, the first of `before`.
        safe: MarkInfo,
        /// The mark of the class held with them on, the last of `after`.
        unsafe_: MarkInfo,
        /// From the class taken in interrupts to the one held.
        before: Chain,
        /// From the class to be taken to the one held with interrupts on.
        after: Chain,
    },
    /// What waits longer than it may here, `LD_WAIT_*`.
    WaitContext {
        /// To be taken.
        lock: HeldInfo,
        /// What may be waited for.
        limit: u8,
    },
    /// A lock that is not held is released.
    UnlockBalance {
        /// Its class's name.
        name: Text<48>,
        /// Where.
        ip: usize,
    },
    /// The lock under which another is taken is not held.
    NestNotHeld {
        /// To be taken.
        lock: HeldInfo,
        /// The class's name of the one that is not held.
        nest: Text<48>,
    },
    /// The memory of a held lock is freed, or initialised.
    HeldLockFreed {
        /// Held.
        lock: HeldInfo,
        /// The memory's first address.
        from: usize,
        /// Its length.
        length: usize,
        /// Where, if that is known.
        ip: usize,
    },
    /// A task ends that holds locks.
    HeldAtExit,
    /// Interrupts are turned on in a handler.
    IrqsOnInHardirq {
        /// Where.
        ip: usize,
    },
    /// A lock or a key was used wrongly.
    Misuse {
        /// What is wrong.
        what: &'static str,
        /// The lock's name.
        name: Text<48>,
    },
    /// A table is full: from now on not all is seen.
    Full {
        /// Of what.
        table: &'static str,
    },
}

impl Finding {
    /// The kernel's words for it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Recursive { .. } => "WARNING: possible recursive locking detected",
            Self::Circular { .. } => "WARNING: possible circular locking dependency detected",
            Self::InconsistentState { .. } => "WARNING: inconsistent lock state",
            Self::IrqInversion { .. } => "WARNING: possible irq lock inversion dependency detected",
            Self::IrqOrder { safe, .. } => match (safe.mark.irq(), safe.mark.is_read()) {
                (Irq::Hard, false) => "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
                (Irq::Hard, true) => {
                    "WARNING: HARDIRQ-READ-safe -> HARDIRQ-READ-unsafe lock order detected"
                }
                (Irq::Soft, false) => "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
                (Irq::Soft, true) => {
                    "WARNING: SOFTIRQ-READ-safe -> SOFTIRQ-READ-unsafe lock order detected"
                }
            },
            Self::WaitContext { .. } => "[ BUG: Invalid wait context ]",
            Self::UnlockBalance { .. } => "WARNING: bad unlock balance detected!",
            Self::NestNotHeld { .. } => "WARNING: Nested lock was not taken",
            Self::HeldLockFreed { .. } => "WARNING: held lock freed!",
            Self::HeldAtExit => "WARNING: lock held at task exit",
            Self::IrqsOnInHardirq { .. } => "WARNING: interrupts turned on in a hardirq handler",
            Self::Misuse { .. } => "WARNING: lock used wrongly",
            Self::Full { .. } => "BUG: lockdep's tables are too small",
        }
    }
}

/// A mistake, and in what state the task made it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The mistake.
    pub finding: Finding,
    /// The task's name.
    pub task: Text<16>,
    /// Its number.
    pub pid: i32,
    /// Where it is.
    pub context: Context,
    /// Interrupts are on, as the engine was told.
    pub irqs_enabled: bool,
    /// Where that was.
    pub irqs_at: usize,
    /// The locks that it holds, the first first.
    pub held: List<HeldInfo, 16>,
}
