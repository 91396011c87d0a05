// SPDX-License-Identifier: GPL-2.0-only
//! A device of the PCI bus whose driver makes a part of it, which has a driver of its own: as of a GPU
//! that one driver owns, and another shows.

#![deny(unsafe_code)]

use kernel::{
    auxiliary,
    device::{Bound, Core},
    driver, faux,
    io::Io,
    pci::{self, Class, ClassMask, Vendor},
    platform,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    testing::{
        expect_bug, explore, insmod, memory, spawn, vcpu::fifo, Explorer, PciDevice,
        PlatformDevice, Registers,
    },
    types::{CovariantForLt, ForLt},
};

/// Says its version, at all offsets.
struct Version;

impl Registers for Version {
    fn read(&self, _offset: usize, _size: usize) -> u64 {
        0x17
    }

    fn write(&self, _offset: usize, _size: usize, _value: u64) {}
}

fn gpu(slot: u8) -> Result<PciDevice> {
    PciDevice::new(Vendor::NVIDIA, 0x2684, Class::DISPLAY_VGA)
        .slot(slot)
        .bar(0, 0x1000, Arc::new(Version, GFP_KERNEL)?)
        .bar(1, 0x10000, Arc::new(Version, GFP_KERNEL)?)
        .add()
}

/// What the driver of the whole has for the one of the part: its version, as long as it is bound.
struct Shared<'bound>(&'bound Uses, u32);

impl ForLt for Shared<'static> {
    type Of<'a> = Shared<'a>;
}

#[expect(
    unsafe_code,
    reason = "so it is in Linux, but for a macro that says it"
)]
// SAFETY: It has a reference of that lifetime.
unsafe impl CovariantForLt for Shared<'static> {}

/// How many parts use it.
struct Uses(Atomic<i32>);

impl Drop for Uses {
    fn drop(&mut self) {
        assert_eq!(self.0.load(Relaxed), 0, "gone in use");
    }
}

struct Whole;

/// The part goes before what it has of the whole.
struct WholeData<'bound> {
    _part: auxiliary::Registration<'bound, Shared<'static>>,
}

kernel::pci_device_table!(
    GPUS,
    u32,
    [
        (
            pci::DeviceId::from_class_and_vendor(
                Class::DISPLAY_VGA,
                ClassMask::ClassSubclass,
                Vendor::ATI
            ),
            1
        ),
        (pci::DeviceId::from_id(Vendor::NVIDIA, 0x2684), 2),
    ]
);

/// What lives longer than a device.
static USES: Uses = Uses(Atomic::new(0));

impl pci::Driver for Whole {
    type IdInfo = u32;
    type Data<'bound> = WholeData<'bound>;
    const ID_TABLE: pci::IdTable<u32> = &GPUS;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        info: Option<&'bound u32>,
    ) -> impl PinInit<WholeData<'bound>, Error> + 'bound {
        assert_eq!(info, Some(&2));
        let more = pdev.iomap_region_sized::<0x1004>(0, c"registers");
        assert!(more.is_err());
        let bar = pdev.iomap_region_sized::<0x1000>(0, c"registers")?;
        let version = (&bar).read32(0);
        let dev: &kernel::device::Device<Bound> = pdev.as_ref();
        // By its slot: each part has a name of its own.
        let id = u32::from(dev.name().to_bytes()[9] - b'0') + 3;
        #[expect(unsafe_code, reason = "so it is in Linux")]
        // SAFETY: It is dropped with the data.
        let part = unsafe {
            auxiliary::Registration::new_with_lt(
                dev,
                c"shown",
                id,
                c"whole",
                Shared(&USES, version),
            )
        };
        Ok(WholeData { _part: part? })
    }
}

struct Part;

struct PartData<'bound>(&'bound Uses);

impl Drop for PartData<'_> {
    fn drop(&mut self) {
        self.0 .0.add(-1, Relaxed);
    }
}

kernel::auxiliary_device_table!(
    PARTS,
    &'static str,
    [
        (auxiliary::DeviceId::new(c"whole", c"show"), "no"),
        (auxiliary::DeviceId::new(c"whole", c"shown"), "yes"),
    ]
);

impl auxiliary::Driver for Part {
    type IdInfo = &'static str;
    type Data<'bound> = PartData<'bound>;
    const ID_TABLE: auxiliary::IdTable<Self::IdInfo> = &PARTS;

