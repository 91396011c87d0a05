// SPDX-License-Identifier: GPL-2.0-only

//! What every driver starts with: `use kernel::prelude::*;`.
//!
//! With it comes [`Init`], as in Linux, and an [`Init`] is every value of its own type. So it has a
//! `chain()` beside that of an iterator, and "multiple `chain` found" says the compiler, and offers
//! both. It is the second that an iterator wants:
//!
//! ```
//! use kernel::prelude::*;
//!
//! let (old, new) = ([1, 2], [3]);
//! assert_eq!(Iterator::chain(old.iter(), &new).count(), 3);
//! ```

#[doc(no_inline)]
pub use core::{
    mem::{align_of, align_of_val, size_of, size_of_val},
    pin::Pin,
};

#[doc(no_inline)]
pub use crate::ffi::{
    c_char, c_int, c_long, c_longlong, c_schar, c_short, c_uchar, c_uint, c_ulong, c_ulonglong,
    c_ushort, c_void, CStr,
};

#[doc(no_inline)]
pub use crate::macros::{fmt, kunit_tests, module, vtable};

#[doc(no_inline)]
pub use pin_init::{init, pin_data, pin_init, pinned_drop, InPlaceWrite, Init, PinInit, Zeroable};

#[doc(no_inline)]
pub use crate::{
    alloc::{flags::*, Box, KBox, KVBox, KVVec, KVec, VBox, VVec, Vec},
    build_assert::{build_assert, build_error, const_assert, static_assert},
    current, dbg, dev_alert, dev_crit, dev_dbg, dev_emerg, dev_err, dev_info, dev_notice, dev_warn,
    error::{code::*, Error, Result},
    init::InPlaceInit,
    pr_alert, pr_crit, pr_debug, pr_emerg, pr_err, pr_info, pr_notice, pr_warn,
    str::CStrExt as _,
    try_init, try_pin_init, ThisModule,
};
