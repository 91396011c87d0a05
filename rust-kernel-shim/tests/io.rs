// SPDX-License-Identifier: GPL-2.0-only
//! Registers: who answers at which offset, and that none does any more when the device has gone.

#![forbid(unsafe_code)]

use kernel::{
    device::{Bound, Device},
    faux,
    io::{mem::IoMem, poll::read_poll_timeout, Io},
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    testing::{everywhere, explore, spawn, IoRegion, Registers},
    time::{delay::fsleep, Delta},
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    vec::Vec,
};

/// An access: offset, size, and the value if it writes.
type Access = (usize, usize, Option<u64>);

/// A device that has one value at all offsets, and knows how it was accessed.
#[pin_data]
struct Recorder {
    value: AtomicU64,
    #[pin]
    log: Mutex<Vec<Access>>,
}

impl Recorder {
    fn new(value: u64) -> Arc<Self> {
        let init = try_pin_init!(Self {
            value: AtomicU64::new(value),
            log <- new_mutex!(Vec::new()),
        });
        Arc::pin_init(init, GFP_KERNEL).unwrap()
    }

    fn take(&self) -> Vec<Access> {
        std::mem::take(&mut *self.log.lock())
    }
}

impl Registers for Recorder {
    fn read(&self, offset: usize, size: usize) -> u64 {
        self.log.lock().push((offset, size, None));
        self.value.load(SeqCst)
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        self.log.lock().push((offset, size, Some(value)));
        self.value.store(value, SeqCst);
    }
}

fn device() -> faux::Registration {
    faux::Registration::new(c"device", None).unwrap()
}

fn bound(registration: &faux::Registration) -> &Device<Bound> {
    registration.as_ref().as_ref()
}

#[test]
fn a_device_gets_offset_size_and_value() {
    everywhere(|| {
        let (device, model) = (device(), Recorder::new(0x1122_3344_5566_7788));
        let region = IoRegion::new(16, model.clone()).unwrap();
        // Another one, with which it is not confused.
        let other = IoRegion::new(16, Recorder::new(0)).unwrap();
        let io: IoMem<'_, 16> = region.request(bound(&device)).iomap_sized().unwrap();
        assert_eq!((&io).size(), 16);
        assert_eq!(
            (io.read8(3), io.read16(2), io.read32(12)),
            (0x88, 0x7788, 0x5566_7788)
        );
        assert_eq!(io.try_read64(8), Ok(0x1122_3344_5566_7788));
        let reads = [(3, 1, None), (2, 2, None), (12, 4, None), (8, 8, None)];
        assert_eq!(model.take(), reads);

        io.write8(1, 0);
        io.try_write16(2, 14).unwrap();
        io.write32(3, 4);
        io.update(8usize, |value: u32| value + 1);
        let writes = [
            (0, 1, Some(1)),
            (14, 2, Some(2)),
            (4, 4, Some(3)),
            (8, 4, None),
            (8, 4, Some(4)),
        ];
        assert_eq!(model.take(), writes);
        drop(other);
    });
}

#[test]
fn what_is_not_within_is_not_accessed() {
    everywhere(|| {
        let (device, model) = (device(), Recorder::new(0));
        let region = IoRegion::new(16, model.clone()).unwrap();
        let request = || region.request(bound(&device));
        assert_eq!(request().iomap_sized::<20>().err(), Some(EINVAL));
        let io = request().iomap().unwrap();
        for offset in [13, 14, 16, 2, usize::MAX - 3, usize::MAX] {
            assert_eq!(io.try_read32(offset), Err(EINVAL), "{offset}");
            assert_eq!(io.try_write32(0, offset), Err(EINVAL), "{offset}");
        }
        assert_eq!(io.try_read64(12), Err(EINVAL));
        assert_eq!(io.try_update(16usize, |value: u32| value), Err(EINVAL));
        assert_eq!(model.take(), []);
        for size in [0, 6] {
            let region = IoRegion::new(size, model.clone()).unwrap();
            assert_eq!(region.request(bound(&device)).iomap().err(), Some(EINVAL));
        }
        for size in [usize::MAX, usize::MAX - 5, usize::MAX / 2] {
            assert_eq!(IoRegion::new(size, model.clone()).err(), Some(ENOMEM));
        }
    });
}

