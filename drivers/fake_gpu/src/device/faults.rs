// SPDX-License-Identifier: GPL-2.0-only
//! The faults of the hardware, and how often they happen.
#![forbid(unsafe_code)]

use crate::rng::Rng;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An interrupt is not delivered.
    LostInterrupt,
    /// An interrupt is delivered some ticks later.
    LateInterrupt,
    /// There is an interrupt without a reason.
    SpuriousInterrupt,
    /// Half of what is written back arrives some ticks later, after the interrupt.
    TornWriteBack,
    /// The engine stops forever.
    Hang,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 5] = [
        Fault::LostInterrupt,
        Fault::LateInterrupt,
        Fault::SpuriousInterrupt,
        Fault::TornWriteBack,
        Fault::Hang,
    ];

    /// Returns the name that users write.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::LostInterrupt => "lost",
            Fault::LateInterrupt => "late",
            Fault::SpuriousInterrupt => "spurious",
            Fault::TornWriteBack => "torn",
            Fault::Hang => "hang",
        }
    }
}

/// The rate of each kind of fault, per mille.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults([u32; Fault::ALL.len()]);

impl Faults {
    /// Hardware as it should be.
    pub const NONE: Faults = Faults([0; Fault::ALL.len()]);

    /// These, and `fault` at `rate` per mille.
    pub const fn with(mut self, fault: Fault, rate: u32) -> Self {
        self.0[fault as usize] = rate;
        self
    }

    /// Returns the rate of `fault`, per mille.
    pub const fn rate(self, fault: Fault) -> u32 {
        self.0[fault as usize]
    }
}

/// Decides about faults by a seed.
pub(super) struct Dice {
    faults: Faults,
    rng: Rng,
}

impl Dice {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            rng: Rng(seed),
        }
    }

    /// True if `fault` happens now.
    pub(super) fn throw(&mut self, fault: Fault) -> bool {
        match self.faults.rate(fault) {
            0 => false,
            rate => self.rng.next() % 1000 < u64::from(rate),
        }
    }
}
