// SPDX-License-Identifier: GPL-2.0-only
//! The door to what exists only in userspace: the machine's scheduler, its console, its memory.
//!
//! Nothing in here compiles in Linux; drivers do not use it, their tests do.
//!
//! The body of a test that runs in a machine of its own is `'static`: it borrows nothing of its
//! caller, but owns what it uses (`move ||`), shares it in an `Arc` or a static, and returns what
//! the caller wants to see. A machine that is stuck returns, while its tasks' threads stay where
//! they are forever; threads that the body has started by itself even go on.

mod boot;
pub mod console;
mod context;
mod drm;
mod explore;
mod io;
mod irq;
mod kunit;
pub mod memory;
mod module;
mod parameter;
mod pci;
mod platform;
pub mod report;
mod task;
pub mod trace;
pub mod user;
pub mod vcpu;

pub use boot::{boot, refuse_threads};
pub use context::{in_hardirq, in_serving_softirq};
pub use drm::DrmClient;
pub use explore::{explore, Explorer, Failure, Message, Outcome, Search};
pub use io::{IoRegion, Registers};
pub use irq::IrqLine;
#[doc(hidden)]
pub use kunit::case_of_suite;
pub use kunit::{kunit_case, CaseResult};
pub use machine::test_alone;
pub use module::{device_gone, insmod, insmod_with, loaded_modules, Loaded};
#[doc(hidden)]
pub use parameter::{Load, Parameter};
pub use pci::{PciDevice, PciDeviceBuilder};
pub use platform::{PlatformDevice, PlatformDeviceBuilder};
pub use report::{expect_bug, expect_report, without_checks};
pub use task::{everywhere, set_hung_task_timeout, set_lockdep, spawn, Lockdep};
