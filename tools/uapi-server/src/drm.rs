// SPDX-License-Identifier: GPL-2.0-only
//! A DRM device that says its name, and no more.

use crate::protocol::set_field;
use kernel::error::{code::ENOTTY, Result};

/// The name of a driver that tests know, and look for no hardware of.
const NAME: &[u8] = b"panfrost";

const VERSION: u32 = 0xc040_6400;

/// The device.
pub(crate) struct Drm;

impl Drm {
    /// Its numbers.
    pub(crate) const DEVICE: (u32, u32) = (226, 0);

    /// Whether `path` leads to it.
    pub(crate) fn is_at(path: &[u8]) -> bool {
        path == b"/dev/dri/card0"
    }

    pub(crate) fn ioctl(&self, command: u32, bytes: &mut [u8], more: &mut [u8]) -> Result {
        if command != VERSION {
            return Err(ENOTTY);
        }
        let length = NAME.len().min(more.len());
        more[..length].copy_from_slice(&NAME[..length]);
        bytes[..16].fill(0);
        set_field(bytes, 0, &1u32.to_ne_bytes());
        set_field(bytes, 16, &NAME.len().to_ne_bytes());
        // Neither a date nor a description.
        for at in [32, 48] {
            set_field(bytes, at, &[0; 8]);
        }
        Ok(())
    }
}
