// SPDX-License-Identifier: GPL-2.0-only
// A register that is not there, and a field that does not fit, are seen when it is built.

use kernel::{bitfield, io::register};

register! {
    FOUR(u32)[4] @ 0x0 {
        31:0 all;
    }
    FIFTH(u32) => FOUR[4] {
        31:0 all;
    }
}

bitfield! {
    struct Small(u8) {
        0:3 reversed;
    }
}

bitfield! {
    struct TooSmall(u8) {
        8:0 more;
    }
}

fn main() {}
