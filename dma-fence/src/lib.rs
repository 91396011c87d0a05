// SPDX-License-Identifier: GPL-2.0-only
//! Linux's dma-fence: the C API mirrored, and the safe API above it.
//!
//! C header: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h)
//!
//! A fence is a promise that something will have happened: a job has left the GPU, a buffer may
//! be read. One driver issues it and signals it once; any number of others wait for it, are
//! called back, or ask for its state.
//!
//! - A [`FenceContext`] is a timeline: it issues fences in order, and has the names under which
//!   they are known.
//! - A [`DriverFence`] is the issuer's side: the only thing that can signal. Its
//!   [`ArcDriverFence`] variant keeps its context alive by itself.
//! - A [`Fence`] is what all others see, counted by [`ARef`](kernel::sync::aref::ARef).
//! - A [`FenceArray`] is one fence for several, and [`merge`] makes one of any that there are.
//! - A [`DmaResv`] has the fences that all users of a buffer wait for.
//! - A [`FenceChain`] is a fence made of others: a point of a timeline on which any driver may have
//!   signalled.
//!
//! # The contract
//!
//! Names, and whatever else of the driver a fence's ops reach, may be used only inside one RCU
//! read-side section, and only until the fence has signalled; the driver frees them no sooner than
//! a grace period after that. Here the borrow checker holds readers to the first half:
//! [`Fence::driver_name`] returns a string that lives no longer than the guard. The context holds
//! itself to the second: dropping it waits for a grace period. The book has this at length: [safe
//! external access](../../book/safe-access.html), and [the rules](../../book/rules/index.html) with
//! a driver that breaks each; it begins with [your first
//! exporter](../../book/your-first-exporter.html).
//!
//! # Two worlds
//!
//! All files beside [`bindings`] compile here and in Linux. The line below chooses what they sit
//! on: the mirror of the C API, or that API.
//!
//! # Examples
//!
//! ```
//! use dma_fence::{FenceContext, FenceContextOps};
//! use kernel::{prelude::*, sync::{aref::ARef, rcu}};
//!
//! struct Ops;
//!
//! impl FenceContextOps for Ops {
//!     type FenceDataType = ();
//! }
//!
//! let context = KBox::pin_init(FenceContext::new(1, c"driver", c"ring0", Ops), GFP_KERNEL)?;
//! let job = context.new_fence_allocation(())?.new_fence();
//! let fence: ARef<dma_fence::Fence> = job.as_fence().into();
//! assert_eq!(fence.driver_name(&rcu::read_lock()), c"driver");
//!
//! job.signal(Ok(()));
//! assert_eq!(fence.status(), Some(Ok(())));
//! assert_eq!(fence.driver_name(&rcu::read_lock()), c"detached-driver");
//! # Ok::<(), Error>(())
//! ```

#![cfg_attr(not(CONFIG_RUST), no_std)]

// UNTIL(kernel-dma-fence): the kernel crate has fences; then drivers use those.
#[cfg_attr(CONFIG_RUST, path = "linux.rs")]
pub mod bindings;

mod array;
mod block;
mod callback;
mod chain;
mod context;
#[cfg(not(CONFIG_RUST))]
mod contract;
mod driver_fence;
mod fence;
#[cfg(not(CONFIG_RUST))]
pub mod helpers;
mod ktime;
mod kunit;
mod miscdevice;
mod ops;
mod private;
mod resv;
mod signalling;
mod sync_file;
#[cfg(not(CONFIG_RUST))]
pub mod testing;
mod unwrap;
mod vtable;
mod wait_any;

/// The prefix of the lines that this crate prints; in Linux it is the module's name.
#[cfg(not(CONFIG_RUST))]
const __LOG_PREFIX: &[u8] = b"dma_fence\0";

pub use self::{
    array::{
        FenceArray,
        FenceArrayAllocation, //
    },
    callback::{
        CallbackError,
        Complete,
        Enqueue,
        FenceCallback,
        FenceCallbackRegistration,
        Forward,
        Wake, //
    },
    chain::{
        FenceChain,
        FenceChainAllocation,
        FenceChainIter,
        Unchained, //
    },
    context::FenceContext,
    driver_fence::{
        ArcDriverFence,
        ArcDriverFenceAllocation,
        ContextRef,
        DriverFence,
        DriverFenceAllocation,
        DriverFenceBorrow,
        FenceAllocation,
        IssuedFence, //
    },
    fence::Fence,
    ktime::Ktime,
    miscdevice::{
        MiscFile,
        SharedMiscDevice, //
    },
    ops::{
        DeadlineOp,
        FenceContextOps,
        OpsContext,
        OpsFence,
        PollOp,
        Progress,
        ProgressOp, //
    },
    private::{
        PrivateArcDriverFence,
        PrivateDriverFence,
        PrivateFence, //
    },
    resv::{
        DmaResv,
        DmaResvFence,
        DmaResvFences,
        DmaResvFencesLocked,
        DmaResvGuard,
        DmaResvSlot,
        DmaResvSlots,
        DmaResvUsage, //
    },
    signalling::Signalling,
    sync_file::SyncFile,
    unwrap::{
        merge,
        Unwrap, //
    },
    wait_any::{
        wait_any,
        wait_any_interruptible, //
    },
};
