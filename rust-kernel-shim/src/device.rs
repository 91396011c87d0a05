// SPDX-License-Identifier: GPL-2.0-only

//! Devices.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h).
//!
//! Where the devices come from that there are here: see [`faux`](crate::faux), and for those of buses
//! [`testing`](crate::testing).

use crate::{
    bindings, fmt,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::{ForeignOwnable, Opaque},
};
use core::{
    marker::PhantomData,
    ptr::{null_mut, NonNull},
};

/// A device, in a context that says what may be done with it.
///
/// Having a reference to one in the context [`Bound`] tells you that it is bound to a driver as long as
/// the reference is used.
///
/// # Invariants
///
/// It has a reference count, and is valid while that is not zero.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::{Bound, Device},
///     faux,
///     prelude::*,
///     sync::aref::ARef,
/// };
///
/// let registration = faux::Registration::new(c"lamp", None)?;
/// let bound: &Device<Bound> = registration.as_ref().as_ref();
/// let device: ARef<Device> = bound.into();
/// drop(registration);
/// assert_eq!(device.name(), c"lamp");
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "device")]
#[repr(transparent)]
pub struct Device<Ctx: DeviceContext = Normal>(Opaque<bindings::device>, PhantomData<Ctx>);

impl Device {
    /// Takes a reference to C's device.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during the call.
    pub unsafe fn get_device(ptr: *mut bindings::device) -> ARef<Self> {
        // SAFETY: `ptr` is valid: the caller's guarantee.
        unsafe { Self::from_raw(ptr) }.into()
    }

    /// The same device, in the context of one that is bound.
    ///
    /// # Safety
    ///
    /// It is bound as long as the result is used.
    pub unsafe fn as_bound(&self) -> &Device<Bound> {
        // SAFETY: A context is no more than a type; what it stands for, the caller says.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

impl Device<CoreInternal<'_>> {
    /// Initialises the driver's data of the device, which stays until that is unbound. May sleep.
    pub fn set_drvdata<T>(&self, data: impl PinInit<T, Error>) -> Result {
        let data = KBox::pin_init(data, GFP_KERNEL)?;
        // SAFETY: The device is valid, and this its bus, which makes no other call meanwhile.
        unsafe { bindings::dev_set_drvdata(self.as_raw(), data.into_foreign().cast()) };
        Ok(())
    }

    /// Takes the driver's data back; `None` if there is none.
    ///
    /// # Safety
    ///
    /// What was set is a `T`.
    pub(crate) unsafe fn drvdata_obtain<T>(&self) -> Option<Pin<KBox<T>>> {
        // SAFETY: The device is valid, and this its bus, which makes no other call meanwhile.
        let data = unsafe { bindings::dev_get_drvdata(self.as_raw()) };
        if data.is_null() {
            return None;
        }
        // SAFETY: As above.
        unsafe { bindings::dev_set_drvdata(self.as_raw(), null_mut()) };
        // SAFETY: From `into_foreign()` of such a box, says the caller, and taken back once.
        Some(unsafe { Pin::<KBox<T>>::from_foreign(data.cast()) })
    }
}

impl<Ctx: InternalBoundContext> Device<Ctx> {
    /// Returns the driver's data.
    ///
    /// # Safety
    ///
    /// A `T` was set, and is not taken back during the borrow.
    pub unsafe fn drvdata_borrow<T>(&self) -> Pin<&T> {
        // SAFETY: The device is valid, and its data does not change, says the caller.
        let data = unsafe { bindings::dev_get_drvdata(self.as_raw()) };
        // SAFETY: From `into_foreign()` of such a box, says the caller.
        unsafe { Pin::<KBox<T>>::borrow(data.cast()) }
    }
}

impl<Ctx: DeviceContext> Device<Ctx> {
    /// C's pointer.
    pub(crate) fn as_raw(&self) -> *mut bindings::device {
        self.0.get()
    }

    /// Sees C's device as one of ours.
    ///
    /// # Safety
    ///
    /// `ptr` is valid during `'a`, and in the context meanwhile.
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::device) -> &'a Self {
        // SAFETY: Valid, says the caller; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns the device above it.
    pub(crate) fn parent(&self) -> Option<&Device> {
        // SAFETY: The device is valid, and its parent never changes.
        let parent = unsafe { (*self.as_raw()).parent };
        // SAFETY: The device has a reference to it.
        (!parent.is_null()).then(|| unsafe { Device::from_raw(parent) })
    }

