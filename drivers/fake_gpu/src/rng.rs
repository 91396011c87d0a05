// SPDX-License-Identifier: GPL-2.0-only
//! Numbers that a seed decides, the same in Linux as here.
#![forbid(unsafe_code)]

/// SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let random = self.next() >> 32;
        // CAST: No bound here has more than 32 bits, and what is left is less.
        ((random * u64::from(bound as u32)) >> 32) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    /// The numbers that SplitMix64 has everywhere for this seed.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut rng = Rng(1_234_567);
        let numbers = [(); 3].map(|()| rng.next());
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(numbers, known);
    }
}
