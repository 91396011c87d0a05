// SPDX-License-Identifier: GPL-2.0-only

//! What the macro has for itself has no name.

use pin_init::init;

struct S {
    a: u32,
    b: u32,
}

fn main() {
    let _ = init!(S { a: 1, b: { core::mem::forget(__a_guard); 2 } });
    // SAFETY: It is not compiled: there is no `slot`.
    let _ = init!(S { a: 1, b: unsafe { (*slot).a } });
}
