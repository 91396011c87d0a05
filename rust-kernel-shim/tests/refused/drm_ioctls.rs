// SPDX-License-Identifier: GPL-2.0-only
//! A call has the number, and the function, with which it was declared; and a file its driver's.
#![forbid(unsafe_code)]

use kernel::{
    device::DeviceContext,
    drm::{
        self,
        file::DriverFile,
        gem,
        ioctl::{self, DrmIoctlDescriptor},
        DriverInfo,
    },
    faux,
    prelude::*,
};

module! {
    type: Module,
    name: "drm_ioctls",
    license: "GPL",
}

struct Module;

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

macro_rules! driver {
    ($driver:ident, $file:ty, $memory:ident, $ioctls:expr) => {
        struct $driver;
        struct $memory;

        #[vtable]
        impl drm::Driver for $driver {
            type Data = u32;
            type RegistrationData<'a> = ();
            type Object = gem::Object<$memory>;
            type File = $file;
            type ParentDevice<Ctx: DeviceContext> = faux::Device<Ctx>;

            const INFO: DriverInfo = DriverInfo {
                major: 1,
                minor: 0,
                patchlevel: 0,
                name: c"test",
                desc: c"Test",
            };
            const IOCTLS: &'static [DrmIoctlDescriptor] = $ioctls;
        }

        impl gem::DriverObject for $memory {
            type Driver = $driver;
            type Args = ();

            fn new(_: &drm::Device<$driver>, _: usize, _: ()) -> impl PinInit<Self, Error> {
                Ok(Self)
            }
        }
    };
}

struct File;

impl DriverFile for File {
    type Driver = A;

    fn open(_: &drm::Device<A>) -> Result<Pin<KBox<Self>>> {
        Ok(KBox::pin(Self, GFP_KERNEL)?)
    }
}

driver!(A, File, AsMemory, &[]);
// A file of another driver.
driver!(B, File, BsMemory, &[]);

// A number smaller than what the function takes.
const SMALL: DrmIoctlDescriptor = DrmIoctlDescriptor {
    cmd: ioctl::IOWR::<u8>(0x40),
    flags: ioctl::RENDER_ALLOW,
    func: None,
    name: core::ptr::null(),
};

fn main() {}
