// SPDX-License-Identifier: GPL-2.0-only
//! The drivers of dma-fence/broken and drivers/broken as a module of Linux, which runs one of them; and
//! once more as driver.ko, which that one loads and unloads if there is a `module!` in it.

use core::{ffi::c_void, ptr::with_exposed_provenance, sync::atomic::{AtomicPtr, Ordering::Relaxed}};
use kernel::prelude::*;

/// A driver that breaks its rule if it is told to.
type Run = fn(bool) -> Result;

/// What stands in the crates' roots: the drivers, by the names of their rules.
macro_rules! examples {
    ($directory:literal: $($module:ident = $rule:literal;)*) => {
        $(pub(crate) mod $module;)*
        pub(crate) const EXAMPLES: &[(&str, crate::Run)] = &[$(($rule, $module::run)),*];
    };
}

mod dma_fence;
mod drivers;
mod fences;
mod found;
mod linux;
mod list_fields;

module! {
    type: Prove,
    name: "prove",
    authors: ["the authors of dma-fence in Rust"],
    description: "Drivers that break a rule of fences",
    license: "GPL",
    params: {
        number: i32 {
            default: 0,
            description: "The rule, from 1",
        },
        wrong: i32 {
            default: 0,
            description: "Whether it is broken",
        },
        place: usize {
            default: 0,
            description: "For driver.ko: where the address of its data goes",
        },
    },
}

struct Prove(Option<linux::testing::Module>);

/// The rule's number.
fn number() -> i32 {
    module_parameters::number.value()
}

impl kernel::Module for Prove {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let examples = [fences::EXAMPLES, drivers::EXAMPLES, found::EXAMPLES];
        let mut examples = (1..).zip(examples.iter().copied().flatten());
        let (_, &(rule, run)) = examples.find(|(n, _)| *n == number()).ok_or(EINVAL)?;
        let place = module_parameters::place.value();
        if place == 0 {
            run(module_parameters::wrong.value() != 0)?;
            return Ok(Self(None));
        }
        let driver = match rule {
            "unload-after-detach" => drivers::unload_after_detach::load(module),
            "nothing-after-remove" => drivers::nothing_after_remove::load(module),
            _ => Err(EINVAL),
        }?;
        // SAFETY: It is the static of prove.ko, which waits for this.
        unsafe { (*with_exposed_provenance::<AtomicPtr<c_void>>(place)).store(driver.data, Relaxed) };
        Ok(Self(Some(driver)))
    }
}
