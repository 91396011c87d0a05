// SPDX-License-Identifier: GPL-2.0-only
//! What a module has started is over when its exit is, or when its device has gone.
//!
//! A handler that was requested is called again; an interrupt that is taken holds up the grace period which comes before the text goes: it is over
//! then, and so are the functions of a timer and of an `irq_work`.

use super::{
    active::{Since, DELAYED_WORK, SINCE, TIMER, WORK},
    debugobjects::ModuleText,
};
use crate::{
    irq::irqdesc::{self, Asked},
    rcu::{Kind, RCU_QUEUED},
    rule::{is_core, this_machine, Place, Rule, Site},
    time::queue,
    workqueue,
};
use core::{panic::Location, ptr};
use machine::failed;

/// Nothing that a module has started is still to come, or sleeps, once it was removed.
///
/// Rule [nothing-after-remove](../../book/rules/nothing-after-remove.html).
pub static NOTHING_AFTER_REMOVE: Rule = Rule::new("nothing-after-remove");

const IRQ_HANDLER: &str = "interrupt handler";

/// Places that are told apart.
const PLACES: usize = 8;

/// A module's exit is over, or its device has gone.
///
/// Among threads that run freely other tests use the same code, whether it is loaded or not: there it
/// goes for what this test has started.
#[track_caller]
pub fn debug_module_exited(module: &ModuleText) {
    let checking = NOTHING_AFTER_REMOVE.look();
    let here = |machine: u64, test: u64, stamp: u64| {
        let ours = machine == this_machine() && (machine != 0 || test == failed::this_test());
        ours && stamp > module.loaded
    };
    // Looked at later: other locks are held here.
    let started = SINCE.filter_map(|addr, since| {
        let its = here(since.machine, since.test, since.stamp) && module.has(since.at.file());
        its.then_some((addr, *since))
    });
    let started = started.filter_map(|(addr, since)| {
        Some(Left {
            what: since.descr.name,
            state: state(addr, &since)?,
            at: since.at,
        })
    });
    let callbacks = RCU_QUEUED.filter_map(|_, request| {
        let its = here(request.machine, request.test, request.stamp)
            && request.kind != Kind::Free
            // Its function is code, which goes with the module only.
            && !module.stays
            && !is_core(request.at)
            && module.has(request.at.file());
        its.then_some(request.site)
    });
    let callbacks = callbacks.map(|at| Left {
        what: "RCU callback",
        state: "is queued",
        at,
    });
    let handlers = irqdesc::requests().filter_map(|(test, Asked { stamp, at })| {
        let its = here(this_machine(), test, stamp) && module.has(at.file());
        its.then_some(Left {
            what: IRQ_HANDLER,
            state: "is requested",
            at,
        })
    });
    let mut said = [None; PLACES];
    for left in started.chain(callbacks).chain(handlers) {
        let slot = said
            .iter_mut()
            .find(|slot| slot.is_none_or(|said| said == left));
        let new = slot.is_some_and(|slot| slot.replace(left).is_none());
        if checking && new {
            left.report(module);
        }
    }
}

/// What is known of a timer or a work item, unless it is over.
fn state(addr: usize, since: &Since) -> Option<&'static str> {
    if ptr::eq(since.descr, &WORK) {
        return workqueue::work_state(ptr::without_provenance(addr));
    }
    let delayed = ptr::eq(since.descr, &DELAYED_WORK);
    let armed = if delayed {
        "waits for its time"
    } else {
        "is armed"
    };
    queue::timer_armed(ptr::without_provenance(addr)).then_some(armed)
}

/// Something that is left.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Left {
    what: &'static str,
    state: &'static str,
    at: Site,
}

impl Left {
    #[track_caller]
    fn report(&self, module: &ModuleText) {
        let Self { what, state, at } = *self;
        let name = module.name.to_str().unwrap_or("?");
        let (of, gone, step) = match module.stays {
            true => ("the device of ", "gone", "device gone"),
            false => ("", "unloaded", "module unloaded"),
        };
        let started = match what {
            _ if what == TIMER.name => "started",
            IRQ_HANDLER => "requested",
            _ => "queued",
        };
        NOTHING_AFTER_REMOVE.report(
            format_args!("module: {of}{name} is {gone} while its {what} {state}"),
            &[
                (started, Place::Site(at)),
                (step, Place::Here(Location::caller())),
            ],
        );
    }
}
