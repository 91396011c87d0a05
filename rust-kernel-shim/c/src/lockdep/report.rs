// SPDX-License-Identifier: GPL-2.0-only
//! What lockdep has found, as reports of rules.

use super::{
    lockdep_set_mode, watch::ENGINE, LockdepMode, IRQ_LOCK_ORDER, LOCK_CONTEXT, LOCK_ORDER,
};
use crate::{
    printk,
    rule::{self, Rule},
    KERN_WARNING,
};
use core::{ffi::CStr, fmt, panic::Location};
use lockdep::{Chain, Finding, HeldInfo, Report};
use spin::mutex::SpinMutex;

/// Reports what was found where `at` was called.
#[cold]
pub(super) fn report(report: &Report, at: Option<&'static Location<'static>>) {
    if !rule::checking() {
        return;
    }
    let rule = match report.finding {
        Finding::Circular { lock, chain, .. } if about(&lock, &chain).is_some() => {
            about(&lock, &chain).unwrap_or(&LOCK_ORDER)
        }
        Finding::Recursive { .. } | Finding::Circular { .. } | Finding::NestNotHeld { .. } => {
            &LOCK_ORDER
        }
        Finding::InconsistentState { .. }
        | Finding::IrqInversion { .. }
        | Finding::IrqOrder { .. }
        | Finding::IrqsOnInHardirq { .. } => &IRQ_LOCK_ORDER,
        Finding::WaitContext { .. }
        | Finding::UnlockBalance { .. }
        | Finding::HeldLockFreed { .. }
        | Finding::HeldAtExit
        | Finding::Misuse { .. } => &LOCK_CONTEXT,
        Finding::Full { table } => {
            lockdep_set_mode(LockdepMode::Off);
            let said = format_args!("lockdep: too many {table}, nothing is looked at any more\n");
            return printk(KERN_WARNING, b"\0", said);
        }
    };
    let text = fmt::from_fn(|f| report.write(ENGINE.host(), f));
    let title = report.finding.title();
    let title = title.strip_prefix("WARNING: ").unwrap_or(title);
    if rule.report_text(title, at.unwrap_or(Location::caller()), text) {
        lockdep_set_mode(LockdepMode::Off);
    }
}

/// Maps without a lock, by their names, and the rules that circles through them break.
static MAPS: SpinMutex<[Option<(&CStr, &Rule)>; 8]> = SpinMutex::new([None; 8]);

/// A circle through the map of that name breaks `rule`.
pub(super) fn circles_break(name: &'static CStr, rule: &'static Rule) {
    let mut maps = MAPS.lock();
    let known = maps.iter().flatten().any(|(known, _)| *known == name);
    if let (false, Some(slot)) = (known, maps.iter_mut().find(|slot| slot.is_none())) {
        *slot = Some((name, rule));
    }
}

/// The rule that a circle breaks by what is in it.
fn about(lock: &HeldInfo, chain: &Chain) -> Option<&'static Rule> {
    let classes = || {
        let others = chain.links.iter().map(|link| &link.class);
        [&lock.class, &chain.first].into_iter().chain(others)
    };
    let maps = *MAPS.lock();
    let mut maps = maps.iter().flatten();
    maps.find(|(name, _)| classes().any(|class| class.name.as_str().as_bytes() == name.to_bytes()))
        .map(|(_, rule)| *rule)
}
