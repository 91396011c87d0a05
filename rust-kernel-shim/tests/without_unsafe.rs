// SPDX-License-Identifier: GPL-2.0-only

//! A driver without unsafe code: whatever the macros expand to passes.

#![no_std]
#![forbid(unsafe_code)]

use kernel::{
    new_mutex, new_spinlock, new_spinlock_irq,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{Arc, Mutex, SpinLock, SpinLockIrq},
};

#[vtable]
trait Ops {
    fn show(&self, m: &SeqFile) {
        let _ = m;
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

#[pin_data]
struct Driver {
    #[pin]
    spin: SpinLock<u32>,
    #[pin]
    irq: SpinLockIrq<u32>,
    #[pin]
    mutex: Mutex<u32>,
}

#[vtable]
impl Ops for Driver {
    fn show(&self, m: &SeqFile) {
        seq_print!(m, "{}\n", *self.spin.lock());
    }
}

static_assert!(Driver::HAS_SHOW);

impl kernel::InPlaceModule for Driver {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pr_info!("{} loads, {:p}\n", current!().pid(), module);
        try_pin_init!(Self {
            spin <- new_spinlock!(1),
            irq <- new_spinlock_irq!(2, "Driver::irq"),
            mutex <- new_mutex!(u32::try_from(3u64)?),
        })
    }
}

module! {
    type: Driver,
    name: "without_unsafe",
    description: "A driver without unsafe code",
    license: "GPL",
}

#[kunit_tests(without_unsafe)]
mod tests {
    use super::*;

    #[test]
    fn loads() -> Result {
        let module = kernel::module::this_module::<LocalModule>();
        let driver: Arc<Driver> =
            Arc::pin_init(<Driver as kernel::InPlaceModule>::init(module), GFP_KERNEL)?;
        let mut sum = *driver.mutex.lock();
        sum += *driver.spin.lock() + *driver.irq.lock();
        assert_eq!(sum, 6);
        kernel::pr_warn_once!("{sum}\n");
        kernel::warn_on!(sum != 6);
        Ok(())
    }
}
