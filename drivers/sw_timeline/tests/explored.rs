// SPDX-License-Identifier: GPL-2.0-only
//! The software timeline under many schedules.
#![cfg(feature = "debug")]
#![forbid(unsafe_code)]

use dma_fence::{testing::register, FenceCallback};
use kernel::{
    prelude::*,
    testing::{explore, insmod, spawn, Explorer},
};
use std::sync::Mutex;
use sw_timeline::{SwTimeline, Timeline};

/// Writes a number down when the fence signals that it is registered on.
struct Note(usize, std::sync::Arc<Mutex<std::vec::Vec<usize>>>);

impl FenceCallback for Note {
    fn on_signal(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[test]
fn no_fence_overtakes_another() {
    explore(|| {
        let timeline = Timeline::new(c"explored").unwrap();
        let fences = [1, 2, 3].map(|value| timeline.fence(value).unwrap());
        // Virtual time stands still, so callbacks tell the order.
        let order = std::sync::Arc::default();
        let note = |n| Note(n, std::sync::Arc::clone(&order));
        let notes = [1, 2, 3].map(|n| register(&fences[n - 1], note(n)));
        for by in [2, 5] {
            let other = timeline.clone();
            spawn(move || other.advance(by));
        }
        // Whether its value was reached or not. If it has signalled, so have those before it.
        let late = timeline.fence(2).unwrap();
        if late.is_signaled() {
            assert!(fences[0].is_signaled() && fences[1].is_signaled());
        }
        late.wait();
        for fence in &fences {
            fence.wait();
            assert_eq!(fence.status(), Some(Ok(())));
        }
        drop(notes);
        assert!(order.lock().unwrap().is_sorted());
    });
}

#[test]
fn no_fence_is_jumped_over() {
    explore(|| {
        let timeline = Timeline::new(c"explored").unwrap();
        let fences = [1, 2, 3].map(|value| timeline.fence(value).unwrap());
        for by in [2, u32::MAX - 10] {
            let other = timeline.clone();
            spawn(move || other.advance(by));
        }
        for fence in &fences {
            fence.wait();
        }
    });
}

#[test]
fn closing_leaves_no_task_waiting() {
    explore(|| {
        let timeline = Timeline::new(c"explored").unwrap();
        let other = timeline.clone();
        spawn(move || other.close());
        let other = timeline.clone();
        spawn(move || other.advance(1));
        match timeline.fence(1) {
            Ok(fence) => {
                fence.wait();
                assert!(matches!(fence.status(), Some(Ok(()) | Err(ENOENT))));
            }
            Err(error) => assert_eq!(error, ENOENT),
        }
    });
}

/// An allocation fails, readers are slow, and the module is unloaded late.
#[test]
fn all_faults_at_once_leave_no_task_waiting() {
    let explorer = Explorer::new().failing_allocation(20);
    let explorer = explorer.slow_readers().late_unload();
    let explorer = explorer.lost_interrupts(200).late_interrupts(200);
    let body = || {
        let Ok(module) = insmod::<SwTimeline>() else {
            return;
        };
        if let Ok(timeline) = Timeline::new(c"explored") {
            let fences = [1, 2, 3].map(|value| timeline.fence(value));
            timeline.advance(2);
            timeline.close();
            fences.iter().flatten().for_each(|fence| fence.wait());
        }
        drop(module);
    };
    if let Err(failure) = explorer.from_environment().run(body) {
        panic!("{failure}");
    }
}
