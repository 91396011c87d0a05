// SPDX-License-Identifier: GPL-2.0-only
//! Sorting in place.
//!
//! C header: [`include/linux/sort.h`](srctree/include/linux/sort.h)
//!
//! A heapsort, which takes its time whatever it is given, and ends even if what it is given has no
//! order: there Rust's own may panic. Where that is so, or where items are equal, the result depends on
//! the steps. These are Linux's: an item first sinks to the bottom, by way of the larger ones, and rises
//! from there; and of a heap the two largest are taken at a time.

use crate::ffi::c_int;

/// Sorts `items`; `cmp` is below 0, 0 or above if the first that it is given comes before the second,
/// is equal, or comes after. Compares about n log n times. From any context that `cmp` may run in.
pub fn sort<T>(items: &mut [T], mut cmp: impl FnMut(&T, &T) -> c_int) {
    let mut n = items.len();
    if n < 2 {
        return;
    }
    for at in (0..n / 2).rev() {
        sink(items, at, &mut cmp);
    }
    while n > 3 {
        items.swap(0, n - 1);
        let second = if cmp(&items[1], &items[2]) > 0 { 1 } else { 2 };
        n -= 2;
        items.swap(second, n);
        sink(&mut items[..n], second, &mut cmp);
        sink(&mut items[..n], 0, &mut cmp);
    }
    items.swap(0, n - 1);
    if n == 3 && cmp(&items[0], &items[1]) > 0 {
        items.swap(0, 1);
    }
}

/// Makes a heap of what is one but for the item `at`.
fn sink<T>(heap: &mut [T], at: usize, cmp: &mut impl FnMut(&T, &T) -> c_int) {
    let mut to = at;
    loop {
        let (left, right) = (2 * to + 1, 2 * to + 2);
        if right >= heap.len() {
            if right == heap.len() {
                to = left;
            }
            break;
        }
        let larger = cmp(&heap[left], &heap[right]) > 0;
        to = if larger { left } else { right };
    }
    while to != at && cmp(&heap[at], &heap[to]) >= 0 {
        to = (to - 1) / 2;
    }
    // The items on the way rise by one.
    let mut place = to;
    while place != at {
        place = (place - 1) / 2;
        heap.swap(place, to);
    }
}
