// SPDX-License-Identifier: GPL-2.0-only

//! Switches that cost next to nothing while they are off.
//!
//! C header: [`include/linux/jump_label.h`](srctree/include/linux/jump_label.h).
//!
//! As in a kernel without `CONFIG_JUMP_LABEL`, a switch is a counter that is read.

/// True if the `static_key_false` that is `$field` in the static `$key` of type `$ty` is on.
///
/// # Safety
///
/// `$key` is a static of C's.
#[macro_export]
#[doc(hidden)]
macro_rules! static_branch_unlikely {
    ($key:path, $ty:ty, $field:ident) => {{
        let key: *const $ty = &raw const $key;
        let key: *const $crate::bindings::static_key_false = &raw const (*key).$field;
        $crate::bindings::static_key_count(key.cast_mut().cast()) > 0
    }};
}

#[doc(inline)]
pub use static_branch_unlikely;