    /// Returns the name. From any context.
    #[doc(alias = "dev_name")]
    #[inline]
    pub fn name(&self) -> &CStr {
        // SAFETY: The device is valid, and has its name as long.
        unsafe { CStr::from_char_ptr(bindings::dev_name(self.as_raw())) }
    }

    fn printk(&self, level: u8, args: fmt::Arguments<'_>) {
        // SAFETY: The device is valid.
        unsafe { bindings::_dev_printk(level, self.as_raw(), args) }
    }
}

/// Declares the methods that print.
macro_rules! levels {
    ($($text:literal: $level:ident, $method:ident, $macro:ident;)*) => {
        impl<Ctx: DeviceContext> Device<Ctx> {
            $(
                #[doc = concat!("Prints a message of level ", $text, ", see [`", stringify!($macro), "!`](crate::", stringify!($macro), "). From any context.")]
                pub fn $method(&self, args: fmt::Arguments<'_>) {
                    self.printk(bindings::$level, args);
                }
            )*
        }
    };
}

levels! {
    "0: the system is unusable": KERN_EMERG, pr_emerg, dev_emerg;
    "1: act at once": KERN_ALERT, pr_alert, dev_alert;
    "2: a critical condition": KERN_CRIT, pr_crit, dev_crit;
    "3: an error": KERN_ERR, pr_err, dev_err;
    "4: a warning": KERN_WARNING, pr_warn, dev_warn;
    "5: normal, but worth noticing": KERN_NOTICE, pr_notice, dev_notice;
    "6: information": KERN_INFO, pr_info, dev_info;
}

impl<Ctx: DeviceContext> Device<Ctx> {
    /// Prints a message of level 7, if built with debug assertions, see [`dev_dbg!`](crate::dev_dbg).
    /// From any context.
    pub fn pr_dbg(&self, args: fmt::Arguments<'_>) {
        if cfg!(debug_assertions) {
            self.printk(bindings::KERN_DEBUG, args);
        }
    }
}

/// Prints a message of level 0: the system is unusable about a device. From any context.
#[macro_export]
macro_rules! dev_emerg {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_emerg, $($arg)*) }
}

/// Prints a message of level 1: act at once about a device. From any context.
#[macro_export]
macro_rules! dev_alert {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_alert, $($arg)*) }
}

/// Prints a message of level 2: a critical condition about a device. From any context.
#[macro_export]
macro_rules! dev_crit {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_crit, $($arg)*) }
}

/// Prints a message of level 3: an error about a device. From any context.
#[macro_export]
macro_rules! dev_err {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_err, $($arg)*) }
}

/// Prints a message of level 4: a warning about a device. From any context.
#[macro_export]
macro_rules! dev_warn {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_warn, $($arg)*) }
}

/// Prints a message of level 5: normal, but worth noticing about a device. From any context.
#[macro_export]
macro_rules! dev_notice {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_notice, $($arg)*) }
}

/// Prints a message of level 6: information about a device. From any context.
#[macro_export]
macro_rules! dev_info {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_info, $($arg)*) }
}

/// Prints a message of level 7, if built with debug assertions, about a device. From any context.
#[macro_export]
macro_rules! dev_dbg {
    ($($arg:tt)*) => { $crate::dev_printk!(pr_dbg, $($arg)*) }
}

/// Prints a message by a method of a device.
#[doc(hidden)]
#[macro_export]
macro_rules! dev_printk {
    ($method:ident, $dev:expr, $($arg:tt)*) => {
        $crate::device::Device::$method($dev.as_ref(), $crate::prelude::fmt!($($arg)*))
    };
}

// SAFETY: By the invariant it is valid while there are references; these are C's.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The reference that is used says that the count is not zero.
        unsafe { bindings::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives its reference; the type is transparent.
        unsafe { bindings::put_device(obj.cast().as_ptr()) }
    }
}

// SAFETY: By the invariant, any thread can drop a reference.
unsafe impl Send for Device {}

// SAFETY: What a reference leads to never changes, or C has a lock for it.
unsafe impl Sync for Device {}

// SAFETY: As of `Device`: a context is no more than a type.
unsafe impl Sync for Device<Bound> {}

/// What is known of a device.
pub trait DeviceContext: private::Sealed {}

/// Nothing is known.
pub struct Normal;

/// The device is bound, and this is a callback of its bus, which makes no other call meanwhile.
///
/// Only buses hand it out: see [`platform`](crate::platform).
pub struct Core<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

