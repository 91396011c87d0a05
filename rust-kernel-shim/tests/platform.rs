// SPDX-License-Identifier: GPL-2.0-only
//! A driver of a simulated device: as in Linux it maps the registers, and requests the interrupt, of the
//! device that its probe is given; and has neither when the device has gone.

#![deny(unsafe_code)]

use kernel::{
    device::Core,
    io::{mem::DevresIoMem, Io},
    irq::{self, Flags, IrqReturn},
    of, platform,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Completion,
    },
    testing::{
        console, explore, insmod, memory, spawn, Explorer, IrqLine, PlatformDevice, Registers,
    },
};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

/// The registers of an adder: what is written to `OPERAND` is added to `SUM`, and then there is an
/// interrupt, until `ACK` is written.
const OPERAND: usize = 0;
const SUM: usize = 4;
const PENDING: usize = 8;
const ACK: usize = 12;
const SIZE: usize = 16;

/// The hardware.
struct Adder {
    sum: Atomic<u32>,
    pending: Atomic<u32>,
    line: Arc<IrqLine>,
}

impl Registers for Adder {
    fn read(&self, offset: usize, _size: usize) -> u64 {
        match offset {
            SUM => self.sum.load(Relaxed).into(),
            PENDING => self.pending.load(Relaxed).into(),
            _ => 0,
        }
    }

    fn write(&self, offset: usize, _size: usize, value: u64) {
        match offset {
            OPERAND => {
                self.sum.add(value as u32, Relaxed);
                self.pending.store(1, Relaxed);
                self.line.raise();
            }
            ACK => self.pending.store(0, Relaxed),
            _ => {}
        }
    }
}

/// A device with its hardware, and a name of its own.
fn adder(compatible: &CStr) -> Result<PlatformDevice> {
    static LAST: AtomicU16 = AtomicU16::new(0);
    let line = Arc::new(IrqLine::new()?, GFP_KERNEL)?;
    let hardware = Adder {
        sum: Atomic::new(0),
        pending: Atomic::new(0),
        line: line.clone(),
    };
    PlatformDevice::new(c"adder")
        .id(LAST.fetch_add(1, SeqCst))
        .compatible(compatible)
        .registers(c"regs", SIZE, Arc::new(hardware, GFP_KERNEL)?)
        .irq(c"sum", line)
        .add()
}

/// The driver's side of what its interrupt does.
#[pin_data]
struct Shared {
    io: DevresIoMem<SIZE>,
    last: Atomic<u32>,
    #[pin]
    done: Completion,
}

impl Shared {
    /// Adds; ENODEV if the device has gone.
    fn add(&self, operand: u32) -> Result {
        let io = self.io.try_access().ok_or(ENODEV)?;
        io.write32(operand, OPERAND);
        Ok(())
    }
}

/// The interrupt.
struct Handler(Arc<Shared>);

impl irq::Handler for Handler {
    fn handle(&self) -> IrqReturn {
        let Some(io) = self.0.io.try_access() else {
            return IrqReturn::None;
        };
        if io.read32(PENDING) == 0 {
            return IrqReturn::None;
        }
        io.write32(1, ACK);
        self.0.last.store(io.read32(SUM), Relaxed);
        self.0.done.complete_all();
        IrqReturn::Handled
    }
}

/// The driver's data.
#[pin_data]
struct AdderDriver<'bound> {
    shared: Arc<Shared>,
    #[pin]
    irq: irq::Registration<'bound, Handler>,
}

/// How tests get at the driver, as user space would by a file: by the name of a device.
static PROBED: std::sync::Mutex<std::vec::Vec<(String, Arc<Shared>)>> =
    std::sync::Mutex::new(std::vec::Vec::new());

/// Takes one of them; under a lock in which no other task runs.
fn taken(is: impl Fn(&(String, Arc<Shared>)) -> bool) -> Option<Arc<Shared>> {
    let mut probed = PROBED.lock().unwrap();
    let place = probed.iter().position(is)?;
    Some(probed.remove(place).1)
}

/// Takes what a probe has left of a device.
fn opened(device: &PlatformDevice) -> Option<Arc<Shared>> {
    let device: &kernel::device::Device = device.device().as_ref();
    let name = device.name().to_str().unwrap();
    taken(|known| known.0 == name)
}

kernel::of_device_table!(
    TABLE,
    <Driver as platform::Driver>::IdInfo,
    [
        (of::DeviceId::new(c"acme,adder"), 1),
        (of::DeviceId::new(c"acme,adder-fails"), 2),
    ]
);

struct Driver;

