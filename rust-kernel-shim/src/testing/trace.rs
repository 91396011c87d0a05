// SPDX-License-Identifier: GPL-2.0-only
//! The trace buffer, for tests to read.

use crate::{
    bindings::{trace_event_disable, trace_event_enable, tracepoint},
    error::{to_result, Result},
};
use machine::trace;

/// An event that is recorded until this is dropped.
pub struct Recording(&'static tracepoint);

/// Records an event.
///
/// # Errors
///
/// ENOMEM, and EBUSY if it has too many listeners already.
pub fn record(event: &'static tracepoint) -> Result<Recording> {
    to_result(trace_event_enable(event))?;
    Ok(Recording(event))
}

impl Drop for Recording {
    fn drop(&mut self) {
        trace_event_disable(self.0);
    }
}

/// Takes all recorded events out of the buffer, the oldest first, and calls `f` with each;
/// returns the number of those that were lost before because the buffer was full.
pub fn take(mut f: impl FnMut(&str)) -> usize {
    let (events, lost) = trace::take();
    events.iter().for_each(|event| f(event));
    lost
}
