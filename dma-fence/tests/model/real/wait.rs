// SPDX-License-Identifier: GPL-2.0-only
//! The implementation's waits.

use super::Mirror;
use crate::model::{call::Wait, user::Answer};
use core::ptr::addr_of_mut;
use dma_fence::bindings::{self as c};

impl Mirror {
    pub(super) fn wait(&self, wait: &Wait) -> Answer {
        // SAFETY: The user names fences that are alive, and does not drop them meanwhile.
        unsafe {
            match *wait {
                Wait::Forever(f, intr) => Answer::value(c::dma_fence_wait(self.fence(f), intr)),
                Wait::Timeout(f, timeout, intr) => {
                    let timeout = timeout as isize;
                    Answer::value(c::dma_fence_wait_timeout(self.fence(f), intr, timeout))
                }
                Wait::Default(f, timeout, intr) => {
                    let timeout = timeout as isize;
                    Answer::value(c::dma_fence_default_wait(self.fence(f), intr, timeout))
                }
                Wait::Any(ref fences, timeout, intr) => {
                    let mut fences: Vec<_> = fences.iter().map(|&f| self.fence(f)).collect();
                    let mut idx = u32::MAX;
                    let left = c::dma_fence_wait_any_timeout(
                        fences.as_mut_ptr(),
                        fences.len() as u32,
                        intr,
                        timeout as isize,
                        addr_of_mut!(idx),
                    );
                    if left > 0 {
                        Answer::value(format_args!("{left} idx={idx}"))
                    } else {
                        Answer::value(left)
                    }
                }
            }
        }
    }
}
