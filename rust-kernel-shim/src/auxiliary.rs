// SPDX-License-Identifier: GPL-2.0-only

//! The bus of parts of a device, each of which has a driver of its own.
//!
//! C header: [`include/linux/auxiliary_bus.h`](srctree/include/linux/auxiliary_bus.h).

use crate::{
    bindings, container_of,
    device::{self, Bound, CoreInternal},
    device_id::{RawDeviceId, RawDeviceIdIndex},
    driver,
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::{CovariantForLt, ForLt, ForeignOwnable, Opaque},
};
use core::{any::TypeId, marker::PhantomData, mem::offset_of, ptr::NonNull};

/// What C calls for a driver.
pub struct Adapter<T: Driver>(T);

// SAFETY: It is a field of it; `probe_callback()` sets such data.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::auxiliary_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: C's registration can be undone.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        adrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: It is initialised, and nothing else uses it yet.
        let drv = unsafe { &mut *adrv.get() };
        drv.name = name.as_char_ptr();
        drv.probe = Some(Self::probe_callback);
        drv.remove = Some(Self::remove_callback);
        drv.id_table = T::ID_TABLE.as_ptr();
        // SAFETY: It stays where it is: the caller's guarantee.
        to_result(unsafe {
            bindings::__auxiliary_driver_register(adrv.get(), module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(adrv: &Opaque<Self::DriverType>) {
        // SAFETY: It was registered: the caller's guarantee.
        unsafe { bindings::auxiliary_driver_unregister(adrv.get()) }
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `adev` is valid, and gets this driver; `id` is in its table.
    unsafe extern "C" fn probe_callback(
        adev: *mut bindings::auxiliary_device,
        id: *const bindings::auxiliary_device_id,
    ) -> c_int {
        // SAFETY: The caller says so; it is a callback of the bus.
        let adev = unsafe { &*adev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: The caller says so; the type is transparent.
        let id = unsafe { &*id.cast::<DeviceId>() };
        // SAFETY: It is in a table with such data.
        let info = unsafe { id.info_unchecked::<T::IdInfo>() };
        driver::probed(adev.as_ref(), || T::probe(adev, info))
    }

    /// # Safety
    ///
    /// `adev` is valid, and has this driver.
    unsafe extern "C" fn remove_callback(adev: *mut bindings::auxiliary_device) {
        // SAFETY: The caller says so; it is a callback of the bus.
        let adev = unsafe { &*adev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: Its probe has succeeded, and set such data.
        let data = unsafe { adev.as_ref().drvdata_borrow::<T::Data<'_>>() };
        bindings::driver_code("a driver's unbind", || T::unbind(adev, data));
    }
}

/// Declares a module that is no more than a driver of this bus.
#[macro_export]
macro_rules! module_auxiliary_driver {
    ($($module:tt)*) => {
        $crate::module_driver!(<T>, $crate::auxiliary::Adapter<T>, { $($module)* });
    };
}

/// A part of a device: the module that makes it, and its name.
#[doc(alias = "auxiliary_device_id")]
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::auxiliary_device_id);

impl DeviceId {
    /// A part of this name, of the module `modname`: of 38 bytes together.
    pub const fn new(modname: &'static CStr, name: &'static CStr) -> Self {
        let mut id = bindings::auxiliary_device_id {
            name: [0; 40],
            driver_data: 0,
        };
        let (modname, name) = (modname.to_bytes(), name.to_bytes_with_nul());
        let mut n = 0;
        while n < modname.len() {
            id.name[n] = modname[n];
            n += 1;
        }
        id.name[n] = b'.';
        let mut m = 0;
        while m < name.len() {
            id.name[n + 1 + m] = name[m];
            m += 1;
        }
        Self(id)
    }
}

// SAFETY: Transparent; a table ends with one that has no name.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::auxiliary_device_id;
}

// SAFETY: It is as large as a pointer.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = offset_of!(bindings::auxiliary_device_id, driver_data);
}

/// A table of such devices.
pub type IdTable<T> = &'static dyn crate::device_id::IdTable<DeviceId, T>;

/// Declares a table of such devices.
#[macro_export]
macro_rules! auxiliary_device_table {
    ($($table:tt)*) => {
        $crate::module_device_table!("auxiliary", $crate::auxiliary::DeviceId, $($table)*);
    };
}

/// A driver of this bus.
pub trait Driver {
    /// What it says of a device in its table.
    type IdInfo: 'static;

    /// Its data of a device that is bound.
    type Data<'bound>: Send + 'bound;

    /// The devices that it is for.
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// A device is there: initialises the data of it. May sleep.
    fn probe<'bound>(
        dev: &'bound Device<device::Core<'_>>,
        id_info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// The device, or the driver, goes; the data is dropped after this. May sleep.
    fn unbind<'bound>(dev: &'bound Device<device::Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }
}

driver::bus_device! {
    /// A device of this bus, in a context that says what may be done with it.
    #[doc(alias = "auxiliary_device")]
    auxiliary_device, debug_dev_is_auxiliary
}

impl<Ctx: device::DeviceContext> Device<Ctx> {
    /// Returns which of its name it is.
    pub fn id(&self) -> u32 {
        // SAFETY: The device is valid, and this never changes.
        unsafe { (*self.as_raw()).id }
    }
}

impl Device<Bound> {
    /// Returns the device of which it is a part, which is bound as long as this.
    pub fn parent(&self) -> &device::Device<Bound> {
        // SAFETY: A registration has borrowed it, and goes before it is unbound.
        unsafe { (**self).parent().as_bound() }
    }

    /// The data of the registration.
    ///
    /// # Safety
    ///
    /// What is seen of it does not depend on its lifetime being no longer than this.
    unsafe fn data_of<F: ForLt + 'static>(&self) -> Result<Pin<&F::Of<'_>>> {
        // SAFETY: The device is valid, and this is set before it is on the bus.
        let data = unsafe { (*self.as_raw()).registration_data_rust };
        let data = NonNull::new(data).ok_or(ENOENT)?;
        // SAFETY: It is of some `RegistrationData`, which begins with its type.
        if unsafe { data.cast::<TypeId>().read() } != TypeId::of::<F>() {
            return Err(EINVAL);
        }
        // SAFETY: From `into_foreign()` of a box for this type, says the comparison, but for its
        // lifetime; and taken back when the device is not bound any more.
        let data = unsafe { Pin::<KBox<RegistrationData<F::Of<'_>>>>::borrow(data.as_ptr()) };
        // SAFETY: It is pinned with what it is in.
        Ok(unsafe { data.map_unchecked(|data| &data.data) })
    }

    /// Calls `f` with the data of the registration; ENOENT if it has none, EINVAL if it is of another
    /// type.
    pub fn registration_data_with<F: ForLt + 'static, R>(
        &self,
        f: impl for<'a> FnOnce(Pin<&'a F::Of<'a>>) -> R,
    ) -> Result<R> {
        // SAFETY: `f` takes any lifetime.
        Ok(f(unsafe { self.data_of::<F>() }?))
    }

    /// Returns the data of the registration; ENOENT if it has none, EINVAL if it is of another type.
    pub fn registration_data<F: CovariantForLt + 'static>(&self) -> Result<Pin<&F::Of<'_>>> {
        // SAFETY: A longer lifetime may stand for a shorter one.
        unsafe { self.data_of::<F>() }
    }
}

impl Device {
    /// Returns the device of which it is a part.
    pub fn parent(&self) -> &device::Device {
        let dev: &device::Device = self.as_ref();
        dev.parent().expect("each device of this bus has a parent")
    }

    /// # Safety
    ///
    /// `dev` is that of a device that a [`Registration`] has made, and not used any more.
    unsafe extern "C" fn release(dev: *mut bindings::device) {
        // SAFETY: The caller says so.
        let adev = unsafe { container_of!(dev, bindings::auxiliary_device, dev) };
        // SAFETY: From `into_raw()`.
        drop(unsafe { KBox::<Opaque<bindings::auxiliary_device>>::from_raw(adev.cast()) });
    }
}

/// What a registration has for the driver of its device, whose type is at the beginning.
#[repr(C)]
#[pin_data]
struct RegistrationData<T> {
    type_id: TypeId,
    #[pin]
    data: T,
}

/// A part of a device that is on the bus until this is dropped; which may sleep.
///
/// # Invariants
///
/// `adev` is on the bus, and this is its owner.
pub struct Registration<'a, F: ForLt + 'static> {
    adev: NonNull<bindings::auxiliary_device>,
    _data: PhantomData<F::Of<'a>>,
    // It is not to be taken for one of another lifetime.
    _parent: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl<'a, F: ForLt> Registration<'a, F>
where
    for<'b> F::Of<'b>: Send + Sync,
{
    /// Makes a part of a device, with data for its driver, which may borrow what `'a` does. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, EEXIST if there is another of that name and number, and those of the initialiser.
    ///
    /// # Safety
    ///
    /// The registration is dropped, and not forgotten.
    pub unsafe fn new_with_lt<E>(
        parent: &'a device::Device<Bound>,
        name: &CStr,
        id: u32,
        modname: &CStr,
        data: impl PinInit<F::Of<'a>, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        let data = KBox::pin_init::<Error>(
            try_pin_init!(RegistrationData {
                type_id: TypeId::of::<F>(),
                data <- data,
            }? Error),
            GFP_KERNEL,
        )?;
        let adev = KBox::new(Opaque::<bindings::auxiliary_device>::zeroed(), GFP_KERNEL)?;
        let adev = KBox::into_raw(adev).cast::<bindings::auxiliary_device>();
        let data = data.into_foreign();
        // SAFETY: Nothing else uses it yet, and there are a parent, a name and a release.
        unsafe {
            (*adev).dev.parent = parent.as_raw();
            (*adev).dev.release = Some(Device::release);
            (*adev).name = name.as_char_ptr();
            (*adev).id = id;
            (*adev).registration_data_rust = data.cast();
            bindings::auxiliary_device_init(adev);
        }
        // SAFETY: It is initialised, and the name NUL-terminated.
        let added = unsafe { bindings::__auxiliary_device_add(adev, modname.as_char_ptr()) };
        if let Err(error) = to_result(added) {
            // SAFETY: From above; it is not on the bus.
            unsafe {
                drop(Pin::<KBox<RegistrationData<F::Of<'a>>>>::from_foreign(data));
                bindings::auxiliary_device_uninit(adev);
            }
            return Err(error);
        }
        Ok(Self {
            // INVARIANT: Added above.
            // SAFETY: From a box.
            adev: unsafe { NonNull::new_unchecked(adev) },
            _data: PhantomData,
            _parent: PhantomData,
        })
    }

    /// As [`new_with_lt`](Self::new_with_lt), with data that borrows nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{auxiliary, faux, prelude::*, types::ForLt};
    ///
    /// struct Config(u32);
    ///
    /// impl ForLt for Config {
    ///     type Of<'a> = Config;
    /// }
    ///
    /// let gpu = faux::Registration::new(c"gpu", None)?;
    /// let gpu = gpu.as_ref().as_ref();
    /// let display = auxiliary::Registration::<Config>::new(gpu, c"display", 0, c"gpu", Config(1))?;
    /// # drop(display);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new<E>(
        parent: &'a device::Device<Bound>,
        name: &CStr,
        id: u32,
        modname: &CStr,
        data: impl PinInit<F::Of<'a>, E>,
    ) -> Result<Self>
    where
        F::Of<'a>: 'static,
        Error: From<E>,
    {
        // SAFETY: If it is forgotten, its device and data stay, which borrow nothing.
        unsafe { Self::new_with_lt(parent, name, id, modname, data) }
    }
}

impl<F: ForLt> Drop for Registration<'_, F> {
    fn drop(&mut self) {
        let adev = self.adev.as_ptr();
        // SAFETY: By the invariant it is on the bus, and this its owner; after that no driver has it,
        // and so the data.
        unsafe {
            bindings::auxiliary_device_delete(adev);
            let data = (*adev).registration_data_rust.cast();
            drop(Pin::<KBox<RegistrationData<F::Of<'_>>>>::from_foreign(data));
            bindings::auxiliary_device_uninit(adev);
        }
    }
}

// SAFETY: Any task of the machine can take it off the bus; the data is `Send`.
unsafe impl<F: ForLt> Send for Registration<'_, F> where for<'a> F::Of<'a>: Send {}

// SAFETY: A reference leads to nothing.
unsafe impl<F: ForLt> Sync for Registration<'_, F> where for<'a> F::Of<'a>: Send {}
