// SPDX-License-Identifier: GPL-2.0-only

//! Memory objects, and their handles.
//!
//! C header: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h).

use super::{
    device::{DeviceContext, Normal},
    driver::AllocImpl,
    file,
    private::Sealed,
    Device, Driver, File,
};
use crate::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    types::Opaque,
};
use core::{marker::PhantomData, ops::Deref, ptr::NonNull};

/// A file of the driver of an object.
pub type DriverFile<T> = File<<<T as DriverObject>::Driver as Driver>::File>;

/// The object around a driver's data.
pub type DriverAllocImpl<T> = <<T as DriverObject>::Driver as Driver>::Object;

/// The driver's data of an object.
pub trait DriverObject: Sync + Send + Sized + 'static {
    /// The driver.
    type Driver: Driver;

    /// What it is made of.
    type Args;

    /// Initialises the data of an object of `size` bytes.
    fn new(dev: &Device<Self::Driver>, size: usize, args: Self::Args) -> impl PinInit<Self, Error>;

    /// The object gets a handle in a file. May sleep.
    fn open(_obj: &DriverAllocImpl<Self>, _file: &DriverFile<Self>) -> Result {
        Ok(())
    }

    /// A handle of the object goes. May sleep.
    fn close(_obj: &DriverAllocImpl<Self>, _file: &DriverFile<Self>) {}
}

/// A type around C's object.
pub trait IntoGEMObject: Sized + Sealed {
    /// C's pointer.
    fn as_raw(&self) -> *mut bindings::drm_gem_object;

    /// Sees C's object as one of ours.
    ///
    /// # Safety
    ///
    /// It is valid during `'a`, and one of this kind.
    unsafe fn from_raw<'a>(self_ptr: *mut bindings::drm_gem_object) -> &'a Self;
}

/// What can be done with an object.
pub trait BaseObject: IntoGEMObject {
    /// Returns the size, in bytes.
    fn size(&self) -> usize {
        // SAFETY: The object is valid, and its size never changes.
        unsafe { (*self.as_raw()).size }
    }

    /// Gives the object a handle in a file. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and those of [`DriverObject::open`].
    #[doc(alias = "drm_gem_handle_create")]
    fn create_handle<D, F>(&self, file: &File<F>) -> Result<u32>
    where
        Self: AllocImpl<Driver = D>,
        D: Driver<Object = Self, File = F>,
        F: file::DriverFile<Driver = D>,
    {
        let mut handle = 0;
        // SAFETY: Both are valid.
        to_result(unsafe {
            bindings::drm_gem_handle_create(file.as_raw(), self.as_raw(), &mut handle)
        })?;
        Ok(handle)
    }

    /// Returns the object that has a handle in a file; ENOENT if there is none.
    #[doc(alias = "drm_gem_object_lookup")]
    fn lookup_handle<D, F>(file: &File<F>, handle: u32) -> Result<ARef<Self>>
    where
        Self: AllocImpl<Driver = D> + AlwaysRefCounted,
        D: Driver<Object = Self, File = F>,
        F: file::DriverFile<Driver = D>,
    {
        // SAFETY: The file is valid.
        let obj = unsafe { bindings::drm_gem_object_lookup(file.as_raw(), handle) };
        if obj.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: There is a reference, and a driver has one kind of objects.
        let obj = unsafe { Self::from_raw(obj) };
        // SAFETY: The reference is ours.
        Ok(unsafe { ARef::from_raw(obj.into()) })
    }
}

impl<T: IntoGEMObject> BaseObject for T {}

/// A memory object, with the driver's data.
///
/// # Invariants
///
/// It has a reference count, and is valid while that is not zero.
#[doc(alias = "drm_gem_object")]
#[repr(C)]
#[pin_data]
pub struct Object<T: DriverObject + Send + Sync, Ctx: DeviceContext = Normal> {
    obj: Opaque<bindings::drm_gem_object>,
    #[pin]
    data: T,
    _ctx: PhantomData<Ctx>,
}

impl<T: DriverObject, Ctx: DeviceContext> IntoGEMObject for Object<T, Ctx> {
    fn as_raw(&self) -> *mut bindings::drm_gem_object {
        self.obj.get()
    }

    unsafe fn from_raw<'a>(self_ptr: *mut bindings::drm_gem_object) -> &'a Self {
        let obj = Opaque::cast_from(self_ptr).cast_mut();
        // SAFETY: The caller says so.
        unsafe { &*crate::container_of!(obj, Self, obj) }
    }
}

