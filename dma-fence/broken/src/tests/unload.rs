// SPDX-License-Identifier: GPL-2.0-only
//! Which fences and callbacks a module leaves behind: those of its machine, and among threads that
//! run freely those of the task that unloads it.

use super::{elsewhere, std, task};
use crate::exporter::{finish, job, notify, zeroed, Timeline, Waiter};
use ::dma_fence::{
    bindings::{dma_fence_add_callback, dma_fence_get, dma_fence_put},
    testing::judge,
};
use kernel::{
    bindings::kfree,
    prelude::*,
    testing::{insmod, vcpu},
    time::{delay::fsleep, Delta},
};
use std::{boxed::Box, sync::mpsc, thread, time::Duration};

/// A module; what this file does is done by its code.
struct Left;

impl kernel::Module for Left {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Left,
    name: "left",
    license: "GPL",
}

pub(super) type Task = Box<dyn FnOnce() + Send>;

/// Unloads the module while a fence of its code is pending; or, with `callback`, a callback of its
/// code on another's fence. A task that `start` starts has made them.
fn unload(callback: bool, start: fn(Task)) {
    let (made, is_made) = mpsc::channel();
    let (gone, is_gone) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let driver = insmod::<Left>().unwrap();
    start(Box::new(move || {
        let timeline = Timeline::new().unwrap();
        let waiter = zeroed::<Waiter>().unwrap();
        let fence = if callback {
            elsewhere(timeline).unwrap()
        } else {
            job(timeline, 1).unwrap()
        };
        // SAFETY: The fence is ours; the waiter stays until the callback was called.
        unsafe {
            if callback {
                dma_fence_add_callback(fence, &raw mut (*waiter).cb, Some(notify));
            }
            // Another task may have it.
            dma_fence_put(dma_fence_get(fence));
        }
        made.send(()).unwrap();
        wait(&is_gone);
        // SAFETY: The reference and the timeline are ours; the callback was called.
        unsafe {
            finish(timeline, [fence]);
            kfree(waiter.cast());
        }
        ended.send(()).unwrap();
    }));
    wait(&is_made);
    drop(driver);
    gone.send(()).unwrap();
    wait(&has_ended);
}

/// Receives without blocking the host's thread: in a machine another task may be to send. Virtual
/// time does not run ahead.
fn wait(receiver: &mpsc::Receiver<()>) {
    while receiver.try_recv().is_err() {
        thread::sleep(Duration::from_millis(1));
        fsleep(Delta::from_millis(1));
    }
}

/// A task of another machine.
fn machine(body: Task) {
    thread::spawn(|| vcpu::fifo(body).unwrap());
}

/// A thread that runs freely.
fn thread(body: Task) {
    thread::spawn(body);
}

/// One test, for the module can be loaded once. What another machine has, or another free thread,
/// is left alone.
#[test]
fn what_other_tasks_leave_behind() {
    let words = [
        "while a fence can call into it",
        "while its callback is pending",
    ];
    for (callback, words) in [false, true].into_iter().zip(words) {
        let of = move |start: fn(Task)| {
            unload(callback, start);
            Ok(())
        };
        judge("unload-after-detach", &[words], move |wrong| {
            of(if wrong { task } else { machine })
        });
        // A report would end this process with status 1.
        of(thread).unwrap();
    }
}
