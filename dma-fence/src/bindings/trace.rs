// SPDX-License-Identifier: GPL-2.0-only
//! The seven trace events, in two classes.
//!
//! C header: [`include/trace/events/dma_fence.h`](srctree/include/trace/events/dma_fence.h)
//!
//! The class `dma_fence` asks for the names as all users of a fence do. The class `dma_fence_ops`
//! (`dma_fence_unsignaled` in the patch) asks the ops themselves: it is for places in which no other
//! task can signal the fence, and where its names are those of the driver although the bit may be
//! set already.

use super::{
    super::contract, dma_fence, dma_fence_driver_name, dma_fence_ops, dma_fence_timeline_name,
    fence::live,
};
use core::{ffi::CStr, fmt};
use kernel::{
    bindings::tracepoint,
    ffi::{c_char, c_void},
    str::CStrExt as _,
};

/// Writes a name byte for byte, as far as it is text.
fn write_name(out: &mut dyn fmt::Write, name: &CStr) -> fmt::Result {
    for chunk in name.to_bytes().utf8_chunks() {
        out.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            out.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}

/// # Safety
///
/// `fence` is valid; the names live until the call is over.
unsafe fn print(
    fence: *mut dma_fence,
    driver: *const c_char,
    timeline: *const c_char,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    // SAFETY: `fence` is valid, and the names live until the call is over.
    let (f, driver, timeline) = unsafe {
        (
            &*fence,
            CStr::from_char_ptr(driver),
            CStr::from_char_ptr(timeline),
        )
    };
    out.write_str("driver=")?;
    write_name(out, driver)?;
    out.write_str(" timeline=")?;
    write_name(out, timeline)?;
    // CAST: The events have 32 bits for each.
    let (context, seqno) = (f.context as u32, f.seqno as u32);
    write!(out, " context={context} seqno={seqno}")
}

/// The class `dma_fence`.
///
/// # Safety
///
/// `object` is a valid fence, and this is a read-side section.
unsafe fn print_dma_fence(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result {
    let fence = object.cast();
    // SAFETY: `object` is a valid fence, inside a read-side section.
    unsafe {
        let (driver, timeline) = (dma_fence_driver_name(fence), dma_fence_timeline_name(fence));
        print(fence, driver, timeline, out)
    }
}

/// The class `dma_fence_ops`.
///
/// # Safety
///
/// `object` is a valid fence whose ops are attached and stay so during the call.
unsafe fn print_dma_fence_ops(object: *mut c_void, out: &mut dyn fmt::Write) -> fmt::Result {
    let fence: *mut dma_fence = object.cast();
    // SAFETY: The fence is valid, with its ops attached, of which both are mandatory.
    unsafe {
        contract::ops_ptr(live(fence));
        let Some(dma_fence_ops {
            get_driver_name: Some(driver),
            get_timeline_name: Some(timeline),
            ..
        }) = live(fence).ops().map(|ops| *ops.as_ref())
        else {
            return Err(fmt::Error);
        };
        print(fence, driver(fence), timeline(fence), out)
    }
}

macro_rules! define_events {
    ($($(#[$doc:meta])* $class:ident, $name:ident, $trace:ident, $enabled:ident, $tp:ident;)*) => {$(
        $(#[$doc])*
        pub static $tp: tracepoint = tracepoint::new(
            c"dma_fence",
            // The name is that of the C event, which is the identifier's.
            match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("an identifier has no NUL"),
            },
            $class,
        );

        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// As the printing function of the event's class above.
        #[inline(always)]
        pub unsafe fn $trace(fence: *mut dma_fence) {
            // SAFETY: The fence is as the class asks for.
            unsafe { $tp.hit(fence.cast()) }
        }

        /// True if a probe is registered for the event.
        #[inline(always)]
        pub unsafe fn $enabled() -> bool {
            $tp.enabled()
        }
    )*};
}

define_events! {
    /// A driver has sent a fence on its way.
    print_dma_fence, dma_fence_emit, trace_dma_fence_emit, trace_dma_fence_emit_enabled,
    __tracepoint_dma_fence_emit;
    /// A fence was initialised.
    print_dma_fence_ops, dma_fence_init, trace_dma_fence_init, trace_dma_fence_init_enabled,
    __tracepoint_dma_fence_init;
    /// The last reference to a fence was dropped.
    print_dma_fence, dma_fence_destroy, trace_dma_fence_destroy,
    trace_dma_fence_destroy_enabled, __tracepoint_dma_fence_destroy;
    /// The signal of a fence is wanted for the first time.
    print_dma_fence_ops, dma_fence_enable_signal, trace_dma_fence_enable_signal,
    trace_dma_fence_enable_signal_enabled, __tracepoint_dma_fence_enable_signal;
    /// A fence has signalled.
    print_dma_fence_ops, dma_fence_signaled, trace_dma_fence_signaled,
    trace_dma_fence_signaled_enabled, __tracepoint_dma_fence_signaled;
    /// A wait for a fence begins.
    print_dma_fence, dma_fence_wait_start, trace_dma_fence_wait_start,
    trace_dma_fence_wait_start_enabled, __tracepoint_dma_fence_wait_start;
    /// A wait for a fence has ended.
    print_dma_fence, dma_fence_wait_end, trace_dma_fence_wait_end,
    trace_dma_fence_wait_end_enabled, __tracepoint_dma_fence_wait_end;
}
