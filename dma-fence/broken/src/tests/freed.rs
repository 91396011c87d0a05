// SPDX-License-Identifier: GPL-2.0-only
//! Memory that ops reach, and every way to free it.

use crate::exporter::{pending_job, zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_driver_name, dma_fence_get, dma_fence_init, dma_fence_ops,
    dma_fence_put, dma_fence_signal,
};
use core::ptr::{null, null_mut};
use kernel::{
    bindings::{
        call_rcu, kfree, krealloc_node_align, rcu_barrier, rcu_read_lock, rcu_read_unlock,
        synchronize_rcu, __GFP_ZERO, GFP_KERNEL as MAY_SLEEP, NUMA_NO_NODE,
    },
    ffi::c_char,
    prelude::*,
    sync::{new_mutex, Mutex},
    testing::insmod,
};

/// A way to free memory.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    Drop,
    Kfree,
    CallRcu,
    KfreeRcu,
    Unload,
}

pub(super) const WAYS: [Way; 5] = [
    Way::Drop,
    Way::Kfree,
    Way::CallRcu,
    Way::KfreeRcu,
    Way::Unload,
];

/// Something that is freed, in a block of its own.
#[repr(C)]
struct Block {
    name: [u8; 8],
    rcu: callback_head,
}

// SAFETY: Only the thread that frees it uses it.
unsafe impl Send for Block {}

impl Block {
    fn new() -> Result<KBox<Self>> {
        let name = *b"freed\0\0\0";
        let (next, func) = (null_mut(), None);
        let rcu = callback_head { next, func };
        Ok(KBox::new(Self { name, rcu }, GFP_KERNEL)?)
    }
}

/// A fence that points to a block twice: as what its ops reach, and as its name.
#[repr(C)]
struct Fence {
    base: dma_fence,
    data: *mut Block,
    /// The complement, which is no pointer.
    name: usize,
}

/// # Safety
///
/// `fence` is that of a [`Fence`] whose block lives.
unsafe extern "C" fn driver_name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: The fence is the first member of a `Fence`.
    let name = unsafe { (*fence.cast::<Fence>()).name };
    core::ptr::with_exposed_provenance(!name)
}

static NAMED: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(driver_name),
    ..OPS
};

/// A fence with a block as its name, or else as data.
#[track_caller]
fn reaching(by_name: bool, block: *mut Block) -> Result<*mut dma_fence> {
    let fence = zeroed::<Fence>()?;
    // SAFETY: The memory is fresh; the block lives until the caller frees it.
    unsafe {
        let base = &raw mut (*fence).base;
        if by_name {
            (*fence).name = !block.expose_provenance();
        } else {
            (*fence).data = block;
        }
        dma_fence_init(base, &NAMED, null_mut(), 1, 1);
        // An importer has it as well, and asks for its name.
        dma_fence_put(dma_fence_get(base));
        if by_name {
            rcu_read_lock();
            dma_fence_driver_name(base);
            rcu_read_unlock();
        }
        Ok(base)
    }
}

/// # Safety
///
/// `head` is that of a [`Block`], which is not used any more.
unsafe extern "C" fn free(head: *mut callback_head) {
    // SAFETY: The head is a member of a block that is not used any more.
    unsafe { kfree(head.byte_sub(core::mem::offset_of!(Block, rcu)).cast()) };
}

/// A module that owns a block.
struct Owner(Pin<KBox<Mutex<Option<KBox<Block>>>>>);

impl kernel::Module for Owner {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let block = new_mutex!(None, "Owner");
        Ok(Self(KBox::pin_init(block, GFP_KERNEL)?))
    }
}

module! {
    type: Owner,
    name: "owner",
    license: "GPL",
}

/// Frees a block; if that waits for a grace period, `signal` is called before it can have passed.
fn free_by(way: Way, block: KBox<Block>, signal: impl FnOnce()) -> Result {
    match way {
        Way::Drop => {
            signal();
            drop(block);
        }
        Way::Unload => {
            let module = insmod::<Owner>()?;
            module.0.lock().replace(block);
            signal();
            drop(module);
        }
        Way::Kfree => {
            signal();
            // SAFETY: The block comes from the slab.
            unsafe { kfree(KBox::into_raw(block).cast()) };
        }
        Way::CallRcu => {
            let block = KBox::into_raw(block);
            // SAFETY: The block is given up. But it is so before the signal.
            unsafe { call_rcu(&raw mut (*block).rcu, Some(free)) };
            signal();
        }
        Way::KfreeRcu => {
            let block = KBox::into_raw(block);
            // SAFETY: The block is given up. But it is so before the signal.
            unsafe { kernel::kfree_rcu!(block, Block, rcu) };
            signal();
        }
    }
    // SAFETY: `rcu_barrier()` has no preconditions.
    unsafe { rcu_barrier() };
    Ok(())
}

