// SPDX-License-Identifier: GPL-2.0-only
//! Graphics devices: who may open them, and what a file's handles lead to.

use kernel::{
    drm::{
        self,
        file::DriverFile,
        gem::{self, BaseObject, DriverObject},
        ioctl, DriverInfo, Registered, UnregisteredDevice,
    },
    faux, new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        rcu, Arc, Mutex,
    },
    testing::{everywhere, expect_bug, explore, memory, spawn, DrmClient, Explorer},
    uapi,
};

module! {
    type: TestModule,
    name: "drm_test",
    license: "GPL",
}

struct TestModule;

impl kernel::Module for TestModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

struct Test;

/// The data of a registration: how many calls use it.
struct Uses(Atomic<i32>);

impl Drop for Uses {
    fn drop(&mut self) {
        assert_eq!(self.0.load(Relaxed), 0, "dropped in use");
    }
}

/// The data of a device: what happens to it.
#[pin_data]
struct Data {
    #[pin]
    log: Mutex<KVec<&'static str>>,
}

impl Data {
    fn says(&self, what: &'static str) {
        // Only the tests with one task look at it.
        let _ = self.log.lock().push(what, GFP_KERNEL);
    }

    fn take(&self) -> KVec<&'static str> {
        core::mem::take(&mut *self.log.lock())
    }
}

#[vtable]
impl drm::Driver for Test {
    type Data = Data;
    type RegistrationData<'a> = Uses;
    type Object = gem::Object<Memory>;
    type File = Client;
    type ParentDevice<Ctx: kernel::device::DeviceContext> = faux::Device<Ctx>;

    const INFO: DriverInfo = DriverInfo {
        major: 1,
        minor: 0,
        patchlevel: 0,
        name: c"test",
        desc: c"Test",
    };

    const FEAT_RENDER: bool = true;

    kernel::declare_drm_ioctls! {
        (NOVA_GETPARAM, drm_nova_getparam, ioctl::RENDER_ALLOW, Client::get_param),
        (NOVA_GEM_CREATE, drm_nova_gem_create, ioctl::AUTH, Client::gem_create),
        (NOVA_GEM_INFO, drm_nova_gem_info, ioctl::MASTER, Client::gem_info),
    }
}

impl Client {
    fn get_param(
        dev: &drm::Device<Test, Registered>,
        uses: &Uses,
        param: &mut uapi::drm_nova_getparam,
        _file: &drm::File<Client>,
    ) -> Result<u32> {
        uses.0.add(1, Relaxed);
        // Another task may run here.
        drop(rcu::read_lock());
        uses.0.add(-1, Relaxed);
        let parent: &faux::Device<kernel::device::Bound> = dev.as_ref();
        let parent: &kernel::device::Device<kernel::device::Bound> = parent.as_ref();
        param.value = param.param + parent.name().to_bytes().len() as u64;
        match param.param {
            9 => Err(EDOM),
            other => Ok(other as u32),
        }
    }

    fn gem_create(
        dev: &drm::Device<Test, Registered>,
        _uses: &Uses,
        create: &mut uapi::drm_nova_gem_create,
        file: &drm::File<Client>,
    ) -> Result<u32> {
        let object = gem::Object::<Memory>::new(dev, create.size as usize, 1)?;
        create.handle = object.create_handle(file)?;
        Ok(0)
    }

    fn gem_info(
        _dev: &drm::Device<Test, Registered>,
        _uses: &Uses,
        _info: &mut uapi::drm_nova_gem_info,
        _file: &drm::File<Client>,
    ) -> Result<u32> {
        Ok(0)
    }
}

struct Client(ARef<drm::Device<Test>>);

impl DriverFile for Client {
    type Driver = Test;

    fn open(device: &drm::Device<Test>) -> Result<Pin<KBox<Self>>> {
        device.says("open");
        Ok(KBox::pin(Self(device.into()), GFP_KERNEL)?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.says("close");
    }
}

/// The data of an object: its number, and its device but for 2; 13 has bad luck when it is opened.
struct Memory(u32, Option<ARef<drm::Device<Test>>>);

impl DriverObject for Memory {
    type Driver = Test;
    type Args = u32;

    fn new(dev: &drm::Device<Test>, _size: usize, args: u32) -> impl PinInit<Self, Error> {
        let dev = (args != 2).then(|| dev.into());
        let init = move |slot: *mut Self| {
            if args == 0 {
                return Err(EINVAL);
            }
            // SAFETY: The slot is valid.
            unsafe { slot.write(Self(args, dev)) };
            Ok(())
        };
        // SAFETY: The slot is initialised, or there is an error.
        unsafe { pin_init::pin_init_from_closure(init) }
    }

    fn open(obj: &gem::Object<Self>, file: &drm::File<Client>) -> Result {
        file.inner().0.says("handle");
        if obj.0 == 13 {
            return Err(EACCES);
        }
        Ok(())
    }

