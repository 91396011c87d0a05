// SPDX-License-Identifier: GPL-2.0-only
//! References that safe code leaves behind: where each was taken is said.

#![cfg(all(feature = "debug", not(any(loom, tsan))))]
#![forbid(unsafe_code)]

use core::mem::forget;
use dma_fence::{testing::context, Fence, FenceContextOps};
use kernel::{
    prelude::*,
    sync::aref::ARef,
    testing::{report::reports_of, test_alone},
};

struct Ops;

impl FenceContextOps for Ops {
    type FenceDataType = ();
}

#[test]
fn references_are_named_by_their_call_sites() {
    let (reports, end) = reports_of(|| -> Result {
        let context = context(Ops)?;
        let issued = context.new_fence_allocation(())?.new_fence();
        let fence: ARef<Fence> = issued.as_fence().into();
        forget(fence.clone());
        issued.signal(Ok(()));
        Ok(())
    });
    assert_eq!(end, Ok(Ok(())));
    let [report] = &reports[..] else {
        panic!("{reports:#?}");
    };
    assert_eq!(report.rule, "reference-left");
    let line = line!() - 10;
    for words in [
        "1 of 3 references left at the end".to_string(),
        format!("  fence created at dma-fence/tests/left.rs:{}", line - 1),
        format!("  reference taken at dma-fence/tests/left.rs:{line}"),
        format!("  reference taken at dma-fence/tests/left.rs:{}", line + 1),
    ] {
        assert!(report.text.contains(&words), "{words}: {}", report.text);
    }
}

#[test]
#[ignore = "leaves a reference behind: run by references_are_named_at_exit()"]
fn leaves_a_reference_behind() {
    let context = context(Ops).unwrap();
    let issued = context.new_fence_allocation(()).unwrap().new_fence();
    forget(ARef::<Fence>::from(issued.as_fence()));
    issued.signal(Ok(()));
}

#[test]
fn references_are_named_at_exit() {
    let (passed, said) = test_alone("leaves_a_reference_behind", &[]);
    assert!(passed);
    let (_, said) = said.split_once("memory left behind at exit:\n").unwrap();
    let (line, file) = (line!() - 9, "dma-fence/tests/left.rs");
    for words in [
        format!("allocated at {file}:{}, with fence ", line - 1),
        format!(" (driver:timeline), reference taken at {file}:{line}"),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
}
