// SPDX-License-Identifier: GPL-2.0-only

//! Handlers, and their registrations.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h).

use super::Flags;
use crate::{
    bindings,
    device::{Bound, Device},
    error::to_result,
    ffi::c_int,
    prelude::*,
};
use core::marker::{PhantomData, PhantomPinned};

/// What a handler did.
#[repr(u32)]
pub enum IrqReturn {
    /// It was not its device.
    None = bindings::irqreturn_IRQ_NONE,
    /// It was, and it is done.
    Handled = bindings::irqreturn_IRQ_HANDLED,
}

/// What a handler that has a thread did, or wants.
#[repr(u32)]
pub enum ThreadedIrqReturn {
    /// It was not its device.
    None = bindings::irqreturn_IRQ_NONE,
    /// It was, and it is done.
    Handled = bindings::irqreturn_IRQ_HANDLED,
    /// It was, and the thread is to do the rest.
    WakeThread = bindings::irqreturn_IRQ_WAKE_THREAD,
}

/// A handler of interrupts.
pub trait Handler: Sync {
    /// Handles one, in hardirq context: must not sleep. Never runs twice at the same time for one
    /// registration.
    fn handle(&self) -> IrqReturn;
}

/// A handler of interrupts with a thread, which may sleep.
pub trait ThreadedHandler: Sync {
    /// Handles one, in hardirq context; by default leaves all to the thread.
    fn handle(&self) -> ThreadedIrqReturn {
        ThreadedIrqReturn::WakeThread
    }

    /// Does the rest, in a thread of its own. One call may be for more than one interrupt.
    fn handle_threaded(&self) -> IrqReturn;
}

/// The right to register a handler for one of a device's interrupts, while the device is bound.
///
/// # Invariants
///
/// `irq` is one of the device's, which is there during `'a`.
pub struct IrqRequest<'a> {
    irq: u32,
    _dev: PhantomData<&'a Device<Bound>>,
}

impl<'a> IrqRequest<'a> {
    /// # Safety
    ///
    /// `irq` is an interrupt of the device, and its line is there during `'a`.
    pub(crate) unsafe fn new(_dev: &'a Device<Bound>, irq: u32) -> Self {
        // INVARIANT: The caller says so.
        IrqRequest {
            irq,
            _dev: PhantomData,
        }
    }

    /// Returns the number of the interrupt.
    #[inline]
    pub fn irq(&self) -> u32 {
        self.irq
    }
}

/// Declares a kind of registration.
macro_rules! registration {
    (
        $(#[$doc:meta])*
        $name:ident of $trait:ident, $callbacks:ident: $request:ident($($callback:ident),*)
    ) => {
        $(#[$doc])*
        ///
        /// Dropping it waits until the handler does not run any more, and so sleeps.
        ///
        /// # Invariants
        ///
        /// The handler is registered, with the address of this.
        #[pin_data(PinnedDrop)]
        pub struct $name<'a, T: $trait> {
            request: IrqRequest<'a>,

            #[pin]
            handler: T,

            /// Registered by its address.
            #[pin]
            _pin: PhantomPinned,
        }

        impl<'a, T: $trait> $name<'a, T> {
            /// Registers a handler, which may be called from then on. May sleep.
            ///
            /// # Errors
            ///
            /// Those of the handler's initialiser; `EBUSY` if the line has one, and not both share
            /// it; `EINVAL` for flags that do not go together; `ENOMEM`.
            ///
            /// # Safety
            ///
            /// The registration is dropped, and not forgotten: or its handler is called when it is
            /// not there any more.
            pub unsafe fn new(
                request: IrqRequest<'a>,
                flags: Flags,
                name: &'static CStr,
                handler: impl PinInit<T, Error> + 'a,
            ) -> impl PinInit<Self, Error> + 'a
            where
                T: 'a,
            {
                let irq = request.irq;
                // INVARIANT: Registered as the last step.
                try_pin_init!(&this in Self {
                    handler <- handler,
                    request,
                    _pin: PhantomPinned,
                    _: {
                        let this = this.as_ptr().cast::<c_void>();
                        let (flags, name) = (flags.into_inner(), name.as_char_ptr());
                        // SAFETY: All that the callbacks use is initialised, and stays until the
                        // drop, which takes them back; it is not left out, says the caller. The
                        // handler can be used by any thread, since it is `Sync`.
                        to_result(unsafe {
                            bindings::$request(irq, $(Some($callbacks::$callback::<T>),)* flags, name, this)
                        })?;
                    },
                })
            }

            /// Returns the handler.
            pub fn handler(&self) -> &T {
                &self.handler
            }

            /// Waits until the handlers of the interrupt that run now do not run any more, those of
            /// others that share it among them. May sleep.
            #[doc(alias = "synchronize_irq")]
            #[inline]
            #[track_caller]
            pub fn synchronize(&self) {
                // SAFETY: The interrupt is there, and has this handler, by the invariants.
                unsafe { bindings::synchronize_irq(self.request.irq) };
            }
        }

        #[pinned_drop]
        impl<T: $trait> PinnedDrop for $name<'_, T> {
            fn drop(self: Pin<&mut Self>) {
                let irq = self.request.irq;
                // SAFETY: Nothing is moved.
                let this = core::ptr::from_mut(unsafe { self.get_unchecked_mut() });
                // SAFETY: Registered with this address, by the invariant.
                let name = unsafe { bindings::free_irq(irq, this.cast()) };
                // A task of another machine does not find it there, where it may still be called.
                bindings::BUG_ON!(name.is_null());
            }
        }
    };
}

