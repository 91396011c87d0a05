// SPDX-License-Identifier: GPL-2.0-only
//! A driver that is unloaded while a watchdog waits for its time.

use kernel::{
    impl_has_delayed_work, new_delayed_work,
    prelude::*,
    sync::{Arc, Completion},
    testing::insmod,
    workqueue::{self, DelayedWork, WorkItem},
};

#[pin_data]
struct Ring {
    #[pin]
    watchdog: DelayedWork<Ring>,
    #[pin]
    quiet: Completion,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Ring { self.watchdog }
}

impl WorkItem for Ring {
    type Pointer = Arc<Ring>;

    fn run(this: Arc<Ring>) {
        this.quiet.complete_all();
    }
}

struct Driver(Arc<Ring>);

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let ring = pin_init!(Ring {
            watchdog <- new_delayed_work!("Ring::watchdog"),
            quiet <- Completion::new(),
        });
        Ok(Self(Arc::pin_init(ring, GFP_KERNEL)?))
    }
}

module! {
    type: Driver,
    name: "watched",
    license: "GPL",
}

impl Driver {
    fn submit(&self) {
        let _ = workqueue::system().enqueue_delayed(self.0.clone(), 200);
    }

    fn stop(&self) {
        self.0.quiet.wait_for_completion();
    }
}

pub(crate) fn run(wrong: bool) -> Result {
    let driver = insmod::<Driver>()?;
    driver.submit();
    if !wrong {
        driver.stop();
    }
    drop(driver);
    Ok(())
}
