// SPDX-License-Identifier: GPL-2.0-only

//! Reports of what cannot happen.
//!
//! C header: [`include/linux/bug.h`](srctree/include/linux/bug.h).

/// Reports a condition that should not hold, and evaluates to it.
#[doc(alias = "WARN_ON")]
#[macro_export]
macro_rules! warn_on {
    ($cond:expr) => {
        $crate::WARN_ON!($cond)
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_condition() {
        crate::testing::expect_bug("[1 > 0]", || assert!(crate::warn_on!(1 > 0)));
        assert!(!crate::warn_on!(1 < 0));
    }
}
