// SPDX-License-Identifier: GPL-2.0-only
//! A model of sleepable RCU, as those of RCU.

use super::{dep_map, Data};
use crate::rcu::{model::Published, rcu_order};
use core::sync::atomic::Ordering::Relaxed;
use loom::{sync::Arc, thread};
use machine::task;

fn wait(domain: &Data) {
    // Not a cookie, whose barrier could stand in for those of the grace period, of another thread.
    let cookie = rcu_order();
    domain.needed.store(cookie, Relaxed);
    while !domain.completed(cookie) {
        if !domain.advance() {
            task::relax();
        }
    }
}

/// A reader is waited for, or sees what was published before; one that takes its index and counts
/// only a grace period later, too.
#[test]
fn a_grace_period_waits_for_sleepable_readers() {
    loom::model(|| {
        let (published, domain) = (Published::new(), Arc::new(Data::new(dep_map::new())));
        let (read, entered) = (published.clone(), domain.clone());
        let reader = thread::spawn(move || {
            let index = entered.enter();
            read.read();
            entered.leave(index);
        });
        wait(&domain);
        published.replace();
        wait(&domain);
        published.free();
        reader.join().unwrap();
    });
}

/// A reader that comes and goes while the counts are summed up does not stand in for one that stays.
#[test]
fn readers_are_not_taken_for_each_other() {
    let mut model = loom::model::Builder::new();
    // As many as that takes; without a bound, hours.
    model.preemption_bound = Some(3);
    model.check(|| {
        let (published, domain) = (Published::new(), Arc::new(Data::new(dep_map::new())));
        let reader = || {
            let (read, entered) = (published.clone(), domain.clone());
            thread::spawn(move || {
                let index = entered.enter();
                read.read();
                entered.leave(index);
            })
        };
        let readers = [reader(), reader()];
        published.replace();
        wait(&domain);
        published.free();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
