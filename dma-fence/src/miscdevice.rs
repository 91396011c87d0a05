// SPDX-License-Identifier: GPL-2.0-only
//! A device whose open files share data.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)
//!
//! The kernel's own `MiscDevice` is told, when a program opens it, which registration that is, but not
//! what is beside that; drivers without unsafe code need it.

use super::bindings;
use core::{
    marker::PhantomData,
    ptr::from_ref, //
};
use kernel::{
    container_of,
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    ModuleMetadata, //
};

/// The length of a task's name, NUL included.
const TASK_COMM_LEN: usize = 16;

/// An open file of a [`SharedMiscDevice`]; dropped when the last reference to it is gone.
pub trait MiscFile: Sized + Send + Sync + 'static {
    /// What all files of a device share.
    type Shared: Send + Sync + 'static;

    /// The module whose device it is.
    type OwnerModule: ModuleMetadata;

    /// A program opens the device, in a task that is called `comm`. May sleep.
    fn open(shared: &Self::Shared, comm: &CStr) -> Result<KBox<Self>>;

    /// A program makes a call; `arg` is an address in its memory, or a number. May sleep.
    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize>;
}

// UNTIL(miscdevice-data): `MiscDeviceRegistration` has data that `open()` is given.
/// A device in `/dev` that programs open, with what its files share; dropping it removes the device,
/// while files that are open stay so.
#[pin_data]
pub struct SharedMiscDevice<F: MiscFile> {
    // Dropped first: after that no program is opening it.
    #[pin]
    registration: MiscDeviceRegistration<Device<F>>,
    shared: F::Shared,
}

impl<F: MiscFile> SharedMiscDevice<F> {
    /// Registers a device. May sleep.
    ///
    /// # Errors
    ///
    /// EEXIST if there is one of that name; ENOMEM.
    #[doc(alias = "misc_register")]
    pub fn register(name: &'static CStr, shared: F::Shared) -> impl PinInit<Self, Error> {
        let options = MiscDeviceOptions { name };
        try_pin_init!(Self {
            // Before a program can open it.
            shared,
            registration <- MiscDeviceRegistration::register(options),
        })
    }

    /// What the files share.
    pub fn shared(&self) -> &F::Shared {
        &self.shared
    }
}

/// The device as the kernel knows it. Nothing but a [`SharedMiscDevice`] can register one.
struct Device<F>(PhantomData<F>);

#[vtable]
impl<F: MiscFile> MiscDevice for Device<F> {
    type OwnerModule = F::OwnerModule;
    type Ptr = KBox<F>;

    fn open(_file: &File, misc: &MiscDeviceRegistration<Self>) -> Result<KBox<F>> {
        let registration = from_ref(misc).cast_mut();
        // SAFETY: It is the field of a `SharedMiscDevice`, as is each registration of this type,
        // which is not dropped while it is being opened.
        let device = unsafe { &*container_of!(registration, SharedMiscDevice<F>, registration) };
        let mut comm = [0u8; TASK_COMM_LEN];
        // SAFETY: There always is a current task, and the buffer is as long.
        unsafe {
            let buf = comm.as_mut_ptr().cast();
            bindings::__get_task_comm(buf, comm.len(), bindings::get_current());
        }
        let comm = CStr::from_bytes_until_nul(&comm).map_err(|_| EINVAL)?;
        F::open(&device.shared, comm)
    }

    fn ioctl(open: &F, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        open.ioctl(cmd, arg)
    }
}