registration! {
    /// A handler that is registered for an interrupt.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     faux,
    ///     irq::{Flags, Handler, IrqReturn, Registration},
    ///     prelude::*,
    ///     sync::Completion,
    ///     testing::IrqLine,
    /// };
    ///
    /// #[pin_data]
    /// struct Doorbell {
    ///     #[pin]
    ///     rang: Completion,
    /// }
    ///
    /// impl Handler for Doorbell {
    ///     fn handle(&self) -> IrqReturn {
    ///         self.rang.complete_all();
    ///         IrqReturn::Handled
    ///     }
    /// }
    ///
    /// let device = faux::Registration::new(c"door", None)?;
    /// let line = IrqLine::new()?;
    /// let request = line.request(device.as_ref().as_ref());
    /// let init = try_pin_init!(Doorbell { rang <- Completion::new() }? Error);
    /// // SAFETY: It is dropped at the end of the example.
    /// let init = unsafe { Registration::new(request, Flags::TRIGGER_NONE, c"doorbell", init) };
    /// let registration = KBox::pin_init(init, GFP_KERNEL)?;
    /// line.raise();
    /// registration.handler().rang.wait_for_completion();
    /// # Ok::<(), Error>(())
    /// ```
    Registration of Handler, plain: request_irq(handler)
}

registration! {
    /// A handler with a thread that is registered for an interrupt.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     faux,
    ///     irq::{Flags, IrqReturn, ThreadedHandler, ThreadedRegistration},
    ///     new_mutex,
    ///     prelude::*,
    ///     sync::Mutex,
    ///     testing::IrqLine,
    /// };
    ///
    /// #[pin_data]
    /// struct Counter {
    ///     #[pin]
    ///     count: Mutex<u32>,
    /// }
    ///
    /// impl ThreadedHandler for Counter {
    ///     fn handle_threaded(&self) -> IrqReturn {
    ///         *self.count.lock() += 1;
    ///         IrqReturn::Handled
    ///     }
    /// }
    ///
    /// let device = faux::Registration::new(c"counter", None)?;
    /// let line = IrqLine::new()?;
    /// let request = line.request(device.as_ref().as_ref());
    /// let init = try_pin_init!(Counter { count <- new_mutex!(0) }? Error);
    /// // SAFETY: It is dropped at the end of the example.
    /// let init = unsafe { ThreadedRegistration::new(request, Flags::ONESHOT, c"counter", init) };
    /// let registration = KBox::pin_init(init, GFP_KERNEL)?;
    /// line.raise();
    /// registration.synchronize();
    /// assert_eq!(*registration.handler().count.lock(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    ThreadedRegistration of ThreadedHandler, threaded: request_threaded_irq(handler, thread)
}

/// What C calls for a [`Registration`].
mod plain {
    use super::*;

    /// # Safety
    ///
    /// `ptr` is that of a registration, which is there during the call.
    pub(super) unsafe extern "C" fn handler<T: Handler>(_irq: c_int, ptr: *mut c_void) -> c_uint {
        // SAFETY: The caller says so.
        let this = unsafe { &*ptr.cast::<Registration<'_, T>>() };
        let result = bindings::driver_code("an interrupt handler", || T::handle(&this.handler));
        // One that panics has handled nothing.
        result.map_or(bindings::irqreturn_IRQ_NONE, |result| result as c_uint)
    }
}

/// What C calls for a [`ThreadedRegistration`].
mod threaded {
    use super::*;

    /// # Safety
    ///
    /// `ptr` is that of a registration, which is there during the call.
    pub(super) unsafe extern "C" fn handler<T: ThreadedHandler>(
        _irq: c_int,
        ptr: *mut c_void,
    ) -> c_uint {
        // SAFETY: The caller says so.
        let this = unsafe { &*ptr.cast::<ThreadedRegistration<'_, T>>() };
        let result = bindings::driver_code("an interrupt handler", || T::handle(&this.handler));
        // One that panics has handled nothing.
        result.map_or(bindings::irqreturn_IRQ_NONE, |result| result as c_uint)
    }

    /// # Safety
    ///
    /// As [`handler`].
    pub(super) unsafe extern "C" fn thread<T: ThreadedHandler>(
        _irq: c_int,
        ptr: *mut c_void,
    ) -> c_uint {
        // SAFETY: The caller says so.
        let this = unsafe { &*ptr.cast::<ThreadedRegistration<'_, T>>() };
        let run = || T::handle_threaded(&this.handler);
        let result = bindings::driver_code("the thread of an interrupt handler", run);
        result.map_or(bindings::irqreturn_IRQ_NONE, |result| result as c_uint)
    }
}
