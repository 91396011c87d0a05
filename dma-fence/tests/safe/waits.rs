// SPDX-License-Identifier: GPL-2.0-only
//! Waiting, and what waits for readers.

use dma_fence::{
    testing::{context, expect_no_report, issue, issue_arc, Plain},
    wait_any, wait_any_interruptible, Fence,
};
use kernel::{
    bindings as c,
    prelude::*,
    sync::{aref::ARef, rcu},
    task::Task,
    testing::{spawn, vcpu},
    time::{delay::fsleep, Delta},
};

/// What a waiting task is given, and what it found.
struct Waiter {
    fence: ARef<Fence>,
    wait: fn(&Fence) -> String,
    found: std::sync::Mutex<Option<String>>,
}

impl Waiter {
    fn new(fence: &Fence, wait: fn(&Fence) -> String) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            fence: fence.into(),
            wait,
            found: Default::default(),
        })
    }

    fn start(self: &std::sync::Arc<Self>) -> ARef<Task> {
        let waiter = self.clone();
        spawn(move || {
            // SAFETY: It concerns the task that runs, and has no preconditions.
            unsafe { c::allow_signal(c::SIGUSR1) };
            *waiter.found.lock().unwrap() = Some((waiter.wait)(&waiter.fence));
        })
    }

    fn found(&self) -> Option<String> {
        self.found.lock().unwrap().clone()
    }
}

#[test]
fn waits_end_with_the_signal_a_timeout_or_an_interrupt() {
    expect_no_report(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        assert_eq!(fence.wait_timeout(0), None);
        assert_eq!(fence.wait_timeout(100), None);
        assert_eq!(fence.wait_interruptible_timeout(5), Ok(None));

        let plain = Waiter::new(&fence, |f| {
            f.wait();
            "done".into()
        });
        let interrupted = Waiter::new(&fence, |f| format!("{:?}", f.wait_interruptible()));
        let timed = Waiter::new(&fence, |f| format!("{:?}", f.wait_timeout(50)));
        let both = Waiter::new(&fence, |f| {
            format!("{:?}", f.wait_interruptible_timeout(1000))
        });
        plain.start();
        let task = interrupted.start();
        timed.start();
        both.start();
        vcpu::settle();
        // SAFETY: `task` is a reference.
        unsafe { c::send_sig(c::SIGUSR1, task.as_ptr(), 1) };
        vcpu::settle();
        assert_eq!(interrupted.found().as_deref(), Some("Err(ERESTARTSYS)"));
        fsleep(Delta::from_millis(10));
        assert_eq!(
            (plain.found(), timed.found(), both.found()),
            (None, None, None)
        );

        issued.signal(Ok(()));
        vcpu::settle();
        assert_eq!(plain.found().as_deref(), Some("done"));
        assert_eq!(timed.found().as_deref(), Some("Some(47)"));
        assert_eq!(both.found().as_deref(), Some("Ok(Some(997))"));
        assert_eq!(fence.wait_timeout(0), Some(1));
        assert_eq!(fence.wait_timeout(9), Some(9));
        assert_eq!(fence.wait_interruptible(), Ok(()));
        Ok(())
    });
}

fn in_the_last_jiffy(wait: fn(&Fence) -> Option<usize>) {
    expect_no_report(move || {
        let context = context(Plain)?;
        let (issued, fence) = issue_arc(&context)?;
        // A jiffy is 4 ms. The wait begins in the middle of one, and the signal comes 3 ms later.
        fsleep(Delta::from_millis(2));
        spawn(move || {
            fsleep(Delta::from_millis(3));
            issued.signal(Ok(()));
        });
        vcpu::settle();
        let left = wait(&fence);
        assert!(fence.is_signaled());
        assert_eq!(left, Some(1));
        Ok(())
    });
}

#[test]
fn a_signal_in_the_last_jiffy_is_seen() {
    in_the_last_jiffy(|fence| fence.wait_timeout(1));
    in_the_last_jiffy(|fence| fence.wait_interruptible_timeout(1).unwrap());
    in_the_last_jiffy(|fence| wait_any(&[fence], 1).unwrap().map(|(_, left)| left));
}

/// The order of events in the test below.
static EVENTS: std::sync::Mutex<std::vec::Vec<&str>> = std::sync::Mutex::new(std::vec::Vec::new());

fn event(what: &'static str) {
    EVENTS.lock().unwrap().push(what);
}

/// Asks for a name, lets the others run, and uses it.
fn reader(fence: &Fence) {
    let guard = rcu::read_lock();
    let name = fence.driver_name(&guard);
    // SAFETY: It concerns the task that runs, and has no preconditions.
    unsafe { c::cpu_relax() };
    event(if name == c"driver" {
        "name used"
    } else {
        "name is gone"
    });
}

#[test]
fn the_names_outlive_every_reader() {
    expect_no_report(|| {
        let context = context(Plain)?;
        let (issued, fence) = issue(&context)?;
        spawn(move || reader(&fence));
        // The reader asks, and lets this task run in the middle of its section.
        // SAFETY: It concerns the task that runs, and has no preconditions.
        unsafe { c::cpu_relax() };
        issued.signal(Ok(()));
        // Nothing is queued, so the barrier alone does not wait: that was the gap.
        rcu::rcu_barrier();
        event("after rcu_barrier()");
        drop(context);
        event("context is gone");
        Ok(())
    });
    assert_eq!(
        *EVENTS.lock().unwrap(),
        ["after rcu_barrier()", "name used", "context is gone"]
    );
}

#[cfg(feature = "debug")]
#[test]
fn a_report_names_the_line_that_sleeps() {
    use dma_fence::Ktime;
    use kernel::testing::{console::said, expect_report};

    type Sleep = fn(&Fence);
    let sleeps: [(u32, Sleep); 7] = [
        (line!(), |fence| fence.wait()),
        (line!(), |fence| _ = fence.wait_interruptible()),
        (line!(), |fence| _ = fence.wait_timeout(0)),
        (line!(), |f| _ = f.wait_interruptible_timeout(0)),
        (line!(), |fence| _ = wait_any(&[fence], 1)),
        (line!(), |f| _ = wait_any_interruptible(&[f], 1)),
        (line!(), |_| _ = Fence::private_stub(Ktime::from_nanos(7))),
    ];
    for (line, sleep) in sleeps {
        expect_report("rcu-no-sleep", move || {
            let _guard = rcu::read_lock();
            sleep(&Fence::stub());
        });
        let at = format!("it sleeps at {}:{line}", file!());
        assert_ne!(said(&at), 0, "{at}");
    }
}

#[test]
fn waiting_for_any() {
    expect_no_report(|| {
        let context = context(Plain)?;
        let ((a, fa), (b, fb)) = (issue(&context)?, issue(&context)?);
        assert_eq!(wait_any(&[], 10), Err(EINVAL));
        assert_eq!(wait_any(&[&fa, &fb], 0), Ok(None));
        assert_eq!(wait_any(&[&fa, &fb], 10), Ok(None));
        assert_eq!(wait_any_interruptible(&[&fa, &fb], 10), Ok(None));
        b.signal(Ok(()));
        assert_eq!(wait_any(&[&fa, &fb], 0), Ok(Some((1, 1))));
        assert_eq!(wait_any(&[&fa, &fb], 10), Ok(Some((1, 10))));
        a.signal(Ok(()));
        assert_eq!(wait_any(&[&fa, &fb], 10), Ok(Some((0, 10))));
        Ok(())
    });
}
