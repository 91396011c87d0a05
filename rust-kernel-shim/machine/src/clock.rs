// SPDX-License-Identifier: GPL-2.0-only
//! The clocks: those of the host, or that of a virtual CPU.

use super::vcpu;

/// Nanoseconds of a host clock.
fn host(id: libc::clockid_t) -> i64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is valid for the write, and the identifiers passed below exist on Linux.
    unsafe { libc::clock_gettime(id, &mut ts) };
    ts.tv_sec * 1_000_000_000 + ts.tv_nsec
}

/// Nanoseconds since the host started; never goes back, and goes on where virtual time does not.
pub fn host_monotonic() -> i64 {
    host(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since the machine started; never goes back.
pub fn monotonic() -> i64 {
    match vcpu::with(|vcpu| vcpu.now()) {
        // Virtual time may run past what 63 bits hold (a wait of years is over in no time).
        Some(now) => i64::try_from(now).unwrap_or(i64::MAX),
        None => host_monotonic(),
    }
}

/// As [`monotonic`], of the host's last tick, some milliseconds ago: which is told faster.
pub fn monotonic_coarse() -> i64 {
    match vcpu::with(|_| ()) {
        Some(()) => monotonic(),
        None => host(libc::CLOCK_MONOTONIC_COARSE),
    }
}

/// Nanoseconds since 1970; on a virtual CPU the virtual time, so that a run repeats.
pub fn real() -> i64 {
    match vcpu::current() {
        Some(_) => monotonic(),
        None => host(libc::CLOCK_REALTIME),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn real_time_is_that_of_the_host() {
        let host = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (before, now, after) = (host(), super::real(), host());
        let now = u128::try_from(now).unwrap();
        assert!((before.as_nanos()..=after.as_nanos()).contains(&now));
    }
}