    fn close(_obj: &gem::Object<Self>, file: &drm::File<Client>) {
        file.inner().0.says("no handle");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(device) = &self.1 {
            device.says("free");
        }
    }
}

type Object = gem::Object<Memory>;

/// Calls `body` with a device that is registered, and the end of its registration.
fn with(body: impl FnOnce(&drm::Device<Test>, &dyn Fn())) -> Result {
    let parent = faux::Registration::new(c"gpu", None)?;
    let data = || try_pin_init!(Data { log <- new_mutex!(KVec::new()) }? Error);
    let device = UnregisteredDevice::<Test>::new(parent.as_ref(), data())?;
    assert_eq!(DrmClient::open(&device).err(), Some(ENODEV));
    let bound = parent.as_ref().as_ref();
    // SAFETY: It is dropped below.
    let registration = unsafe { drm::Registration::new(bound, device, Uses(Atomic::new(0)), 0) }?;
    let device: ARef<drm::Device<Test>> = registration.device().into();
    let registration = core::cell::Cell::new(Some(registration));
    body(&device, &|| drop(registration.take()));
    Ok(())
}

#[test]
fn a_handle_leads_to_its_object() {
    everywhere(|| {
        with(|device, unplug| {
            let client = DrmClient::open(device).unwrap();
            let object = Object::new(device, 2 * PAGE_SIZE, 7).unwrap();
            assert_eq!((object.size(), object.0), (2 * PAGE_SIZE, 7));
            let file = client.file();
            let handles = [(); 3].map(|()| object.create_handle(file).unwrap());
            assert_eq!(handles, [1, 2, 3]);
            let found = Object::lookup_handle(file, 2).unwrap();
            assert!(core::ptr::eq(&*found, &*object));
            for none in [0, 4] {
                assert_eq!(Object::lookup_handle(file, none).err(), Some(ENOENT));
                assert_eq!(client.close_handle(none), Err(EINVAL));
            }
            assert_eq!(client.close_handle(2), Ok(()));
            assert_eq!(Object::lookup_handle(file, 2).err(), Some(ENOENT));
            // The least that is free.
            assert_eq!(object.create_handle(file), Ok(2));
            drop(found);

            // Another client has handles of its own.
            let other = DrmClient::open(device).unwrap();
            assert_eq!(Object::lookup_handle(other.file(), 1).err(), Some(ENOENT));
            unplug();
            assert_eq!(DrmClient::open(device).err(), Some(ENODEV));
            assert!(Object::lookup_handle(file, 1).is_ok());
            drop(other);
        })
        .unwrap();
    });
}

#[test]
fn a_driver_is_told_in_order() {
    everywhere(|| {
        with(|device, _unplug| {
            let client = DrmClient::open(device).unwrap();
            let object = Object::new(device, PAGE_SIZE, 1).unwrap();
            object.create_handle(client.file()).unwrap();
            object.create_handle(client.file()).unwrap();
            drop(object);
            client.close_handle(1).unwrap();
            drop(client);
            let expected = [
                "open",
                "handle",
                "handle",
                "no handle",
                "no handle",
                "free",
                "close",
            ];
            assert_eq!(*device.take(), expected);

            // One that the driver does not open has no handle.
            let client = DrmClient::open(device).unwrap();
            let object = Object::new(device, PAGE_SIZE, 13).unwrap();
            assert_eq!(object.create_handle(client.file()), Err(EACCES));
            assert_eq!(Object::lookup_handle(client.file(), 1).err(), Some(ENOENT));
            drop((object, client));
            assert_eq!(*device.take(), ["open", "handle", "free", "close"]);
            assert_eq!(Object::new(device, PAGE_SIZE, 0).err(), Some(EINVAL));
        })
        .unwrap();
    });
}

#[test]
fn an_object_keeps_its_device() {
    everywhere(|| {
        let mut kept = None;
        with(|device, _unplug| {
            kept = Some(Object::new(device, PAGE_SIZE, 2).unwrap());
        })
        .unwrap();
        let object = kept.unwrap();
        object.dev().says("still there");
        assert_eq!(*object.dev().take(), ["still there"]);
    });
}

#[test]
fn clients_and_their_handles_race() {
    explore(|| {
        with(|device, unplug| {
            let client = Arc::new(DrmClient::open(device).unwrap(), GFP_KERNEL).unwrap();
            for number in 1..3 {
                let client = client.clone();
                // An object does not go from one task to another, as in Linux.
                spawn(move || {
                    let device = &client.file().inner().get_ref().0;
                    let object = Object::new(device, PAGE_SIZE, number).unwrap();
                    let handle = object.create_handle(client.file()).unwrap();
                    let found = Object::lookup_handle(client.file(), handle).unwrap();
                    assert!(core::ptr::eq(&*found, &*object));
                    assert_eq!(client.close_handle(handle), Ok(()));
                });
            }
            // Whatever there is now.
            if let Ok(found) = Object::lookup_handle(client.file(), 1) {
                assert!((1..3).contains(&found.0));
            }
            unplug();
        })
        .unwrap();
    });
}

#[test]
fn nothing_is_left_when_memory_fails() {
    let outcome = Explorer::new().schedules(1).run(|| {
        for nth in 1..30 {
            let _ = memory::fail_nth(nth, || {
                with(|device, _unplug| {
                    let Ok(client) = DrmClient::open(device) else {
                        return;
                    };
                    if let Ok(object) = Object::new(device, PAGE_SIZE, 1) {
                        let _ = object.create_handle(client.file());
                    }
                })
            });
        }
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_client_makes_the_calls_of_a_driver() {
    everywhere(|| {
        with(|device, unplug| {
            let client = DrmClient::open(device).unwrap();
            let render = DrmClient::open_render(device).unwrap();
            let mut param = uapi::drm_nova_getparam { param: 3, value: 0 };
            assert_eq!(
                client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param),
                Ok(3)
            );
            assert_eq!(param.value, 3 + "gpu".len() as u64);
            assert_eq!(
                render.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param),
                Ok(3)
            );
            // What it has written is there although there is an error.
            param.param = 9;
            assert_eq!(
                client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param),
                Err(EDOM)
            );
            assert_eq!(param.value, 9 + "gpu".len() as u64);
            // A result that is no `int`.
            param.param = u32::MAX.into();
            assert_eq!(
                client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param),
                Err(ERANGE)
            );

            let mut create = uapi::drm_nova_gem_create {
                handle: 0,
                pad: 0,
                size: PAGE_SIZE as u64,
            };
            let number = uapi::DRM_IOCTL_NOVA_GEM_CREATE;
            assert_eq!(render.ioctl(number, &mut create), Err(EACCES));
            assert_eq!(client.ioctl(number, &mut create), Ok(0));
            assert!(gem::Object::<Memory>::lookup_handle(client.file(), create.handle).is_ok());

            let mut info = uapi::drm_nova_gem_info::default();
            assert_eq!(
                client.ioctl(uapi::DRM_IOCTL_NOVA_GEM_INFO, &mut info),
                Err(EACCES)
            );
            assert_eq!(client.ioctl(ioctl::IO(0x43), &mut ()), Err(EINVAL));
            assert_eq!(client.ioctl(ioctl::IO(0x3f), &mut ()), Err(EINVAL));
            assert_eq!(client.ioctl(number, &mut 0_u32), Err(EINVAL));
            unplug();
            assert_eq!(
                client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param),
                Err(ENODEV)
            );
        })
        .unwrap();
    });
}