impl<T: DriverObject, Ctx: DeviceContext> Object<T, Ctx> {
    const FUNCS: bindings::drm_gem_object_funcs = bindings::drm_gem_object_funcs {
        free: Some(Self::free_callback),
        open: Some(open_callback::<T>),
        close: Some(close_callback::<T>),
    };

    /// Returns the device.
    pub fn dev(&self) -> &Device<T::Driver, Ctx> {
        // SAFETY: The object is valid, and its device never changes.
        let dev = unsafe { (*self.as_raw()).dev };
        // SAFETY: It has a reference to its device, which is one of this driver.
        unsafe { Device::from_raw(dev) }
    }

    /// # Safety
    ///
    /// `obj` is one of this kind, to which there is no reference any more.
    unsafe extern "C" fn free_callback(obj: *mut bindings::drm_gem_object) {
        let outer = Opaque::cast_from(obj).cast_mut();
        // SAFETY: The caller says so.
        let this = unsafe { crate::container_of!(outer, Self, obj) };
        // SAFETY: As above. Its data may use the device still, which another reference keeps.
        let dev: ARef<Device<T::Driver>> =
            unsafe { Device::<T::Driver>::from_raw((*obj).dev) }.into();
        // SAFETY: Initialised, and not used any more.
        unsafe { bindings::drm_gem_object_release(obj) };
        // SAFETY: From `into_raw()` of a pinned box, and not used any more.
        drop(unsafe { KBox::into_pin(KBox::from_raw(this)) });
        drop(dev);
    }
}

/// # Safety
///
/// Both are valid, and of the driver; the object has `T` as its data.
unsafe extern "C" fn open_callback<T: DriverObject>(
    obj: *mut bindings::drm_gem_object,
    file: *mut bindings::drm_file,
) -> c_int {
    // SAFETY: The caller says so.
    let (obj, file) = unsafe {
        (
            DriverAllocImpl::<T>::from_raw(obj),
            DriverFile::<T>::from_raw(file),
        )
    };
    match bindings::driver_code("an object's open", || T::open(obj, file)) {
        Some(Ok(())) => 0,
        Some(Err(error)) => error.to_errno(),
        // It has panicked.
        None => EIO.to_errno(),
    }
}

/// # Safety
///
/// As [`open_callback`].
unsafe extern "C" fn close_callback<T: DriverObject>(
    obj: *mut bindings::drm_gem_object,
    file: *mut bindings::drm_file,
) {
    // SAFETY: The caller says so.
    let (obj, file) = unsafe {
        (
            DriverAllocImpl::<T>::from_raw(obj),
            DriverFile::<T>::from_raw(file),
        )
    };
    let _ = bindings::driver_code("an object's close", || T::close(obj, file));
}

impl<T: DriverObject> Object<T> {
    /// Makes an object of `size` bytes, which are pages. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and those of the initialiser.
    ///
    /// # Panics
    ///
    /// C calls a size that is none of pages a bug.
    #[doc(alias = "drm_gem_object_init")]
    pub fn new(dev: &Device<T::Driver>, size: usize, args: T::Args) -> Result<ARef<Self>> {
        let this: Pin<KBox<Self>> = KBox::pin_init(
            try_pin_init!(Self {
                obj: Opaque::new(bindings::drm_gem_object::default()),
                data <- T::new(dev, size, args),
                _ctx: PhantomData,
            }),
            GFP_KERNEL,
        )?;
        let obj = this.obj.get();
        // SAFETY: Nothing else uses it yet.
        unsafe { (*obj).funcs = const { &Self::FUNCS } };
        // SAFETY: The device is valid, and the object frees itself.
        to_result(unsafe { bindings::drm_gem_object_init(dev.as_raw(), obj, size) })?;
        // SAFETY: It is not moved.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        // SAFETY: The pointer of a box is not null.
        let this = unsafe { NonNull::new_unchecked(this) };
        // SAFETY: The first reference is ours.
        Ok(unsafe { ARef::from_raw(this) })
    }
}

// SAFETY: By the invariant it is valid while there are references; these are C's.
unsafe impl<T: DriverObject> AlwaysRefCounted for Object<T> {
    fn inc_ref(&self) {
        // SAFETY: The reference that is used says that the count is not zero.
        unsafe { bindings::drm_gem_object_get(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives its reference.
        unsafe { bindings::drm_gem_object_put(obj.as_ref().as_raw()) }
    }
}

impl<T: DriverObject, Ctx: DeviceContext> Sealed for Object<T, Ctx> {}

impl<T: DriverObject, Ctx: DeviceContext> Deref for Object<T, Ctx> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: DriverObject, Ctx: DeviceContext> AllocImpl for Object<T, Ctx> {
    type Driver = T::Driver;
}
