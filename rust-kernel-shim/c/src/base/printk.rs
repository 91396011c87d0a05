// SPDX-License-Identifier: GPL-2.0-only
//! The kernel log.
//!
//! C header: [`include/linux/printk.h`](srctree/include/linux/printk.h)

use crate::ffi::c_void;
use crate::tracepoint;
use core::{ffi::CStr, fmt};
use machine::console;

/// The system is unusable.
pub const KERN_EMERG: u8 = 0;
/// Something must be done at once.
pub const KERN_ALERT: u8 = 1;
/// A critical condition.
pub const KERN_CRIT: u8 = 2;
/// An error.
pub const KERN_ERR: u8 = 3;
/// A warning.
pub const KERN_WARNING: u8 = 4;
/// Normal, but worth a note.
pub const KERN_NOTICE: u8 = 5;
/// Information.
pub const KERN_INFO: u8 = 6;
/// For debugging.
pub const KERN_DEBUG: u8 = 7;

/// The event of a line that went to the log; its object is a `&str`.
pub static __tracepoint_console: tracepoint = tracepoint::new(c"printk", c"console", print_line);

/// # Safety
///
/// `line` points to a `&str`.
unsafe fn print_line(line: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result {
    // SAFETY: `line` points to a `&str`: the caller's guarantee.
    out.write_str(unsafe { *line.cast::<&str>() })
}

/// Writes a message to the log. From any context.
///
/// `prefix` is the NUL-terminated name of the module that speaks, or empty; the message ends
/// with a newline. C's takes a format and its arguments.
pub fn printk(level: u8, prefix: &[u8], args: fmt::Arguments<'_>) {
    let prefix = CStr::from_bytes_until_nul(prefix)
        .ok()
        .and_then(|prefix| prefix.to_str().ok())
        .unwrap_or("");
    let trace = |line: &str| {
        let line: *const &str = &line;
        // SAFETY: The probes get a pointer to a `&str`, as the event promises.
        unsafe { __tracepoint_console.hit(line.cast_mut().cast()) };
    };
    if prefix.is_empty() {
        console::emit(level, args, trace);
    } else {
        console::emit(level, format_args!("{prefix}: {args}"), trace);
    }
}

/// Continues a message that did not end with a newline; here as another one. From any context.
pub fn printk_cont(args: fmt::Arguments<'_>) {
    printk(KERN_INFO, b"\0", args)
}
