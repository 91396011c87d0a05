// SPDX-License-Identifier: GPL-2.0-only
//! What a module does with fences while it is loaded, as text to compare with Linux's.

use super::EVENTS;
use kernel::{
    error::{code::ENOSPC, Result},
    module::{InPlaceModule, ModuleMetadata},
    pr_err,
    str::{CStr, CString},
    testing::{console, insmod_with, trace, vcpu},
};

/// Calls `body`, and `f` with each event of all fences meanwhile, as tracefs prints it, without task and
/// time. May sleep.
///
/// # Errors
///
/// Those of `body`; ENOSPC if the trace buffer was too small; those of [`trace::record`].
pub fn trace_fences(body: impl FnOnce() -> Result, mut f: impl FnMut(&str)) -> Result {
    trace::take(|_| {});
    let recordings = EVENTS.map(trace::record);
    let result = body();
    let recorded = recordings
        .into_iter()
        .try_for_each(|recording| recording.map(drop));
    let lost = trace::take(|event| f(&event[event.find("dma_fence_").unwrap_or(0)..]));
    result.and(recorded)?;
    if lost > 0 {
        pr_err!("{lost} events did not fit into the trace buffer: expected a smaller workload\n");
        return Err(ENOSPC);
    }
    Ok(())
}

/// Loads a module with `parameters` on a [machine of its own](vcpu::fifo) and unloads it. Calls `f` with
/// each event of its fences, and then with each line of the log meanwhile that begins with the module's
/// name.
///
/// That of a module whose [workload](../../../book/workloads.html) does not depend on time is the same in
/// Linux, which `scripts/kernel-lane --run` looks at.
///
/// # Errors
///
/// Those of [`insmod_with`] and of [`trace_fences`].
///
/// # Panics
///
/// As [`vcpu::fifo`], and if the machine is stuck.
#[track_caller]
pub fn workload<M: InPlaceModule + ModuleMetadata>(
    parameters: &CStr,
    mut f: impl FnMut(&str),
) -> Result {
    let parameters = CString::try_from(parameters)?;
    let mut before = 0;
    console::lines(|_| before += 1);
    let load = move || insmod_with::<M>(&parameters).map(drop);
    trace_fences(
        || vcpu::fifo(load).unwrap_or_else(|stuck| panic!("{stuck}")),
        &mut f,
    )?;
    console::lines(|line| {
        if before > 0 {
            before -= 1;
            return;
        }
        let rest = line.strip_prefix(M::NAME.to_str().unwrap_or_default());
        if rest.is_some_and(|rest| rest.starts_with(": ")) {
            f(line);
        }
    });
    Ok(())
}
