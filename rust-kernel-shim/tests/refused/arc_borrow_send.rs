// SPDX-License-Identifier: GPL-2.0-only

//! A borrow of an `Arc` stays in its thread.

use kernel::sync::Arc;

fn send<T: Send>(_: T) {}

fn borrow(arc: &Arc<u32>) {
    send(arc.as_arc_borrow());
}

fn main() {}
