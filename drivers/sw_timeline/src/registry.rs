// SPDX-License-Identifier: GPL-2.0-only
//! The timelines that programs have opened, and what is shown of them.
#![forbid(unsafe_code)]

use crate::timeline::Timeline;
use dma_fence::{
    Fence,
    Ktime, //
};
use kernel::{
    fmt, new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    },
};

/// A timeline, and the name of the task that has opened it.
struct Opened {
    name: CString,
    timeline: Arc<Timeline>,
}

/// All that live: until they are closed, and no one uses a fence of theirs.
#[pin_data]
pub(crate) struct Registry {
    #[pin]
    opened: Mutex<KVec<Opened>>,
}

impl Registry {
    /// With none yet. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let opened = new_mutex!(KVec::new(), "Registry::opened");
        Arc::pin_init(pin_init!(Self { opened <- opened }), GFP_KERNEL)
    }

    /// Makes a timeline. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn open(&self, name: &CStr) -> Result<Arc<Timeline>> {
        let timeline = Timeline::with_past(name)?;
        let opened = Opened {
            name: CString::try_from(name)?,
            timeline: timeline.clone(),
        };
        self.opened.lock().push(opened, GFP_KERNEL)?;
        Ok(timeline)
    }

    /// Forgets those that do not live any more. May sleep.
    pub(crate) fn forget(&self) {
        self.opened.lock().retain(|opened| opened.timeline.lives());
    }

    /// The soonest deadline that was set on a fence. May sleep.
    ///
    /// # Errors
    ///
    /// EINVAL if it is no fence of a timeline; ENOENT if it has no deadline.
    pub(crate) fn deadline(&self, fence: &Fence) -> Result<Ktime> {
        let opened = self.opened.lock();
        let mut all = opened.iter().map(|opened| &opened.timeline);
        let own = all.find(|timeline| timeline.number() == fence.context());
        let deadline = own.ok_or(EINVAL)?.deadline_of(fence)?;
        deadline.ok_or(ENOENT)
    }

    /// Prints what the kernel's `sync/info` does. May sleep.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.forget();
        f.write_str("objs:\n--------------\n")?;
        for opened in self.opened.lock().iter() {
            opened.timeline.show(&opened.name, f)?;
            f.write_str("\n")?;
        }
        f.write_str("fences:\n--------------\n")
    }
}
