// SPDX-License-Identifier: GPL-2.0-only

//! Tables of the devices that a driver is for.
//!
//! C header: [`include/linux/mod_devicetable.h`](srctree/include/linux/mod_devicetable.h).
//!
//! In Linux user space reads the tables too, to load the module of a device. Here tests load them.

use core::{
    marker::PhantomData,
    mem::{forget, transmute_copy, MaybeUninit},
    ptr::NonNull,
};

/// A device, as a bus names it.
///
/// # Safety
///
/// It is a transparent wrapper of `RawType`, and so is that of nothing but plain data, of which all bits
/// zero say the end of a table.
pub unsafe trait RawDeviceId {
    /// C's type.
    type RawType: Copy;
}

/// As [`RawDeviceId`], with a place for what the driver says of the device.
///
/// # Safety
///
/// At [`DRIVER_DATA_OFFSET`](Self::DRIVER_DATA_OFFSET) there is room for a pointer, aligned.
pub unsafe trait RawDeviceIdIndex: RawDeviceId {
    /// The place, in bytes.
    const DRIVER_DATA_OFFSET: usize;

    /// Returns what the driver says of the device.
    ///
    /// # Safety
    ///
    /// It is in an [`IdArray`] with such data.
    unsafe fn info_unchecked<U>(&self) -> &'static U {
        // SAFETY: The caller says so.
        let info = unsafe { self.info_unchecked_opt() };
        // SAFETY: A table without is one of `()`, for which any aligned address will do.
        info.unwrap_or(unsafe { NonNull::dangling().as_ref() })
    }

    /// As [`info_unchecked`](Self::info_unchecked), if it is in a table.
    ///
    /// # Safety
    ///
    /// It is in an [`IdArray`] with such data, or has null in that place.
    unsafe fn info_unchecked_opt<U>(&self) -> Option<&'static U> {
        let this = core::ptr::from_ref(self);
        // SAFETY: Put there by `IdArray::new()`, or null, says the caller.
        unsafe {
            this.byte_add(Self::DRIVER_DATA_OFFSET)
                .cast::<Option<&U>>()
                .read()
        }
    }
}

/// A table of `N` devices, with a `U` for each.
#[repr(C)]
pub struct IdArray<T: RawDeviceId, U: 'static, const N: usize> {
    // Pointers among integers, which at compile time only memory of no type has.
    ids: [MaybeUninit<T::RawType>; N],
    end: MaybeUninit<T::RawType>,
    _info: PhantomData<&'static U>,
}

// SAFETY: Plain data, and references to what is `Sync`.
unsafe impl<T: RawDeviceId, U: Sync + 'static, const N: usize> Send for IdArray<T, U, N> {}

// SAFETY: As above.
unsafe impl<T: RawDeviceId, U: Sync + 'static, const N: usize> Sync for IdArray<T, U, N> {}

impl<T: RawDeviceIdIndex, U: 'static, const N: usize> IdArray<T, U, N> {
    /// A table of devices, and of what the driver says of each.
    pub const fn new(ids: [(T, &'static U); N]) -> Self {
        let mut raw = [const { MaybeUninit::<T::RawType>::uninit() }; N];
        let mut n = 0;
        while n < N {
            // SAFETY: A wrapper of it, says the trait.
            raw[n] = unsafe { transmute_copy(&ids[n].0) };
            let data = raw[n].as_mut_ptr().cast::<u8>();
            // SAFETY: There is room, says the trait.
            unsafe { data.add(T::DRIVER_DATA_OFFSET).cast::<&U>().write(ids[n].1) };
            n += 1;
        }
        forget(ids);
        Self {
            ids: raw,
            end: MaybeUninit::zeroed(),
            _info: PhantomData,
        }
    }
}

impl<T: RawDeviceId, const N: usize> IdArray<T, (), N> {
    /// A table of devices, of which the driver says nothing.
    pub const fn new_without_index(ids: [T; N]) -> Self {
        // SAFETY: Wrappers of it, says the trait.
        let raw = unsafe { transmute_copy(&ids) };
        forget(ids);
        Self {
            ids: raw,
            end: MaybeUninit::zeroed(),
            _info: PhantomData,
        }
    }
}

mod private {
    pub trait Sealed {}
}

impl<T: RawDeviceId, U, const N: usize> private::Sealed for IdArray<T, U, N> {}

/// A table, whatever its size: an [`IdArray`], and nothing else, because C believes what is in it.
pub trait IdTable<T: RawDeviceId, U>: private::Sealed {
    /// Returns C's pointer, to the first; the last one is all zero.
    fn as_ptr(&self) -> *const T::RawType;
}

impl<T: RawDeviceId, U, const N: usize> IdTable<T, U> for IdArray<T, U, N> {
    fn as_ptr(&self) -> *const T::RawType {
        // The end follows the others, as `repr(C)` lays it out.
        core::ptr::from_ref(self).cast()
    }
}

/// Declares the table of a kind of devices.
#[macro_export]
macro_rules! module_device_table {
    ($kind:literal, $id_type:ty, $table:ident, @none, [$($id:expr),* $(,)?]) => {
        static $table: $crate::device_id::IdArray<
            $id_type, (), { <[$id_type]>::len(&[$($id,)*]) }
        > = $crate::device_id::IdArray::new_without_index([$($id),*]);
    };
    ($kind:literal, $id_type:ty, $table:ident, $info_type:ty,
     [$(($id:expr, $info:expr $(,)?)),* $(,)?]
    ) => {
        static $table: $crate::device_id::IdArray<
            $id_type, $info_type, { <[$id_type]>::len(&[$($id,)*]) }
        > = $crate::device_id::IdArray::new([$(($id, &$info),)*]);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auxiliary::DeviceId;

    #[test]
    fn a_table_that_says_nothing_has_no_null_reference() {
        crate::auxiliary_device_table!(PARTS, @none, [DeviceId::new(c"whole", c"part")]);
        let first = IdTable::as_ptr(&PARTS).cast::<DeviceId>();
        // SAFETY: It is in the table; the type is transparent.
        let info: &() = unsafe { (*first).info_unchecked() };
        // The compiler knows that of a reference.
        assert!(!core::hint::black_box(core::ptr::from_ref(info)).is_null());
    }
}
