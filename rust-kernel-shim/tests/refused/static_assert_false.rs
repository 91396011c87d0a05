// SPDX-License-Identifier: GPL-2.0-only

//! A static assertion fails the build.

use kernel::prelude::*;

static_assert!(size_of::<c_long>() == 1, "longs are long");

fn main() {}
