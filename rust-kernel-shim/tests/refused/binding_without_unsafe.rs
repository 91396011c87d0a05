// SPDX-License-Identifier: GPL-2.0-only

//! A binding, called by a driver that promises not to.

#![forbid(unsafe_code)]

fn main() {
    kernel::bindings::msleep(1);
}
