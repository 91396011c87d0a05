// SPDX-License-Identifier: GPL-2.0-only
//! The module: what happens when the driver is loaded.
#![forbid(unsafe_code)]

use crate::{
    module_parameters,
    registry::Registry,
    sw_sync::SwSync,
    timeline::Timeline,
    workload, //
};
use dma_fence::SharedMiscDevice;
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::Arc, //
};

/// The driver: the device `sw_sync`, and the file `sync/info` of debugfs.
#[pin_data]
pub struct SwTimeline {
    #[pin]
    device: SharedMiscDevice<SwSync>,
    #[pin]
    info: File<Arc<Registry>>,
    dir: Dir,
    _farewell: Farewell,
}

// UNTIL(pinned-drop): `#[pinned_drop]` may stand under `forbid(unsafe_code)`.
/// Says that the module goes.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}

fn show(registry: &Arc<Registry>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    registry.show(f)
}

impl SwTimeline {
    /// Creates a timeline, which starts at 0. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn timeline(&self, name: &CStr) -> Result<Arc<Timeline>> {
        Timeline::new(name)
    }

    /// A smoke test at load: where the other tests do not run, it is the only one.
    fn self_test() -> Result {
        let timeline = Timeline::new(c"self-test")?;
        let (first, second) = (timeline.fence(1)?, timeline.fence(2)?);
        timeline.advance(1);
        if first.status() != Some(Ok(())) || second.status().is_some() {
            return Err(EIO);
        }
        timeline.close();
        if second.status() != Some(Err(ENOENT)) {
            return Err(EIO);
        }
        Ok(())
    }
}

impl kernel::InPlaceModule for SwTimeline {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let tested = match module_parameters::jobs.value() {
            0 => Self::self_test(),
            jobs => workload::run(module_parameters::seed.value(), jobs),
        };
        let registry = tested.and_then(|()| Registry::new());
        try_pin_init!(Self {
            dir: Dir::new(c"sync"),
            info <- dir.read_callback_file(c"info", registry?, &show),
            device <- SharedMiscDevice::register(c"sw_sync", (**info).clone()),
            _farewell: {
                pr_info!("loaded\n");
                Farewell
            },
        })
    }
}
