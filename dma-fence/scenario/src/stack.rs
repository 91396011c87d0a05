// SPDX-License-Identifier: GPL-2.0-only
//! A bound on the nesting of callbacks.
//!
//! A callback may signal another fence, whose callbacks may signal a third. A fence signals once,
//! so the nesting ends with the last of at most 192 fences; that is far deeper than the stack of a
//! kernel, and in a build with large frames it may be deeper than a thread's stack here. A command
//! in a callback is refused before that happens.

/// The beginning of a thread's stack, and the number of bytes of it that may be used.
#[derive(Debug)]
pub(crate) struct Stack {
    begin: usize,
    bytes: usize,
}

impl Stack {
    /// Allows `bytes` more bytes from here.
    pub(crate) fn begin(bytes: usize) -> Self {
        Self {
            begin: here(),
            bytes,
        }
    }

    /// Is there room for another callback?
    pub(crate) fn has_room(&self) -> bool {
        self.begin.abs_diff(here()) < self.bytes
    }
}

/// An address in the current frame.
#[inline(never)]
fn here() -> usize {
    let local = 0u8;
    core::ptr::from_ref(&local).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(stack: &Stack, level: usize) -> usize {
        let frame = core::hint::black_box([0u8; 1024]);
        let below = if stack.has_room() {
            depth(stack, level + 1)
        } else {
            level
        };
        below + usize::from(frame[0])
    }

    #[test]
    fn a_runaway_ends() {
        let levels = depth(&Stack::begin(64 * 1024), 0);
        assert!((8..=64).contains(&levels), "{levels}");
    }
}
