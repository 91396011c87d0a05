// SPDX-License-Identifier: GPL-2.0-only
//! Sorting in place.

use kernel::bindings::sort;

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
    *seed >> 33
}

#[test]
fn anything_is_sorted_in_time() {
    let mut seed = 1;
    for n in (0..100).chain([1000, 10_000, 100_000]) {
        let mut items: Vec<u64> = (0..n).map(|_| random(&mut seed) % (n + 1)).collect();
        let mut sorted = items.clone();
        sorted.sort_unstable();
        let mut compared = 0;
        sort(&mut items, |a, b| {
            compared += 1;
            a.cmp(b) as i32
        });
        assert_eq!(items, sorted);
        let log = u64::from((n + 1).ilog2() + 1);
        assert!(compared <= n * log + n, "{compared} for {n}");
    }
}

#[test]
fn what_has_no_order_ends_too() {
    let mut seed = 1;
    for n in 0..100 {
        let mut items: Vec<u64> = (0..n).collect();
        sort(&mut items, |_, _| (random(&mut seed) % 3) as i32 - 1);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..n));
    }
}

/// Of equal items, and where there is no order, the steps count: these come out of Linux's.
#[test]
fn the_steps_are_those_of_linux() {
    let sorted = |n: u32, cmp: fn(u32, u32) -> i32| {
        let mut items: Vec<u32> = (0..n).collect();
        sort(&mut items, |&a, &b| cmp(a, b));
        items
    };
    assert_eq!(sorted(9, |_, _| 0), [3, 1, 4, 5, 6, 7, 8, 2, 0]);
    let odd = sorted(9, |a, b| (a as i32 * 5 - b as i32 * 7) % 3);
    assert_eq!(odd, [0, 8, 1, 4, 2, 3, 7, 5, 6]);
}
