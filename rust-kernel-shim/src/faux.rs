// SPDX-License-Identifier: GPL-2.0-only

//! Devices without hardware and bus, which are bound as long as they are there.
//!
//! C header: [`include/linux/device/faux.h`](srctree/include/linux/device/faux.h).

use crate::{bindings, device, prelude::*, types::Opaque};
use core::{
    marker::PhantomData,
    ptr::{null, null_mut, NonNull},
};

/// A device of this kind.
#[doc(alias = "faux_device")]
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::faux_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    #[inline]
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: It is valid, and so is what is in it.
        let dev = unsafe { &raw mut (*self.0.get()).dev };
        // SAFETY: As above; it is in the context that its owner is in.
        unsafe { device::Device::from_raw(dev) }
    }
}

// SAFETY: It is a field of it.
unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
    const OFFSET: usize = core::mem::offset_of!(bindings::faux_device, dev);
}

/// A device that is there, and bound, until this is dropped; which may sleep.
///
/// # Invariants
///
/// The device is valid and bound, and this is its owner.
///
/// # Examples
///
/// ```
/// use kernel::{faux, prelude::*};
///
/// let outer = faux::Registration::new(c"outer", None)?;
/// let inner = faux::Registration::new(c"inner", Some(outer.as_ref().as_ref()))?;
/// dev_info!(inner.as_ref(), "in {}\n", c"outer");
/// # Ok::<(), Error>(())
/// ```
pub struct Registration(NonNull<bindings::faux_device>);

// SAFETY: Any thread can unbind the device.
unsafe impl Send for Registration {}

// SAFETY: A reference leads to the device only, which is `Sync`.
unsafe impl Sync for Registration {}

impl Registration {
    /// Creates a device, and binds it. May sleep.
    ///
    /// # Errors
    ///
    /// ENODEV: the name is empty, or there is no memory.
    #[doc(alias = "faux_device_create")]
    pub fn new(name: &CStr, parent: Option<&device::Device>) -> Result<Self> {
        let parent = parent.map_or(null_mut(), device::Device::as_raw);
        // SAFETY: The name is NUL-terminated, and the parent null or valid.
        let faux = unsafe { bindings::faux_device_create(name.as_char_ptr(), parent, null()) };
        // INVARIANT: Created for this.
        Ok(Self(NonNull::new(faux).ok_or(ENODEV)?))
    }
}

impl AsRef<Device<device::Bound>> for Registration {
    #[inline]
    fn as_ref(&self) -> &Device<device::Bound> {
        // SAFETY: By the invariant it is valid and bound; the type is transparent.
        unsafe { self.0.cast().as_ref() }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner. What relies on the device being bound has
        // borrowed it, or is released by this.
        unsafe { bindings::faux_device_destroy(self.0.as_ptr()) }
    }
}
