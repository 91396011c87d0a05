// SPDX-License-Identifier: GPL-2.0-only

//! Calls of clients (`ioctl(2)`).
//!
//! C header: [`include/drm/drm_ioctl.h`](srctree/include/drm/drm_ioctl.h).

use crate::{bindings, ioctl};

const BASE: u32 = uapi::DRM_IOCTL_BASE as u32;

/// The number of a call without an argument.
#[allow(non_snake_case)]
#[inline(always)]
pub const fn IO(nr: u32) -> u32 {
    ioctl::_IO(BASE, nr)
}

/// The number of a call of which the client reads a `T`.
#[allow(non_snake_case)]
#[inline(always)]
pub const fn IOR<T>(nr: u32) -> u32 {
    ioctl::_IOR::<T>(BASE, nr)
}

/// The number of a call for which the client writes a `T`.
#[allow(non_snake_case)]
#[inline(always)]
pub const fn IOW<T>(nr: u32) -> u32 {
    ioctl::_IOW::<T>(BASE, nr)
}

/// The number of a call for which the client writes a `T` and reads it back.
#[allow(non_snake_case)]
#[inline(always)]
pub const fn IOWR<T>(nr: u32) -> u32 {
    ioctl::_IOWR::<T>(BASE, nr)
}

/// A call of a driver, as [`declare_drm_ioctls!`](crate::declare_drm_ioctls) declares it.
///
/// Its argument is as large as its number says. Another driver's device refuses it.
#[doc(alias = "drm_ioctl_desc")]
#[repr(transparent)]
pub struct DrmIoctlDescriptor(bindings::drm_ioctl_desc);

/// Of clients that are authenticated, or only render.
pub const AUTH: u32 = bindings::drm_ioctl_flags_DRM_AUTH;
/// Of the client that is the master; which none is here.
pub const MASTER: u32 = bindings::drm_ioctl_flags_DRM_MASTER;
/// Of the administrator; which none is here.
pub const ROOT_ONLY: u32 = bindings::drm_ioctl_flags_DRM_ROOT_ONLY;
/// Of clients that only render as well.
pub const RENDER_ALLOW: u32 = bindings::drm_ioctl_flags_DRM_RENDER_ALLOW;

#[doc(hidden)]
pub mod internal {
    use super::DrmIoctlDescriptor;
    use crate::{
        drm::{Device, Driver, File, Ioctl, Registered},
        ffi::{c_int, c_void},
        prelude::*,
        str::as_char_ptr_in_const_context,
    };
    use core::{any::TypeId, marker::PhantomData};

    /// A driver's function `F`, which takes an `S` and has captured nothing.
    pub struct Handler<D, S, F, R>(PhantomData<(D, S, F, R)>);

    impl<D, S: 'static, F, R> Handler<D, S, F, R>
    where
        D: Driver,
        F: for<'a> Fn(
                &Device<D, Registered>,
                &'a D::RegistrationData<'a>,
                &mut S,
                &File<D::File>,
            ) -> Result<R>
            + Copy,
        R: TryInto<c_int>,
    {
        /// Takes the function.
        pub const fn new(_handler: F) -> Self {
            const {
                assert!(
                    size_of::<F>() == 0,
                    "a handler is a function, and captures nothing"
                )
            };
            Self(PhantomData)
        }

        /// The call of a number, which must be of the argument's size.
        ///
        /// # Safety
        ///
        /// All bits of an `S` may be any.
        pub const unsafe fn descriptor(
            &self,
            cmd: u32,
            flags: u32,
            name: &'static CStr,
        ) -> DrmIoctlDescriptor {
            // C allocates it so.
            const { assert!(align_of::<S>() <= 16) };
            assert!(size_of::<S>() == crate::ioctl::_IOC_SIZE(cmd));
            DrmIoctlDescriptor(bindings::drm_ioctl_desc {
                cmd,
                flags,
                func: Some(Self::call),
                name: as_char_ptr_in_const_context(name),
            })
        }

        /// # Safety
        ///
        /// The device is one of this crate, `file` one of its open files; `data` is an `S` of the caller's; an
        /// `F` was given to [`Handler::new`].
        unsafe extern "C" fn call(
            dev: *mut bindings::drm_device,
            data: *mut c_void,
            file: *mut bindings::drm_file,
        ) -> c_int {
            // SAFETY: The caller says so.
            let driver = unsafe { super::super::device::driver_of(dev) };
            // Safe code can have named the calls of another driver.
            if crate::warn_on!(driver != TypeId::of::<D>()) {
                return EINVAL.to_errno();
            }
            // SAFETY: It is one of this driver, as just seen; a client has opened it, so it was registered.
            let dev = unsafe { Device::<D, Ioctl>::from_raw(dev) };
            let Some(guard) = dev.registration_guard() else {
                return ENODEV.to_errno();
            };
            // SAFETY: The caller says so, and a file is of its device's driver.
            let (data, file) = unsafe { (&mut *data.cast::<S>(), File::from_raw(file)) };
            // SAFETY: It is of no size, and there was one, which can be copied.
            let handler = unsafe { core::ptr::NonNull::<F>::dangling().read() };
            let run =
                || guard.registration_data_with(|reg_data| handler(&guard, reg_data, data, file));
            match bindings::driver_code("a call of a client", run) {
                Some(Ok(result)) => result.try_into().unwrap_or(ERANGE.to_errno()),
                Some(Err(error)) => error.to_errno(),
                // It has panicked.
                None => EIO.to_errno(),
            }
        }
    }
}

/// Declares the calls of a driver, in its implementation of [`drm::Driver`](crate::drm::Driver).
///
/// Each is `(NUMBER, structure, flags, function)`: `NUMBER` stands for `DRM_IOCTL_NUMBER` of
/// [`uapi`](crate::uapi), from which the structure is too. The numbers follow each other. A function gets
/// the device, the data of its registration, the structure and the file, all of its own driver; Linux
/// does not look at that last.
///
/// # Examples
///
/// ```ignore
/// kernel::declare_drm_ioctls! {
///     (NOVA_GETPARAM, drm_nova_getparam, ioctl::RENDER_ALLOW, File::get_param),
/// }
/// ```
#[macro_export]
macro_rules! declare_drm_ioctls {
    ($(($cmd:ident, $struct:ident, $flags:expr, $func:expr)),* $(,)?) => {
        const IOCTLS: &'static [$crate::drm::ioctl::DrmIoctlDescriptor] = {
            #[allow(unused_imports)]
            use $crate::uapi::*;
            const _: () = {
                let _next = $crate::uapi::DRM_COMMAND_BASE;
                $(
                    let cmd: u32 = $crate::macros::concat_idents!(DRM_IOCTL_, $cmd);
                    ::core::assert!(_next == $crate::ioctl::_IOC_NR(cmd));
                    let _next = _next + 1;
                )*
            };
            &[$(
                {
                    let (flags, name) = ($flags, $crate::c_str!(::core::stringify!($cmd)));
                    let handler = $crate::drm::ioctl::internal::Handler::<
                        Self, $crate::uapi::$struct, _, _
                    >::new($func);
                    let cmd = $crate::macros::concat_idents!(DRM_IOCTL_, $cmd);
                    // SAFETY: A structure of user space's, which may write any bits to it.
                    unsafe { handler.descriptor(cmd, flags, name) }
                },
            )*]
        };
    };
}
