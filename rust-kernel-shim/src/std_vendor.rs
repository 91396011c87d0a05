// SPDX-License-Identifier: GPL-2.0-only

//! What Rust's own library has in `std`, on the kernel's log.
//!
//! C header: none.

/// Prints an expression, its value and the place, and returns the value; only for a while, to look
/// at something.
///
/// # Examples
///
/// ```
/// # const __LOG_PREFIX: &[u8] = b"example\0"; // as module! has it
/// # fn main() {
/// let number = kernel::dbg!(1 + 1) * 2;
/// assert_eq!(number, 4);
/// assert_eq!(kernel::dbg!(number, "text"), (4, "text"));
/// # }
/// ```
#[macro_export]
macro_rules! dbg {
    () => {
        $crate::pr_info!("[{}:{}:{}]\n", ::core::file!(), ::core::line!(), ::core::column!())
    };
    ($value:expr $(,)?) => {
        // The temporaries in it live until the value is printed.
        match $value {
            value => {
                $crate::pr_info!(
                    "[{}:{}:{}] {} = {:#?}\n",
                    ::core::file!(), ::core::line!(), ::core::column!(),
                    ::core::stringify!($value), &value
                );
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => {
        ($($crate::dbg!($value)),+,)
    };
}
