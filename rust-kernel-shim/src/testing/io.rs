// SPDX-License-Identifier: GPL-2.0-only
//! Registers of simulated devices.

use crate::{
    bindings,
    device::{Bound, Device},
    error::{code::ENOMEM, Result},
    ffi::c_void,
    io::{mem::IoRequest, Resource},
    sync::Arc,
};
use core::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

/// A simulated device, as far as its registers go. Called in the contexts of those who use them, by
/// several tasks at once.
pub trait Registers: Send + Sync + 'static {
    /// Reads `size` bytes at `offset`: 1, 2, 4 or 8, aligned.
    fn read(&self, offset: usize, size: usize) -> u64;

    /// Writes `size` bytes at `offset`: 1, 2, 4 or 8, aligned.
    fn write(&self, offset: usize, size: usize, value: u64);
}

/// Addresses at which a simulated device answers, until this is dropped; after that all bits are set, as
/// if the device had been taken from its bus.
///
/// # Invariants
///
/// `region` is a region, and this is its owner, and that of a reference to `data`.
pub struct IoRegion {
    region: NonNull<bindings::debug_io_region>,
    data: *const c_void,
    ops: bindings::debug_io_ops,
    _registers: PhantomData<Arc<dyn Registers>>,
}

// SAFETY: The device is `Send` and `Sync`, and any task can end the region.
unsafe impl Send for IoRegion {}

// SAFETY: As above.
unsafe impl Sync for IoRegion {}

impl IoRegion {
    /// A device that answers at `size` addresses. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, also if there are not so many addresses.
    pub fn new<T: Registers>(size: usize, device: Arc<T>) -> Result<Self> {
        /// # Safety
        ///
        /// `data` is an `Arc<T>`, to which there is a reference; for all of these.
        unsafe fn read<T: Registers>(data: *const c_void, offset: usize, size: usize) -> u64 {
            // SAFETY: The caller says so.
            unsafe { &*data.cast::<T>() }.read(offset, size)
        }

        /// # Safety
        ///
        /// As `read()`.
        unsafe fn write<T: Registers>(data: *const c_void, offset: usize, size: usize, value: u64) {
            // SAFETY: The caller says so.
            unsafe { &*data.cast::<T>() }.write(offset, size, value)
        }

        /// # Safety
        ///
        /// As `read()`; the reference is the caller's if it is dropped.
        unsafe fn get<T: Registers>(data: *const c_void, take: bool) {
            // SAFETY: The caller says so.
            let own = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<T>()) });
            match take {
                true => core::mem::forget((*own).clone()),
                false => drop(ManuallyDrop::into_inner(own)),
            }
        }

        let data = Arc::into_raw(device).cast();
        let ops = bindings::debug_io_ops {
            read: read::<T>,
            write: write::<T>,
            get: get::<T>,
        };
        // SAFETY: The functions are for the data, to which there is a reference as long as the
        // region is; the device can be used by any task.
        let region = unsafe { bindings::debug_io_region(size, ops, data) };
        let Some(region) = NonNull::new(region) else {
            // SAFETY: The reference is this function's.
            unsafe { get::<T>(data, false) };
            return Err(ENOMEM);
        };
        // INVARIANT: Made for this, with the reference from above.
        Ok(Self {
            region,
            data,
            ops,
            _registers: PhantomData,
        })
    }

    /// C's pointer.
    pub(super) fn as_raw(&self) -> *mut bindings::debug_io_region {
        self.region.as_ptr()
    }

    /// The right to map the registers, as the bus of a device hands it out.
    pub fn request<'a>(&'a self, device: &'a Device<Bound>) -> IoRequest<'a> {
        // SAFETY: By the invariant it is a region, during the borrow.
        let resource = unsafe { bindings::debug_io_resource(self.region.as_ptr()) };
        // SAFETY: As above; it does not change.
        let resource = unsafe { Resource::from_raw(resource) };
        // SAFETY: The registers are the device's from now on.
        unsafe { IoRequest::new(device, resource) }
    }
}

impl Drop for IoRegion {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is the owner; requests have borrowed it, and what they mapped
        // finds no device any more.
        unsafe { bindings::debug_io_region_goes(self.region.as_ptr()) };
        // SAFETY: By the invariant there is a reference, which goes with this.
        unsafe { (self.ops.get)(self.data, false) };
    }
}
