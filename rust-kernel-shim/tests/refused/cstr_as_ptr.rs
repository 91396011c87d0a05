// SPDX-License-Identifier: GPL-2.0-only

//! The characters of `CStr::as_ptr()` have a sign, C's have none.

use kernel::prelude::*;

fn puts(_: *const c_char) {}

fn main() {
    puts(c"text".as_ptr());
}
