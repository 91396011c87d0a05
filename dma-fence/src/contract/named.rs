// SPDX-License-Identifier: GPL-2.0-only
//! Who a fence belongs to, as reports name it: the driver, and its timeline.
//!
//! No report asks an op: the driver may be gone, or be what is reported, or hold its locks. Names are
//! remembered when they are known to be good, once for each context: when a fence is made, if its
//! driver has declared them, or else when the core has asked for them.

use super::record::Subject;
use core::{
    ffi::CStr,
    fmt::{self, Write as _},
};
use kernel::bindings::{debugobjects::SideTable, rule::this_machine};

/// The bytes of a name that are kept.
const LEN: usize = 32;

/// A name, or as much of it as there is room for; NUL-terminated if it is shorter.
type Name = [u8; LEN];

/// The names of the driver and the timeline, by machine and context.
static NAMES: SideTable<(u64, u64), [Name; 2]> = SideTable::new();

/// The name of the driver, number 0, or of the timeline, number 1, is this for all fences of the
/// context.
pub(super) fn learns(context: u64, which: usize, name: &CStr) {
    let mut own = [0; LEN];
    let len = name.count_bytes().min(LEN);
    own[..len].copy_from_slice(&name.to_bytes()[..len]);
    let key = (this_machine(), context);
    if NAMES.with(key, |names| names[which] = own).is_none() {
        let mut names = [[0; LEN]; 2];
        names[which] = own;
        NAMES.insert(key, names);
    }
}

/// The machine ends.
pub(super) fn ended() {
    let machine = this_machine();
    NAMES.remove_range((machine, 0), (machine + 1, 0));
}

/// Writes the names of a context behind its numbers, as far as they are known.
pub(super) fn write(context: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let Some(names) = NAMES.with((this_machine(), context), |names| *names) else {
        return Ok(());
    };
    let [driver, timeline] = names.each_ref().map(Text);
    write!(out, " ({driver}:{timeline})")
}

struct Text<'a>(&'a Name);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] == 0 {
            return f.write_char('?');
        }
        for chunk in self
            .0
            .split(|&c| c == 0)
            .next()
            .unwrap_or(&[])
            .utf8_chunks()
        {
            f.write_str(chunk.valid())?;
        }
        Ok(())
    }
}

/// A fence by its context and number, and its names.
pub(super) struct Fence(pub(super) Subject);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (context, seqno) = self.0;
        write!(f, "fence {context}:{seqno}")?;
        write(context, f)
    }
}