/// As [`Core`], in the abstraction of the bus.
pub struct CoreInternal<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

/// As [`Bound`], in the abstraction of the bus.
pub struct BoundInternal;

/// The device is bound to a driver.
pub struct Bound;

mod private {
    pub trait Sealed {}
}

macro_rules! contexts {
    ($($context:ty)*) => {$(
        impl private::Sealed for $context {}
        impl DeviceContext for $context {}
    )*};
}

contexts!(Normal Core<'_> CoreInternal<'_> BoundInternal Bound);

/// A context in which abstractions get at the driver's data of a device that is bound.
pub trait InternalBoundContext: DeviceContext {}
impl InternalBoundContext for CoreInternal<'_> {}
impl InternalBoundContext for BoundInternal {}

impl<Ctx: DeviceContext> AsRef<Device<Ctx>> for Device<Ctx> {
    #[inline]
    fn as_ref(&self) -> &Device<Ctx> {
        self
    }
}

/// A device of some bus, of which the [`Device`] is a part.
///
/// # Safety
///
/// The device is [`OFFSET`](Self::OFFSET) bytes into it, whatever the context.
pub unsafe trait AsBusDevice<Ctx: DeviceContext>: AsRef<Device<Ctx>> {
    /// The offset of the device, in bytes.
    const OFFSET: usize;

    /// From the device to what it is a part of.
    ///
    /// # Safety
    ///
    /// It is a part of such a one.
    unsafe fn from_device(dev: &Device<Ctx>) -> &Self
    where
        Self: Sized,
    {
        let this = dev.as_raw().wrapping_byte_sub(Self::OFFSET).cast();
        // SAFETY: The caller says so, and the trait where it is.
        unsafe { &*this }
    }
}

/// Implements `Deref` from each context of a transparent device to the one that knows less.
#[doc(hidden)]
#[macro_export]
macro_rules! __impl_device_context_deref {
    (unsafe { $device:ident, [$($lt:lifetime)?] $src:ty => $dst:ty }) => {
        impl$(<$lt>)? ::core::ops::Deref for $device<$src> {
            type Target = $device<$dst>;

            fn deref(&self) -> &Self::Target {
                // CAST: A context is no more than a type, says the caller of the macro.
                let this = ::core::ptr::from_ref(self).cast();
                // SAFETY: It is the same device, of which less is known.
                unsafe { &*this }
            }
        }
    };
}

/// Implements `Deref` from each context of a device of some bus to the one that knows less.
///
/// # Safety
///
/// The type wraps the same for all contexts, transparently.
#[macro_export]
macro_rules! impl_device_context_deref {
    (unsafe { $device:ident }) => {
        // SAFETY: The type wraps the same for all contexts, says the caller. Here and below the target
        // knows less than the source.
        $crate::__impl_device_context_deref!(unsafe {
            $device, ['a] $crate::device::CoreInternal<'a> => $crate::device::Core<'a>
        });
        // SAFETY: As the first.
        $crate::__impl_device_context_deref!(unsafe {
            $device, ['a] $crate::device::Core<'a> => $crate::device::Bound
        });
        // SAFETY: As the first.
        $crate::__impl_device_context_deref!(unsafe {
            $device, [] $crate::device::BoundInternal => $crate::device::Bound
        });
        // SAFETY: As the first.
        $crate::__impl_device_context_deref!(unsafe {
            $device, [] $crate::device::Bound => $crate::device::Normal
        });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __impl_device_context_into_aref {
    ([$($lt:lifetime)?] $src:ty, $device:tt) => {
        impl$(<$lt>)? ::core::convert::From<&$device<$src>>
            for $crate::sync::aref::ARef<$device>
        {
            fn from(dev: &$device<$src>) -> Self {
                (&**dev).into()
            }
        }
    };
}

/// Implements the conversion of a reference in some context to a counted one in none.
#[macro_export]
macro_rules! impl_device_context_into_aref {
    ($device:tt) => {
        $crate::__impl_device_context_into_aref!(['a] $crate::device::CoreInternal<'a>, $device);
        $crate::__impl_device_context_into_aref!(['a] $crate::device::Core<'a>, $device);
        $crate::__impl_device_context_into_aref!([] $crate::device::BoundInternal, $device);
        $crate::__impl_device_context_into_aref!([] $crate::device::Bound, $device);
    };
}

// SAFETY: A device is transparent, and its context no more than a type.
crate::impl_device_context_deref!(unsafe { Device });
crate::impl_device_context_into_aref!(Device);
