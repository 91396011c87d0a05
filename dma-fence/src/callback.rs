// SPDX-License-Identifier: GPL-2.0-only
//! Callbacks on fences.

mod forward;
mod ready;

pub use self::{
    forward::Forward,
    ready::{
        Complete,
        Enqueue,
        Wake, //
    },
};

use super::{
    bindings,
    fence::Fence, //
};
use core::{
    cell::UnsafeCell,
    panic::Location,
    ptr::{
        addr_of,
        addr_of_mut,
        drop_in_place, //
    },
};
use kernel::{
    alloc::AllocError,
    container_of,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// A function that is called when a fence signals.
///
/// For what drivers usually do there are ready-made kinds, which keep the rules below by
/// themselves: [`Complete`] a completion, [`Enqueue`] a work item, [`Wake`] a task, [`Forward`]
/// the signal to a fence of the caller's own.
pub trait FenceCallback: Send + 'static {
    /// The fence has signalled. Called once, in atomic context, with the fence's lock held and
    /// interrupts off: nothing may sleep, take the lock of this fence (ask for its status, say),
    /// or drop the [`FenceCallbackRegistration`] that it belongs to. Rule
    /// [callback-atomic](../../book/rules/callback-atomic.html).
    fn on_signal(&mut self);
}

/// The reason why no callback was registered; holds the callback if it was too late.
pub enum CallbackError<T> {
    /// The fence has signalled already; the callback was not called and never will be.
    AlreadySignaled(T),
    /// Something else went wrong.
    Other(Error),
}

impl<T> From<CallbackError<T>> for Error {
    fn from(error: CallbackError<T>) -> Error {
        match error {
            CallbackError::AlreadySignaled(_) => ENOENT,
            CallbackError::Other(error) => error,
        }
    }
}

impl<T> From<AllocError> for CallbackError<T> {
    fn from(error: AllocError) -> Self {
        CallbackError::Other(error.into())
    }
}

/// A callback that is registered on a fence.
///
/// Dropping it takes the callback back; if that is running, waits until it has returned. That
/// takes the fence's lock: so from any context, but neither from a callback of the same fence,
/// nor from one of a fence whose callbacks drop registrations on this one. Rule
/// [callback-once](../../book/rules/callback-once.html).
///
/// # Invariants
///
/// `cb` was added to `fence`, and is taken back before this goes. `callback` is touched by the
/// callback alone, which runs at most once.
///
/// # Examples
///
/// ```
/// use dma_fence::{CallbackError, Complete, Fence, FenceCallbackRegistration};
/// use kernel::{prelude::*, sync::{Arc, Completion}};
///
/// let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
/// let fence = Fence::stub();
/// let init = FenceCallbackRegistration::new(&fence, Complete::new(done.clone()));
/// match KBox::try_pin_init(init, GFP_KERNEL) {
///     Ok(_registration) => done.wait_for_completion(),
///     // A stub has always been signalled: the callback comes back.
///     Err(CallbackError::AlreadySignaled(_complete)) => {}
///     Err(CallbackError::Other(error)) => return Err(error),
/// }
/// # Ok::<(), Error>(())
/// ```
#[pin_data(PinnedDrop)]
pub struct FenceCallbackRegistration<T: FenceCallback> {
    fence: ARef<Fence>,
    callback: UnsafeCell<T>,
    #[pin]
    cb: Opaque<bindings::dma_fence_cb>,
}

// SAFETY: `callback` is `Send`, and its owner does not touch it.
unsafe impl<T: FenceCallback> Send for FenceCallbackRegistration<T> {}
// SAFETY: `&self` gives access to the fence only.
unsafe impl<T: FenceCallback> Sync for FenceCallbackRegistration<T> {}

impl<T: FenceCallback> FenceCallbackRegistration<T> {
    /// Registers `callback` on `fence`, which enables signalling. From any context but a callback
    /// or op of the same fence.
    ///
    /// # Errors
    ///
    /// [`CallbackError::AlreadySignaled`], which is ENOENT as an [`Error`].
    #[doc(alias = "dma_fence_add_callback")]
    #[track_caller]
    pub fn new<'a>(fence: &'a Fence, callback: T) -> impl PinInit<Self, CallbackError<T>> + 'a
    where
        T: 'a,
    {
        let at = Location::caller();
        let init = move |slot: *mut Self| {
            // SAFETY: `slot` is valid for writes and pinned from now on. All fields are written
            // before the callback is added, since it may run at once.
            let ret = unsafe {
                addr_of_mut!((*slot).fence).write(ARef::from(fence));
                addr_of_mut!((*slot).callback).write(UnsafeCell::new(callback));
                let cb = Opaque::cast_into(addr_of!((*slot).cb));
                let ret = bindings::dma_fence_add_callback(fence.as_raw(), cb, Some(Self::run));
                bindings::__dma_fence_debug_added_at(cb, at);
                ret
            };
            if ret == 0 {
                return Ok(());
            }
            // SAFETY: The callback was not added, so what was written is ours to take back.
            let callback = unsafe {
                drop_in_place(addr_of_mut!((*slot).fence));
                addr_of!((*slot).callback).read().into_inner()
            };
            match Error::from_errno(ret) {
                error if error == ENOENT => Err(CallbackError::AlreadySignaled(callback)),
                error => Err(CallbackError::Other(error)),
            }
        };
        // SAFETY: On success all fields are initialised, on failure none is.
        unsafe { pin_init::pin_init_from_closure(init) }
    }

    /// The fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// # Safety
    ///
    /// `cb` is that of a registration, whose fence is locked; called once.
    unsafe extern "C" fn run(_fence: *mut bindings::dma_fence, cb: *mut bindings::dma_fence_cb) {
        // SAFETY: The registration cannot go before its drop has had the lock, which is held. Only
        // this touches the callback.
        unsafe {
            let cb = cb.cast::<Opaque<bindings::dma_fence_cb>>();
            let this = container_of!(cb, Self, cb);
            let callback = &mut *UnsafeCell::raw_get(addr_of!((*this).callback));
            bindings::__dma_fence_driver("a callback", || callback.on_signal());
        }
    }
}

#[pinned_drop]
impl<T: FenceCallback> PinnedDrop for FenceCallbackRegistration<T> {
    #[doc(alias = "dma_fence_remove_callback")]
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant it was added to this fence. Taking it back takes the lock, so
        // that the callback is not running any more.
        unsafe { bindings::dma_fence_remove_callback(self.fence.as_raw(), self.cb.get()) };
    }
}
