// SPDX-License-Identifier: GPL-2.0-only
//! Simulated devices of the platform bus.

use super::{IoRegion, IrqLine, Registers};
use crate::{
    alloc::{flags::GFP_KERNEL, KVec},
    bindings,
    error::{code::ENOMEM, to_result, Result},
    ffi::c_int,
    platform,
    str::{CStr, CStrExt as _},
    sync::Arc,
};
use core::ptr::{null, NonNull};

/// A simulated device of the platform bus, until this is dropped: which unbinds it, as if it had been
/// taken out, and may sleep.
///
/// It belongs to the machine in which it was made, and is dropped there.
///
/// # Invariants
///
/// `pdev` is on the bus, and this is its owner. Its registers and lines are there until it is unbound.
///
/// # Examples
///
/// See [`module_platform_driver!`](crate::module_platform_driver).
pub struct PlatformDevice {
    pdev: NonNull<bindings::platform_device>,
    _regions: KVec<IoRegion>,
    _lines: KVec<Arc<IrqLine>>,
}

// SAFETY: Any task of the machine can unbind it; one of another finds a BUG.
unsafe impl Send for PlatformDevice {}

// SAFETY: A reference leads to the device, which is `Sync`, and to nothing else.
unsafe impl Sync for PlatformDevice {}

impl PlatformDevice {
    /// A device with this name, and nothing yet.
    #[allow(clippy::new_ret_no_self, reason = "it is not there before `add()`")]
    pub fn new(name: &CStr) -> PlatformDeviceBuilder<'_> {
        PlatformDeviceBuilder {
            name,
            id: bindings::PLATFORM_DEVID_NONE,
            compatible: None,
            parts: Ok(Parts {
                resources: KVec::new(),
                regions: KVec::new(),
                lines: KVec::new(),
            }),
        }
    }

    /// Returns the device.
    pub fn device(&self) -> &platform::Device {
        // SAFETY: By the invariant it is valid; the type is transparent.
        unsafe { self.pdev.cast().as_ref() }
    }

    /// Returns whether a driver has it.
    pub fn is_bound(&self) -> bool {
        // SAFETY: By the invariant it is valid.
        unsafe { bindings::device_is_bound(&raw mut (*self.pdev.as_ptr()).dev) }
    }
}

impl Drop for PlatformDevice {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is on the bus, and this is its owner.
        unsafe {
            bindings::platform_device_del(self.pdev.as_ptr());
            bindings::platform_device_put(self.pdev.as_ptr());
        }
    }
}

struct Parts {
    resources: KVec<bindings::resource>,
    regions: KVec<IoRegion>,
    lines: KVec<Arc<IrqLine>>,
}

/// What a [`PlatformDevice`] is to be. Its registers, and its interrupts, are numbered as they are given.
#[must_use]
pub struct PlatformDeviceBuilder<'a> {
    name: &'a CStr,
    id: c_int,
    compatible: Option<&'a CStr>,
    parts: Result<Parts>,
}

impl PlatformDeviceBuilder<'_> {
    /// Which of that name it is.
    pub fn id(mut self, id: u16) -> Self {
        self.id = id.into();
        self
    }

    fn with(mut self, add: impl FnOnce(&mut Parts) -> Result) -> Self {
        self.parts = self
            .parts
            .and_then(|mut parts| add(&mut parts).map(|()| parts));
        self
    }

    /// Gives it registers of `size` bytes, and the device that answers there.
    pub fn registers<T: Registers>(self, name: &'static CStr, size: usize, device: Arc<T>) -> Self {
        self.with(|parts| {
            let region = IoRegion::new(size, device)?;
            let name = name.as_char_ptr();
            // SAFETY: It is a region, of which the addresses do not change.
            let registers = unsafe { &*bindings::debug_io_resource(region.as_raw()) };
            let resource = bindings::debug_platform_resource(Some(registers), 0, name);
            parts.resources.push(resource, GFP_KERNEL)?;
            parts.regions.push(region, GFP_KERNEL)?;
            Ok(())
        })
    }

    /// Gives it an interrupt, which is raised by this line.
    pub fn irq(self, name: &'static CStr, line: Arc<IrqLine>) -> Self {
        self.with(|parts| {
            let resource =
                bindings::debug_platform_resource(None, line.number(), name.as_char_ptr());
            parts.resources.push(resource, GFP_KERNEL)?;
            parts.lines.push(line, GFP_KERNEL)?;
            Ok(())
        })
    }

    /// Puts it on the bus, where a driver that is for it binds it. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL if the name is empty, EEXIST if another one has it. That a probe fails is none.
    pub fn add(self) -> Result<PlatformDevice> {
        let Parts {
            resources,
            regions,
            lines,
        } = self.parts?;
        // SAFETY: The name is NUL-terminated.
        let pdev = unsafe { bindings::platform_device_alloc(self.name.as_char_ptr(), self.id) };
        let pdev = NonNull::new(pdev).ok_or(ENOMEM)?;
        let (raw, len) = (pdev.as_ptr(), resources.len());
        let compatible = self.compatible.map_or(null(), |text| text.as_char_ptr());
        // SAFETY: The device is valid, and not on the bus yet; the texts are NUL-terminated, and the
        // names of resources live forever.
        let added = unsafe {
            // CAST: There are few.
            to_result(bindings::platform_device_add_resources(
                raw,
                resources.as_ptr(),
                len as u32,
            ))
            .and_then(|()| match compatible.is_null() {
                true => Ok(()),
                false => to_result(bindings::debug_device_compatible(
                    &raw mut (*raw).dev,
                    compatible,
                )),
            })
            .and_then(|()| to_result(bindings::platform_device_add(raw)))
        };
        if let Err(error) = added {
            // SAFETY: It is not on the bus, and the reference is ours.
            unsafe { bindings::platform_device_put(raw) };
            return Err(error);
        }
        // INVARIANT: Added above.
        Ok(PlatformDevice {
            pdev,
            _regions: regions,
            _lines: lines,
        })
    }
}

impl<'a> PlatformDeviceBuilder<'a> {
    /// What the device tree says that it is.
    pub fn compatible(mut self, compatible: &'a CStr) -> Self {
        self.compatible = Some(compatible);
        self
    }
}
