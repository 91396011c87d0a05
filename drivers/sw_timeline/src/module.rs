// SPDX-License-Identifier: GPL-2.0-only
//! The module: what happens when the driver is loaded.
#![forbid(unsafe_code)]

use crate::timeline::Timeline;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The driver.
pub struct SwTimeline;

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

impl kernel::Module for SwTimeline {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Self::self_test()?;
        pr_info!("loaded\n");
        Ok(Self)
    }
}

impl Drop for SwTimeline {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}
