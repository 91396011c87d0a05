// SPDX-License-Identifier: GPL-2.0-only
//! Listening to the trace events of all fences.

use super::super::bindings::{
    self, dma_fence, dma_fence_driver_name, dma_fence_error, dma_fence_ops, dma_fence_ops_ptr,
    dma_fence_timeline_name,
};
use core::{ffi::CStr, ptr};
use kernel::{
    bindings::{tracepoint, tracepoint_probe_register, tracepoint_probe_unregister},
    error::{to_result, Error, Result},
    ffi::c_void,
    str::CStrExt as _,
};

/// The trace events, to be recorded by [`kernel::testing::trace`].
pub static EVENTS: [&tracepoint; 7] = [
    &bindings::__tracepoint_dma_fence_emit,
    &bindings::__tracepoint_dma_fence_init,
    &bindings::__tracepoint_dma_fence_destroy,
    &bindings::__tracepoint_dma_fence_enable_signal,
    &bindings::__tracepoint_dma_fence_signaled,
    &bindings::__tracepoint_dma_fence_wait_start,
    &bindings::__tracepoint_dma_fence_wait_end,
];

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It was initialised.
    Init,
    /// It has signalled; its callbacks run next.
    Signaled,
    /// Its last reference was dropped.
    Destroy,
}

/// An event of a fence, while it happens.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The kind.
    pub kind: Kind,
    /// The driver's name; that of a detached driver in a [`Kind::Destroy`] after the signal.
    pub driver: &'a CStr,
    /// The timeline's name; likewise.
    pub timeline: &'a CStr,
    /// The number of the context.
    pub context: u64,
    /// The sequence number.
    pub seqno: u64,
    /// The error, if there is one.
    pub error: Option<Error>,
}

/// A listener to the events of fences.
pub trait Listener: Sync + 'static {
    /// Something happens. Called in the thread in which it does, in any context and maybe with
    /// the fence's lock held: must not sleep, nor do anything with a fence.
    fn event(&self, event: &Event<'_>);
}

type Probe = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// Calls `listener` for all fences of the machine until the result is dropped. May sleep.
///
/// # Errors
///
/// ENOMEM; EBUSY if there are too many listeners already.
pub fn listen<L: Listener>(listener: &'static L) -> Result<Listening<L>> {
    let mut listening = Listening {
        listener,
        probes: 0,
    };
    for (event, probe) in Listening::<L>::PROBES {
        // SAFETY: The probes take the listener, which is static, and fences.
        to_result(unsafe { tracepoint_probe_register(event, probe, listening.data()) })?;
        listening.probes += 1;
    }
    Ok(listening)
}

/// A registered listener; dropping this ends the listening.
#[must_use = "dropping it ends the listening"]
pub struct Listening<L: Listener> {
    listener: &'static L,
    /// The number of registered probes.
    probes: usize,
}

impl<L: Listener> Listening<L> {
    const KINDS: [Kind; 3] = [Kind::Init, Kind::Signaled, Kind::Destroy];
    const PROBES: [(&'static tracepoint, Probe); 3] = [
        (&bindings::__tracepoint_dma_fence_init, Self::probe::<0>),
        (&bindings::__tracepoint_dma_fence_signaled, Self::probe::<1>),
        (&bindings::__tracepoint_dma_fence_destroy, Self::probe::<2>),
    ];

    fn data(&self) -> *mut c_void {
        ptr::from_ref(self.listener).cast_mut().cast()
    }

    /// Passes on an event of the kind `KINDS[KIND]`.
    ///
    /// # Safety
    ///
    /// `listener` is an `L`; `fence` is valid, and this is a read-side section. Unless it is
    /// destroyed, its ops are attached.
    unsafe extern "C" fn probe<const KIND: usize>(listener: *mut c_void, fence: *mut c_void) {
        let (fence, kind): (*mut dma_fence, _) = (fence.cast(), Self::KINDS[KIND]);
        // SAFETY: They are valid, and the names are used inside the section in which they are asked
        // for: of the ops, as the class `dma_fence_ops` of events does, while these are attached.
        unsafe {
            let names = if kind == Kind::Destroy {
                [dma_fence_driver_name(fence), dma_fence_timeline_name(fence)]
            } else if let dma_fence_ops {
                get_driver_name: Some(driver),
                get_timeline_name: Some(timeline),
                ..
            } = *dma_fence_ops_ptr(fence)
            {
                [driver(fence), timeline(fence)]
            } else {
                return;
            };
            let [driver, timeline] = names.map(|name| CStr::from_char_ptr(name));
            let error = dma_fence_error(fence);
            let event = Event {
                kind,
                driver,
                timeline,
                context: (*fence).context,
                seqno: (*fence).seqno,
                // That of an array is above 0 until it signals.
                error: (error < 0).then(|| Error::from_errno(error)),
            };
            let listener = &*listener.cast::<L>();
            kernel::bindings::driver_code("a listener", || listener.event(&event));
        }
    }
}

impl<L: Listener> Drop for Listening<L> {
    fn drop(&mut self) {
        for (event, probe) in &Self::PROBES[..self.probes] {
            // SAFETY: It compares pointers, and has no preconditions.
            unsafe { tracepoint_probe_unregister(event, *probe, self.data()) };
        }
    }
}