    fn probe<'bound>(
        adev: &'bound auxiliary::Device<Core<'_>>,
        info: &'bound &'static str,
    ) -> impl PinInit<PartData<'bound>, Error> + 'bound {
        assert!(matches!((adev.id(), *info), (3 | 4, "yes")));
        let adev: &auxiliary::Device<Bound> = adev;
        let pdev: &pci::Device<Bound> = adev.parent().try_into()?;
        assert_eq!(pdev.resource_len(1), Ok(0x10000));
        assert_eq!(pdev.resource_len(2), Ok(0));
        assert_eq!(pdev.resource_len(6), Err(EINVAL));
        assert_eq!(
            (pdev.vendor_id(), pdev.pci_class()),
            (Vendor::NVIDIA, Class::DISPLAY_VGA)
        );
        let parent = adev.parent();
        assert_eq!(
            <&platform::Device<Bound>>::try_from(parent).err(),
            Some(EINVAL)
        );
        let shared = adev.registration_data::<Shared<'static>>()?.get_ref();
        assert_eq!(shared.1, 0x17);
        shared.0 .0.add(1, Relaxed);
        Ok(PartData(shared.0))
    }
}

/// Both drivers.
#[pin_data]
struct Module {
    #[pin]
    whole: driver::Registration<pci::Adapter<Whole>>,
    #[pin]
    part: driver::Registration<auxiliary::Adapter<Part>>,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            whole <- driver::Registration::new(c"whole", module),
            part <- driver::Registration::new(c"part", module),
        })
    }
}

kernel::prelude::module! {
    type: Module,
    name: "buses",
    license: "GPL",
}

/// A module is loaded once in a process.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_part_has_a_driver_of_its_own() {
    let _alone = ALONE.lock();
    let module = insmod::<Module>().unwrap();
    let early = gpu(0).unwrap();
    assert!(early.is_bound());
    assert_eq!(USES.0.load(Relaxed), 1);
    let late = gpu(1).unwrap();
    assert_eq!(USES.0.load(Relaxed), 2);
    drop(early);
    assert_eq!(USES.0.load(Relaxed), 1);
    drop(module);
    assert!(!late.is_bound());
    assert_eq!(USES.0.load(Relaxed), 0);
    let other = PciDevice::new(Vendor::INTEL, 0x2684, Class::DISPLAY_VGA);
    let _module = insmod::<Module>().unwrap();
    assert!(!other.slot(2).add().unwrap().is_bound());
}

#[test]
fn parts_come_and_go_with_the_whole() {
    let _alone = ALONE.lock();
    explore(|| {
        let module = insmod::<Module>().unwrap();
        let gpu = gpu(0).unwrap();
        spawn(move || drop(gpu));
        drop(module);
        assert_eq!(USES.0.load(Relaxed), 0);
    });
}

#[test]
fn nothing_is_left_when_memory_fails() {
    let _alone = ALONE.lock();
    let outcome = Explorer::new().schedules(1).run(|| {
        let body = || -> Result<bool> {
            let _module = insmod::<Module>()?;
            Ok(gpu(0)?.is_bound())
        };
        for nth in 1.. {
            if !memory::fail_nth(nth, body).1 {
                break;
            }
        }
        assert_eq!(body(), Ok(true));
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_name_is_one_device_s() {
    let end = fifo(|| {
        let whole = faux::Registration::new(c"whole", None).unwrap();
        let dev = whole.as_ref().as_ref();
        let part =
            |id| auxiliary::Registration::<Nothing>::new(dev, c"twin", id, c"whole", Nothing);
        let first = part(0).unwrap();
        assert_eq!(part(0).err(), Some(EEXIST));
        let second = part(1).unwrap();
        drop(first);
        drop((part(0).unwrap(), second));

        let desk = |name| PlatformDevice::new(name).add();
        let first = desk(c"whole.twin.0").unwrap();
        assert_eq!(desk(c"whole.twin.0").err(), Some(EEXIST));
        assert_eq!(desk(c"").err(), Some(EINVAL));
        drop(first);
        drop(desk(c"whole.twin.0").unwrap());

        let slot = |slot| {
            PciDevice::new(Vendor::INTEL, 1, Class::DISPLAY_VGA)
                .slot(slot)
                .add()
        };
        let first = slot(1).unwrap();
        assert_eq!(slot(1).err(), Some(EEXIST));
        drop((slot(2).unwrap(), first));
        drop(slot(1).unwrap());

        assert_eq!(faux::Registration::new(c"", None).err(), Some(ENODEV));
    });
    assert_eq!(end, Ok(()));
}

/// Data that borrows nothing.
struct Nothing;

impl ForLt for Nothing {
    type Of<'a> = Nothing;
}

#[test]
fn a_whole_does_not_go_before_a_part_that_is_forgotten() {
    let end = expect_bug("kernel BUG", || {
        fifo(|| {
            let whole = faux::Registration::new(c"whole", None).unwrap();
            let dev = whole.as_ref().as_ref();
            let part = auxiliary::Registration::<Nothing>::new(dev, c"part", 0, c"whole", Nothing);
            core::mem::forget(part.unwrap());
            drop(whole);
        })
    });
    assert!(end.is_err());
}
