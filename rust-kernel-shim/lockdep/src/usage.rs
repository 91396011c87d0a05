// SPDX-License-Identifier: GPL-2.0-only
//! How locks of a class were used, as far as interrupts go.

use core::fmt;

/// A kind of interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irq {
    /// A hard interrupt.
    Hard,
    /// A soft interrupt.
    Soft,
}

impl Irq {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hard => "HARDIRQ",
            Self::Soft => "SOFTIRQ",
        }
    }
}

/// One of the eight marks of a class.
///
/// | bit | 0 | 1 |
/// |---|---|---|
/// | 0 | as writer | as reader |
/// | 1 | taken in such an interrupt | held with such interrupts on |
/// | 2 | hard | soft |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u8);

/// Marks, a bit each.
pub(crate) type Marks = u8;

const READ: u8 = 1;
const ENABLED: u8 = 2;
/// All marks of writers.
pub(crate) const WRITES: Marks = 0b0101_0101;
/// All marks of locks that were taken in interrupts.
pub(crate) const USED_IN: Marks = 0b0011_0011;

impl Mark {
    /// Taken in an interrupt.
    #[inline]
    pub(crate) const fn used_in(irq: Irq) -> Self {
        Self((irq as u8) << 2)
    }

    /// Held with interrupts on.
    #[inline]
    pub(crate) const fn enabled(irq: Irq) -> Self {
        Self((irq as u8) << 2 | ENABLED)
    }

    /// Those of interrupts of both kinds, by a lock that is held so.
    pub(crate) fn all_enabled(read: u8) -> Marks {
        let marks = [Irq::Hard, Irq::Soft].map(|irq| Self::enabled(irq).held(read).bit());
        marks[0] | marks[1]
    }

    /// The same by a lock that is held so.
    #[inline]
    pub(crate) const fn held(self, read: u8) -> Self {
        Self(self.0 | if read != 0 { READ } else { 0 })
    }

    #[inline]
    pub(crate) const fn bit(self) -> Marks {
        1 << self.0
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The kind of interrupt.
    pub const fn irq(self) -> Irq {
        if self.0 >> 2 == 0 {
            Irq::Hard
        } else {
            Irq::Soft
        }
    }

    /// A reader's.
    pub const fn is_read(self) -> bool {
        self.0 & READ != 0
    }

    /// Held with interrupts on, rather than taken in one.
    pub const fn is_enabled(self) -> bool {
        self.0 & ENABLED != 0
    }

    /// What must not meet it: the writer's mark, then the reader's.
    #[inline]
    pub(crate) const fn opposite(self) -> [Self; 2] {
        let write = (self.0 ^ ENABLED) & !READ;
        [Self(write), Self(write | READ)]
    }

    /// Of `marks`, those of [`opposite`](Self::opposite), writer first.
    pub(crate) fn opposed_by(self, marks: Marks) -> Option<Self> {
        let mut opposite = self.opposite().into_iter();
        opposite.find(|mark| marks & mark.bit() != 0)
    }

    /// Each of these.
    pub(crate) fn all(marks: Marks) -> impl Iterator<Item = Self> {
        (0..8).map(Self).filter(move |mark| marks & mark.bit() != 0)
    }

    /// The first pair of marks, one of each, that must not meet.
    pub(crate) fn clash(used_in: Marks, enabled: Marks) -> Option<(Self, Self)> {
        Self::all(used_in & USED_IN).find_map(|mark| Some((mark, mark.opposed_by(enabled)?)))
    }

    /// "HARDIRQ", or "HARDIRQ-READ".
    pub const fn state(self) -> &'static str {
        match (self.irq(), self.is_read()) {
            (irq, false) => irq.name(),
            (Irq::Hard, true) => "HARDIRQ-READ",
            (Irq::Soft, true) => "SOFTIRQ-READ",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_read() { "R" } else { "W" };
        let irq = self.irq().name();
        if self.is_enabled() {
            write!(f, "{irq}-ON-{how}")
        } else {
            write!(f, "IN-{irq}-{how}")
        }
    }
}

/// What must not meet any of those taken in interrupts: all marks of the same kinds that are held
/// with interrupts on.
pub(crate) const fn opposed(used_in: Marks) -> Marks {
    let enabled = (used_in & USED_IN) << 2;
    enabled | (enabled & WRITES) << 1 | (enabled & !WRITES) >> 1
}

/// The four characters in reports: hard as writer, as reader, soft as writer, as reader.
pub(crate) fn characters(marks: Marks) -> [char; 4] {
    let character = |used_in: u8| {
        let has = |mark: u8| marks & 1 << mark != 0;
        match (has(used_in), has(used_in | ENABLED)) {
            (false, false) => '.',
            (true, false) => '-',
            (false, true) => '+',
            (true, true) => '?',
        }
    };
    [0, 1, 4, 5].map(character)
}
