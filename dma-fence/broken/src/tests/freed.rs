// SPDX-License-Identifier: GPL-2.0-only
//! Whatever ops reach, and every way to free it.

use super::{broken, silent, with_job};
use crate::exporter::{zeroed, Timeline, OPS};
use ::dma_fence::bindings::{
    callback_head, dma_fence, dma_fence_driver_name, dma_fence_get, dma_fence_init, dma_fence_ops,
    dma_fence_put, dma_fence_signal,
};
use kernel::{
    bindings::{call_rcu, kfree, rcu_barrier, rcu_read_lock, rcu_read_unlock, synchronize_rcu},
    ffi::c_char,
    prelude::*,
    testing::insmod,
};

const RULE: &str = "grace-period-before-free";

/// What a driver frees.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// The context, to which the fence points.
    Context,
    /// Data of which only the fence knows.
    Data,
    /// A name that was asked for.
    Name,
}

/// How it does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Drop,
    Kfree,
    CallRcu,
    KfreeRcu,
    Unload,
}

/// Something that is freed, in a block of its own.
#[repr(C)]
struct Block {
    name: [u8; 8],
    rcu: callback_head,
}

// SAFETY: Nobody uses it but who frees it.
unsafe impl Send for Block {}
// SAFETY: As above.
unsafe impl Sync for Block {}

impl Block {
    fn new() -> KBox<Self> {
        let rcu = callback_head {
            next: core::ptr::null_mut(),
            func: None,
        };
        let name = *b"freed\0\0\0";
        KBox::new(Self { name, rcu }, GFP_KERNEL).unwrap()
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
unsafe extern "C" fn name(fence: *mut dma_fence) -> *const c_char {
    // SAFETY: By the safety requirements.
    let name = unsafe { (*fence.cast::<Fence>()).name };
    core::ptr::with_exposed_provenance(!name)
}

static NAMED: dma_fence_ops = dma_fence_ops {
    get_driver_name: Some(name),
    ..OPS
};

/// A fence that reaches the block in this way.
#[track_caller]
fn reaching(what: What, block: *mut Block) -> *mut dma_fence {
    let fence = zeroed::<Fence>().unwrap();
    // SAFETY: Fresh memory; the block lives until the caller frees it.
    unsafe {
        let base = &raw mut (*fence).base;
        if what == What::Name {
            (*fence).name = !block.expose_provenance();
        } else {
            (*fence).data = block;
        }
        dma_fence_init(base, &NAMED, core::ptr::null_mut(), 1, 1);
        // Somebody else has it, and asks for its name.
        dma_fence_put(dma_fence_get(base));
        if what == What::Name {
            rcu_read_lock();
            dma_fence_driver_name(base);
            rcu_read_unlock();
        }
        base
    }
}

/// # Safety
///
/// `head` is that of a [`Block`], which nobody uses.
unsafe extern "C" fn free(head: *mut callback_head) {
    // SAFETY: By the safety requirements.
    unsafe { kfree(head.byte_sub(core::mem::offset_of!(Block, rcu)).cast()) };
}

/// Frees a block; if that waits for a grace period, `signal` is called before it can have passed.
fn free_by(how: How, block: KBox<Block>, signal: impl FnOnce()) {
    match how {
        How::Drop => {
            signal();
            drop(block);
        }
        How::Unload => {
            let driver = insmod::<module::Owner>().unwrap();
            driver.0.lock().replace(block);
            signal();
            drop(driver);
        }
        How::Kfree => {
            signal();
            // SAFETY: The block comes from the slab.
            unsafe { kfree(KBox::into_raw(block).cast()) };
        }
        How::CallRcu => {
            let block = KBox::into_raw(block);
            // SAFETY: The block is given up. But it is so before the signal.
            unsafe { call_rcu(&raw mut (*block).rcu, Some(free)) };
            signal();
        }
        How::KfreeRcu => {
            let block = KBox::into_raw(block);
            // SAFETY: As above.
            unsafe { kernel::kfree_rcu!(block, Block, rcu) };
            signal();
        }
    }
}

mod module {
    use super::Block;
    use kernel::{prelude::*, sync::new_mutex, sync::Mutex};

    /// A module that owns a block.
    pub(super) struct Owner(pub(super) Pin<KBox<Mutex<Option<KBox<Block>>>>>);

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
}

#[test]
fn all_that_is_reached_and_every_way_to_free_it() {
    for what in [What::Context, What::Data, What::Name] {
        for how in [
            How::Drop,
            How::Kfree,
            How::CallRcu,
            How::KfreeRcu,
            How::Unload,
        ] {
            let freed = match what {
                What::Name => "name freed before a grace period",
                _ => "private data (by the pointer at +64) freed before a grace period",
            };
            broken(RULE, freed, || {
                let block = Block::new();
                let address = (&raw const *block).cast_mut();
                let fence = reaching(what, address);
                // SAFETY: The references are ours.
                free_by(how, block, || unsafe {
                    dma_fence_signal(fence);
                    dma_fence_put(fence);
                });
                // SAFETY: Nothing is asked for.
                unsafe { rcu_barrier() };
            });
        }
    }
}

#[test]
fn a_grace_period_after_the_signal_is_enough() {
    for what in [What::Context, What::Data, What::Name] {
        for how in [How::Drop, How::Kfree, How::Unload] {
            silent(|| {
                let block = Block::new();
                let fence = reaching(what, (&raw const *block).cast_mut());
                // SAFETY: The references are ours.
                free_by(how, block, || unsafe {
                    dma_fence_signal(fence);
                    dma_fence_put(fence);
                    synchronize_rcu();
                });
            });
        }
        for how in [How::CallRcu, How::KfreeRcu] {
            silent(|| {
                let block = Block::new();
                let fence = reaching(what, (&raw const *block).cast_mut());
                // SAFETY: The references are ours.
                unsafe {
                    dma_fence_signal(fence);
                    dma_fence_put(fence);
                }
                free_by(how, block, || {});
            });
        }
    }
}

#[test]
fn waiting_for_callbacks_is_no_grace_period() {
    broken(RULE, "private data", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                dma_fence_signal(fence);
                // Nothing is queued.
                rcu_barrier();
                Timeline::free(timeline);
                dma_fence_put(fence);
            }
        });
    });
}