#[test]
fn a_device_is_registered_during_a_call() {
    explore(|| {
        with(|device, unplug| {
            for _ in 0..2 {
                let client = DrmClient::open(device).unwrap();
                spawn(move || {
                    let mut param = uapi::drm_nova_getparam { param: 3, value: 0 };
                    let result = client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param);
                    assert!(matches!(result, Ok(3) | Err(ENODEV)), "{result:?}");
                });
            }
            unplug();
        })
        .unwrap();
    });
}

/// A driver whose data is none of [`Test`]'s, and whose calls are.
struct Thief;

struct ThiefsClient;

struct ThiefsMemory;

#[vtable]
impl drm::Driver for Thief {
    type Data = [usize; 4];
    type RegistrationData<'a> = ();
    type Object = gem::Object<ThiefsMemory>;
    type File = ThiefsClient;
    type ParentDevice<Ctx: kernel::device::DeviceContext> = faux::Device<Ctx>;

    const INFO: DriverInfo = Test::INFO;
    const IOCTLS: &'static [ioctl::DrmIoctlDescriptor] = Test::IOCTLS;
}

impl DriverFile for ThiefsClient {
    type Driver = Thief;

    fn open(_device: &drm::Device<Thief>) -> Result<Pin<KBox<Self>>> {
        Ok(KBox::pin(Self, GFP_KERNEL)?)
    }
}

impl DriverObject for ThiefsMemory {
    type Driver = Thief;
    type Args = ();

    fn new(_dev: &drm::Device<Thief>, _size: usize, _args: ()) -> impl PinInit<Self, Error> {
        Ok(Self)
    }
}

#[test]
fn a_driver_s_calls_are_not_another_s() {
    expect_bug("driver != TypeId::of", || {
        let parent = faux::Registration::new(c"gpu", None).unwrap();
        let device = UnregisteredDevice::<Thief>::new(parent.as_ref(), Ok([0x10; 4])).unwrap();
        let bound = parent.as_ref().as_ref();
        // SAFETY: It is dropped before the device of its bus.
        let registration = unsafe { drm::Registration::new(bound, device, (), 0) }.unwrap();
        let client = DrmClient::open(registration.device()).unwrap();
        let mut param = uapi::drm_nova_getparam { param: 3, value: 0 };
        let result = client.ioctl(uapi::DRM_IOCTL_NOVA_GETPARAM, &mut param);
        assert_eq!((result, param.value), (Err(EINVAL), 0));
    });
}