/// Signals before a grace period that precedes the freeing, unless `wrong`.
fn freed(by_name: bool, way: Way, wrong: bool) -> Result {
    let block = Block::new()?;
    let fence = reaching(by_name, (&raw const *block).cast_mut())?;
    // SAFETY: The reference is ours.
    let signal = || unsafe {
        dma_fence_signal(fence);
        dma_fence_put(fence);
    };
    let waits = matches!(way, Way::CallRcu | Way::KfreeRcu);
    if waits && !wrong {
        signal();
        return free_by(way, block, || ());
    }
    free_by(way, block, || {
        signal();
        if !wrong {
            // SAFETY: `synchronize_rcu()` has no preconditions.
            unsafe { synchronize_rcu() };
        }
    })
}

pub(super) fn context_or_data(way: Way, wrong: bool) -> Result {
    freed(false, way, wrong)
}

pub(super) fn name(way: Way, wrong: bool) -> Result {
    freed(true, way, wrong)
}

/// Something that was taken for a grace period after the signal.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Instead {
    /// A barrier that finds nothing queued.
    Barrier,
    /// A barrier that waits for a callback from before the signal.
    OlderCallback,
    /// A grace period before the signal.
    Before,
}

pub(super) const INSTEAD: [Instead; 3] =
    [Instead::Barrier, Instead::OlderCallback, Instead::Before];

pub(super) fn something_else_than_a_grace_period(instead: Instead, wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The reference, the timeline and the block are ours to give up.
    unsafe {
        match instead {
            Instead::Before => synchronize_rcu(),
            Instead::OlderCallback => {
                let old = KBox::into_raw(Block::new()?);
                call_rcu(&raw mut (*old).rcu, Some(free));
            }
            Instead::Barrier => {}
        }
        dma_fence_signal(fence);
        if instead != Instead::Before {
            rcu_barrier();
        }
        if !wrong {
            synchronize_rcu();
        }
        Timeline::free(timeline);
        dma_fence_put(fence);
    }
    Ok(())
}

pub(super) fn while_pending(wrong: bool) -> Result {
    let (timeline, fence) = pending_job()?;
    // SAFETY: The references and the timeline are ours.
    unsafe {
        let shared = dma_fence_get(fence);
        if !wrong {
            dma_fence_signal(fence);
        }
        synchronize_rcu();
        Timeline::free(timeline);
        dma_fence_signal(fence);
        dma_fence_put(shared);
        dma_fence_put(fence);
    }
    Ok(())
}

/// A string of `length` that ends with its block.
pub(super) fn string_that_was_not_asked_for(length: usize, wrong: bool) -> Result {
    freed_behind_private_data(length, b'x', !wrong)
}

/// No op returns it.
pub(super) fn no_string_behind_private_data() -> Result {
    freed_behind_private_data(8, 0x80, false)
}

/// Frees `length` bytes after the signal, and a grace period if it is to `wait`.
fn freed_behind_private_data(length: usize, byte: u8, wait: bool) -> Result {
    #[repr(C)]
    struct Named {
        base: dma_fence,
        ring: *mut *mut u8,
    }
    let (fence, ring) = (zeroed::<Named>()?, zeroed::<*mut u8>()?);
    // SAFETY: The memory is fresh, and all of it is ours.
    unsafe {
        let flags = MAY_SLEEP | __GFP_ZERO;
        let name = krealloc_node_align(null(), length + 1, 1, flags, NUMA_NO_NODE);
        name.cast::<u8>().write_bytes(byte, length);
        ring.write(name.cast());
        (*fence).ring = ring;
        let base = &raw mut (*fence).base;
        dma_fence_init(base, &OPS, null_mut(), 1, 1);
        dma_fence_signal(base);
        if wait {
            synchronize_rcu();
        }
        kfree(name);
        dma_fence_put(base);
        synchronize_rcu();
        kfree(ring.cast());
    }
    Ok(())
}

/// The name changes while the fence is pending.
pub(super) fn name_before_this_one(wrong: bool) -> Result {
    let [old, new] = [Block::new()?, Block::new()?].map(KBox::into_raw);
    let base = reaching(true, old)?;
    // SAFETY: All of this is ours.
    unsafe {
        (*base.cast::<Fence>()).name = !new.expose_provenance();
        if !wrong {
            synchronize_rcu();
        }
        kfree(old.cast());
        dma_fence_signal(base);
        dma_fence_put(base);
        synchronize_rcu();
        kfree(new.cast());
    }
    Ok(())
}
