// SPDX-License-Identifier: GPL-2.0-only
//! A model of sleepable RCU, as those of RCU.

use super::Data;
use crate::rcu::{model::Published, poll};
use core::sync::atomic::Ordering::Relaxed;
use loom::{sync::Arc, thread};
use machine::task;

fn wait(domain: &Data) {
    let cookie = poll::cookie();
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
        let (published, domain) = (Published::new(), Arc::new(Data::new()));
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
