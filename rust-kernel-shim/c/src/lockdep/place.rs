// SPDX-License-Identifier: GPL-2.0-only
//! Where a lock was taken, as a number for the engine.
//!
//! Mostly it is the caller's location, in the driver. Where the kernel itself takes a lock for a
//! driver, that driver's line is on the stack; it is looked up when the line of the kernel takes a
//! lock of the class for the first time, and not again, since that would take longer than the lock.

use crate::rule;
use core::{cell::Cell, fmt, panic::Location, ptr};
use machine::{
    location::{self, Site},
    side_table::SideTable,
};

/// Where drivers first came to a line of the kernel's own that takes a lock of a class, by machine,
/// line and class.
static SITES: SideTable<(u64, usize, usize), &'static Site> = SideTable::new();

/// Set in the number of a [`Site`].
const SITE: usize = 1;
/// Set in the number of a text.
const TEXT: usize = 2;

const KNOWN: usize = 256;

machine::per_thread! {
    /// Numbers that were asked for, by the location and the class.
    static PLACES: [Cell<(usize, usize, usize)>; KNOWN] = [const { Cell::new((0, 0, 0)) }; KNOWN];
}

/// The number of a place where something is done to a lock of the class that `key` names.
#[inline]
pub(super) fn number(at: &'static Location<'static>, key: usize) -> usize {
    let addr = ptr::from_ref(at).addr();
    let hash = (addr ^ key.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    PLACES.with(|places| {
        let place = &places[hash % KNOWN];
        let (known, of, number) = place.get();
        if (known, of) == (addr, key) {
            return number;
        }
        let number = look_up(at, key);
        place.set((addr, key, number));
        number
    })
}

#[cold]
fn look_up(at: &'static Location<'static>, key: usize) -> usize {
    let addr = ptr::from_ref(at).expose_provenance();
    if !location::is_core_location(at) {
        return addr;
    }
    let key = (rule::this_machine(), addr, key);
    let known = SITES.with(key, |site| *site);
    let site = known.unwrap_or_else(|| {
        let site = location::keep(location::site(at));
        SITES.insert(key, site);
        site
    });
    ptr::from_ref(site).expose_provenance() | SITE
}

/// The number of the place where a driver has asked for what happens.
pub(super) fn asked(site: Site) -> usize {
    ptr::from_ref(location::keep(site)).expose_provenance() | SITE
}

/// A machine has ended.
pub(super) fn forget(machine: u64) {
    SITES.remove_range((machine, 0, 0), (machine + 1, 0, 0));
}

/// The number of what is no place.
pub(super) fn text(text: &'static &'static str) -> usize {
    ptr::from_ref(text).expose_provenance() | TEXT
}

/// The number of a place, as it is.
pub(super) fn own(at: &'static Location<'static>) -> usize {
    ptr::from_ref(at).expose_provenance()
}

/// True if a number stands for a place at which something happens now, maybe for a driver.
pub(super) fn is(number: usize, at: &'static Location<'static>) -> bool {
    number == own(at)
        || PLACES.with(|places| {
            let mut places = places.iter().map(Cell::get);
            number & SITE != 0 && places.any(|(addr, _, known)| (addr, known) == (own(at), number))
        })
}

/// Writes the place with a number; nothing for 0.
pub(super) fn write(number: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    if number & SITE != 0 {
        let site: *const Site = ptr::with_exposed_provenance(number & !SITE);
        // SAFETY: The number is that of a site, which lives forever.
        let site = unsafe { &*site };
        return write!(out, "{site}");
    }
    if number & TEXT != 0 {
        let text: *const &'static str = ptr::with_exposed_provenance(number & !TEXT);
        // SAFETY: The number is that of a text, which is static.
        return out.write_str(unsafe { *text });
    }
    let at: *const Location<'static> = ptr::with_exposed_provenance(number);
    // SAFETY: 0, or the number of a location, which is static.
    match unsafe { at.as_ref() } {
        Some(at) => out.write_str(&location::at(at)),
        None => out.write_str("an unknown place"),
    }
}
