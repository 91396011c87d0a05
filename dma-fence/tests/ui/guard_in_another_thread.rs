// SPDX-License-Identifier: GPL-2.0-only
//! A read-side section ends on the thread on which it began.

use kernel::sync::rcu;

fn main() {
    let guard = rcu::read_lock();
    std::thread::spawn(move || drop(guard));
}