#[test]
fn waiting_for_an_older_callback_is_none_either() {
    broken(RULE, "private data", || {
        let old = KBox::into_raw(Block::new());
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                call_rcu(&raw mut (*old).rcu, Some(free));
                dma_fence_signal(fence);
                rcu_barrier();
                Timeline::free(timeline);
                dma_fence_put(fence);
            }
        });
    });
}

#[test]
fn one_before_the_signal_is_not_enough() {
    broken(RULE, "private data", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                synchronize_rcu();
                dma_fence_signal(fence);
                Timeline::free(timeline);
                dma_fence_put(fence);
            }
        });
    });
}

#[test]
fn while_it_is_pending_nothing_may_go() {
    broken(RULE, "although the fence has not signalled", || {
        with_job(|timeline, fence| {
            // SAFETY: The references are ours.
            unsafe {
                let shared = dma_fence_get(fence);
                synchronize_rcu();
                Timeline::free(timeline);
                dma_fence_signal(fence);
                dma_fence_put(shared);
                dma_fence_put(fence);
            }
        });
    });
}

#[test]
fn a_string_that_nobody_has_asked_for() {
    #[repr(C)]
    struct Named {
        base: dma_fence,
        ring: *mut *mut [u8; 8],
    }
    for grace in [false, true] {
        let body = || {
            let fence = zeroed::<Named>().unwrap();
            let ring = zeroed::<*mut [u8; 8]>().unwrap();
            let name = zeroed::<[u8; 8]>().unwrap();
            // SAFETY: Fresh memory, all of which is ours.
            unsafe {
                name.write(*b"ring0\0\0\0");
                ring.write(name);
                (*fence).ring = ring;
                let base = &raw mut (*fence).base;
                dma_fence_init(base, &NAMED, core::ptr::null_mut(), 1, 1);
                dma_fence_signal(base);
                if grace {
                    synchronize_rcu();
                }
                kfree(name.cast());
                dma_fence_put(base);
                synchronize_rcu();
                kfree(ring.cast());
            }
        };
        if grace {
            silent(body);
        } else {
            broken(RULE, "string of the private data", body);
        }
    }
}

#[test]
fn another_name_while_it_is_pending() {
    for grace in [false, true] {
        let body = || {
            let names = [Block::new(), Block::new()].map(KBox::into_raw);
            let base = reaching(What::Name, names[0]);
            // SAFETY: All of this is ours.
            unsafe {
                (*base.cast::<Fence>()).name = !names[1].expose_provenance();
                if grace {
                    synchronize_rcu();
                }
                kfree(names[0].cast());
                dma_fence_signal(base);
                dma_fence_put(base);
                synchronize_rcu();
                kfree(names[1].cast());
            }
        };
        if grace {
            silent(body);
        } else {
            broken(RULE, "name freed although the fence has not", body);
        }
    }
}