impl platform::Driver for Driver {
    type IdInfo = u32;
    type Data<'bound> = AdderDriver<'bound>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        info: Option<&'bound u32>,
    ) -> impl PinInit<AdderDriver<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let io = pdev.io_request_by_name(c"regs").ok_or(ENODEV)?;
            let io = io.iomap_sized::<SIZE>()?.into_devres()?;
            let init = try_pin_init!(Shared {
                io,
                last: Atomic::new(0),
                done <- Completion::new(),
            });
            let shared = Arc::pin_init(init, GFP_KERNEL)?;
            if info == Some(&2) {
                return Err(EIO);
            }
            let handler = Ok(Handler(shared.clone()));
            let known = (pdev.as_ref().name().to_str()?.into(), shared.clone());
            PROBED.lock().unwrap().push(known);
            #[expect(unsafe_code, reason = "so it is in Linux")]
            // SAFETY: It is dropped with the data.
            let irq =
                unsafe { pdev.request_irq_by_index(Flags::TRIGGER_NONE, 0, c"adder", handler) };
            Ok(try_pin_init!(AdderDriver { shared, irq <- irq }))
        })
    }

    fn unbind<'bound>(pdev: &'bound platform::Device<Core<'_>>, this: Pin<&AdderDriver<'bound>>) {
        // It is all there still.
        assert!(this.shared.io.access(pdev.as_ref()).is_ok());
        drop(taken(|known| Arc::ptr_eq(&known.1, &this.shared)));
        dev_info!(pdev, "gone after {}\n", this.shared.last.load(Relaxed));
    }
}

kernel::module_platform_driver! {
    type: Driver,
    name: "adder_driver",
    license: "GPL",
}

/// A module is loaded once in a process.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_driver_has_registers_and_interrupt_while_its_device_is_there() {
    let _alone = ALONE.lock();
    let driver = insmod::<DriverModule>().unwrap();
    let device = adder(c"acme,adder").unwrap();
    assert!(device.is_bound());
    let opened = opened(&device).unwrap();
    opened.add(3).unwrap();
    opened.add(4).unwrap();
    opened.done.wait_for_completion();
    assert_eq!(opened.last.load(Relaxed), 7);
    drop(device);
    assert_eq!(opened.add(5), Err(ENODEV));
    assert_eq!(opened.last.load(Relaxed), 7);
    assert!(console::said("gone after 7") > 0);

    // One that was there before the driver, and outlives it.
    drop(driver);
    let device = adder(c"acme,adder").unwrap();
    assert!(!device.is_bound());
    let driver = insmod::<DriverModule>().unwrap();
    assert!(device.is_bound());
    let opened = self::opened(&device).unwrap();
    drop(driver);
    assert!(!device.is_bound());
    assert_eq!(opened.add(5), Err(ENODEV));
    bound_as_its_tables_and_its_name_say();
}

/// Part of the test above, since a module is loaded once.
fn bound_as_its_tables_and_its_name_say() {
    let _driver = insmod::<DriverModule>().unwrap();
    assert!(!adder(c"acme,subtracter").unwrap().is_bound());
    // It is for those of its name, but this has no registers; which is no error that the log has.
    let device = PlatformDevice::new(c"adder_driver").add().unwrap();
    assert!(!device.is_bound());
    assert_eq!(console::said("platform adder_driver: probe"), 0);

    let device = adder(c"acme,adder-fails").unwrap();
    assert!(!device.is_bound());
    assert_eq!(
        console::said("probe with driver adder_driver failed with error -5"),
        1
    );

    let registers = Arc::new(Dead, GFP_KERNEL).unwrap();
    let device = PlatformDevice::new(c"deaf").compatible(c"acme,adder");
    let device = device.registers(c"regs", SIZE, registers).add().unwrap();
    assert!(!device.is_bound());
    opened(&device);
    assert_eq!(
        console::said("adder_driver deaf: error -6: IRQ index 0 not found"),
        1
    );
    assert_eq!(
        device.device().resource_by_index(0).unwrap().size(),
        SIZE as u64
    );
    assert_eq!(
        device.device().resource_by_index(0).unwrap().name(),
        Some(c"regs")
    );
    assert!(device.device().resource_by_index(1).is_none());
    assert!(device.device().resource_by_name(c"rogs").is_none());
}

/// Registers of nothing.
struct Dead;

impl Registers for Dead {
    fn read(&self, _offset: usize, _size: usize) -> u64 {
        0
    }

    fn write(&self, _offset: usize, _size: usize, _value: u64) {}
}

#[test]
fn a_device_goes_while_it_is_used() {
    let _alone = ALONE.lock();
    explore(|| {
        let _driver = insmod::<DriverModule>().unwrap();
        let device = adder(c"acme,adder").unwrap();
        let shared = opened(&device).unwrap();
        for _ in 0..2 {
            let shared = shared.clone();
            spawn(move || {
                let result = shared.add(1);
                assert!(matches!(result, Ok(()) | Err(ENODEV)), "{result:?}");
            });
        }
        drop(device);
        assert_eq!(shared.add(1), Err(ENODEV));
    });
}

#[test]
fn drivers_and_devices_come_and_go() {
    let _alone = ALONE.lock();
    explore(|| {
        let early = adder(c"acme,adder").unwrap();
        spawn(|| {
            let late = adder(c"acme,adder").unwrap();
            opened(&late);
            drop(late);
        });
        let driver = insmod::<DriverModule>().unwrap();
        assert!(early.is_bound());
        opened(&early).unwrap();
        spawn(move || drop(early));
        drop(driver);
    });
}

#[test]
fn nothing_is_left_when_memory_fails() {
    let _alone = ALONE.lock();
    let outcome = Explorer::new().schedules(1).run(|| {
        let body = || -> Result<bool> {
            let _driver = insmod::<DriverModule>()?;
            let device = adder(c"acme,adder")?;
            opened(&device);
            Ok(device.is_bound())
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
