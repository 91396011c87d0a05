// SPDX-License-Identifier: GPL-2.0-only

//! Tracepoints that C defines.
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h).

/// Declares the functions by which Rust hits tracepoints.
///
/// What `bindings` has for a tracepoint `x` is `__tracepoint_x`, and `rust_do_trace_x()` with the
/// same arguments, which is called only if there is a listener.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
///
/// kernel::declare_trace! {
///     /// # Safety
///     ///
///     /// None is needed.
///     unsafe fn rust_sample_loaded(magic: c_int);
/// }
///
/// // SAFETY: None is needed.
/// unsafe { rust_sample_loaded(42) };
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! declare_trace {
    ($(
        $(#[$attr:meta])*
        $vis:vis unsafe fn $name:ident($($arg:ident: $ty:ty),* $(,)?);
    )*) => {$(
        $(#[$attr])*
        #[inline(always)]
        $vis unsafe fn $name($($arg: $ty),*) {
            $crate::macros::paste! {
                // SAFETY: The key is that of a tracepoint, which is static.
                let enabled = unsafe {
                    $crate::jump_label::static_branch_unlikely!(
                        $crate::bindings::[<__tracepoint_ $name>],
                        $crate::bindings::tracepoint,
                        key
                    )
                };
                if enabled {
                    // SAFETY: The caller keeps what the tracepoint asks of it.
                    unsafe { $crate::bindings::[<rust_do_trace_ $name>]($($arg),*) };
                }
            }
        }
    )*};
}

#[doc(inline)]
pub use declare_trace;