#[test]
#[should_panic(expected = "offset_valid")]
fn an_offset_that_may_be_beyond_the_least_size_is_refused() {
    let (device, model) = (device(), Recorder::new(0));
    let region = IoRegion::new(16, model).unwrap();
    let io = region.request(bound(&device)).iomap_sized::<8>().unwrap();
    io.read32(8);
}

#[test]
fn where_the_device_has_gone_all_bits_are_set() {
    everywhere(|| {
        let (device, model) = (device(), Recorder::new(5));
        let region = IoRegion::new(8, model.clone()).unwrap();
        let io = region.request(bound(&device)).iomap_sized::<8>().unwrap();
        let io = io.into_devres().unwrap();
        assert_eq!(io.access(bound(&device)).unwrap().read32(0), 5);
        drop(region);
        io.access(bound(&device)).unwrap().write32(6, 0);
        assert_eq!(io.try_access().unwrap().relaxed_read(), u32::MAX);
        assert_eq!(model.take(), [(0, 4, None)]);
        // The region had a reference.
        assert!(Arc::into_unique_or_drop(model).is_some());
        drop(device);
        assert!(io.try_access().is_none());
    });
}

/// As a driver would have it.
trait RelaxedRead {
    fn relaxed_read(&self) -> u32;
}

impl RelaxedRead for IoMem<'_, 8> {
    fn relaxed_read(&self) -> u32 {
        use kernel::io::IoBase;
        self.as_view().relaxed().read32(4)
    }
}

/// Says whether it is used after its end.
struct Model(std::sync::Arc<AtomicBool>);

impl Registers for Model {
    fn read(&self, _offset: usize, _size: usize) -> u64 {
        // Another task may run here.
        drop(kernel::sync::rcu::read_lock());
        assert!(!self.0.load(SeqCst), "a device answers that has gone");
        0
    }

    fn write(&self, _offset: usize, _size: usize, _value: u64) {}
}

impl Drop for Model {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_device_that_answers_stays_until_it_has() {
    explore(|| {
        let gone = std::sync::Arc::new(AtomicBool::new(false));
        let model = Arc::new(Model(gone.clone()), GFP_KERNEL).unwrap();
        let region = IoRegion::new(4, model).unwrap();
        let device = device();
        let io = region.request(bound(&device)).iomap_sized::<4>().unwrap();
        let io = Arc::new(io.into_devres().unwrap(), GFP_KERNEL).unwrap();
        for _ in 0..2 {
            let io = io.clone();
            spawn(move || {
                let value = io.try_access_with(|io| io.read32(0));
                assert!(matches!(value, None | Some(0 | u32::MAX)));
            });
        }
        drop(region);
        drop(device);
        assert!(io.try_access().is_none());
    });
}

#[test]
fn a_register_is_waited_for() {
    everywhere(|| {
        let (device, model) = (device(), Recorder::new(0));
        let region = IoRegion::new(4, model.clone()).unwrap();
        let io = region.request(bound(&device)).iomap_sized::<4>().unwrap();
        spawn(move || {
            fsleep(Delta::from_millis(2));
            model.value.store(7, SeqCst);
        });
        let poll = |until| {
            let op = || io.try_read32(0);
            read_poll_timeout(
                op,
                |&value| value == until,
                Delta::from_micros(500),
                Delta::from_secs(600),
            )
        };
        assert_eq!(poll(7), Ok(7));
        let op = || io.try_read32(4);
        assert_eq!(
            read_poll_timeout(op, |_| true, Delta::ZERO, Delta::ZERO),
            Err(EINVAL)
        );
        let (brief, op) = (Delta::from_millis(1), || io.try_read32(0));
        assert_eq!(
            read_poll_timeout(op, |_| false, brief, brief),
            Err(ETIMEDOUT)
        );
    });
}
