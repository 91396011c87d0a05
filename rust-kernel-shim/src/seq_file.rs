// SPDX-License-Identifier: GPL-2.0-only

//! Files that a driver prints into.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h).

use crate::{
    bindings, fmt,
    types::{NotThreadSafe, Opaque},
};

/// The state of one read of a file that a driver prints into.
#[doc(alias = "seq_file")]
#[repr(transparent)]
pub struct SeqFile {
    inner: Opaque<bindings::seq_file>,
    _not_send: NotThreadSafe,
}

impl SeqFile {
    /// Wraps C's pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`, and only this thread uses it meanwhile.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::seq_file) -> &'a SeqFile {
        // SAFETY: Valid during 'a: the caller's guarantee. A `SeqFile` is what C has.
        unsafe { &*ptr.cast() }
    }

    /// Appends formatted text; called by [`seq_print!`](crate::seq_print).
    #[doc(alias = "seq_printf")]
    #[inline]
    pub fn call_printf(&self, args: fmt::Arguments<'_>) {
        // SAFETY: The file is valid and this thread's.
        unsafe { bindings::seq_vprintf(self.inner.get(), args) };
    }
}

/// Prints into a [`SeqFile`](crate::seq_file::SeqFile).
#[macro_export]
macro_rules! seq_print {
    ($m:expr, $($arg:tt)+) => {
        $m.call_printf($crate::prelude::fmt!($($arg)+))
    };
}
pub use seq_print;
