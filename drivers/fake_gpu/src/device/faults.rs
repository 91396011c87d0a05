// SPDX-License-Identifier: GPL-2.0-only
//! The faults of the hardware, and how often they happen.
#![forbid(unsafe_code)]

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

/// The generator that decides about faults by a seed (SplitMix64).
pub(super) struct Dice {
    faults: Faults,
    state: u64,
}

impl Dice {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            state: seed,
        }
    }

    /// True if `fault` happens now.
    pub(super) fn throw(&mut self, fault: Fault) -> bool {
        match self.faults.rate(fault) {
            0 => false,
            rate => self.next() % 1000 < u64::from(rate),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dice, Faults};

    /// The numbers that SplitMix64 has everywhere for this seed.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut dice = Dice::new(Faults::NONE, 1_234_567);
        let numbers = [(); 3].map(|()| dice.next());
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(numbers, known);
    }
}
