// SPDX-License-Identifier: GPL-2.0-only
//! The lock of a reservation object, and what may be done with it.

use super::{
    bindings,
    DmaResv,
    DmaResvUsage,
    Fence, //
};
use core::{
    ops::Deref,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

// UNTIL(ww-mutex): the kernel crate has `ww_mutex`, and acquire contexts.
/// What several objects are locked under.
///
/// # Invariants
///
/// It was initialised by the task that locks under it, and is in an [`Arc`], of which each guard has one.
#[pin_data(PinnedDrop)]
struct AcquireContext {
    #[pin]
    inner: Opaque<bindings::ww_acquire_ctx>,
}

impl AcquireContext {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The memory is the context's own, and is pinned.
            inner <- Opaque::ffi_init(|ctx| unsafe { bindings::dma_resv_acquire_init(ctx) }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for AcquireContext {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant. No guard is left, and so no object locked under it; it is the
        // task's that drops the last one, since no guard leaves it.
        unsafe { bindings::ww_acquire_fini(self.inner.get()) };
    }
}

/// A reservation object whose lock this task holds.
///
/// # Invariants
///
/// This task holds the lock, under `_ctx` if there is one.
#[must_use = "the lock is released at once otherwise"]
pub struct DmaResvGuard<'a> {
    resv: &'a DmaResv,
    /// Ends with the last guard.
    _ctx: Option<Arc<AcquireContext>>,
    _not_send: NotThreadSafe,
}

impl<'a> DmaResvGuard<'a> {
    fn new(resv: &'a DmaResv, ctx: Option<&Arc<AcquireContext>>) -> Self {
        Self {
            resv,
            _ctx: ctx.cloned(),
            _not_send: NotThreadSafe,
        }
    }
}

impl DmaResv {
    /// Takes the lock. May sleep.
    ///
    /// A task that needs several at a time takes them by [`lock_all`](Self::lock_all); one after the other
    /// they might be taken in another order elsewhere.
    #[doc(alias = "dma_resv_lock")]
    #[track_caller]
    pub fn lock(&self) -> DmaResvGuard<'_> {
        // INVARIANT: Without a context it is always taken.
        // SAFETY: The object is initialised: its type invariant.
        unsafe { bindings::dma_resv_lock(self.as_raw(), ptr::null_mut()) };
        DmaResvGuard::new(self, None)
    }

    /// Takes the lock if it is free. Not from interrupt context.
    #[doc(alias = "dma_resv_trylock")]
    #[track_caller]
    pub fn try_lock(&self) -> Option<DmaResvGuard<'_>> {
        // INVARIANT: Asked.
        // SAFETY: The object is initialised: its type invariant.
        unsafe { bindings::dma_resv_trylock(self.as_raw()) }.then(|| DmaResvGuard::new(self, None))
    }

    /// Takes the locks of all these objects, in whatever order they come; tasks that do so do not wait
    /// for each other in a circle. One that comes twice is locked once. May sleep.
    ///
    /// Returns a guard for each object, in the order in which they came first.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    ///
    /// # Examples
    ///
    /// ```
    /// use dma_fence::{DmaResv, DmaResvUsage, Fence};
    /// use kernel::prelude::*;
    ///
    /// let [from, to] = [(); 2].map(|()| KBox::pin_init(DmaResv::new(), GFP_KERNEL));
    /// let (from, to) = (from?, to?);
    ///
    /// let mut guards = DmaResv::lock_all(&[&from, &to])?;
    /// for guard in guards.iter_mut() {
    ///     guard.reserve_one()?.add(&Fence::stub(), DmaResvUsage::Write);
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias("ww_acquire_init", "ww_acquire_fini", "dma_resv_lock_slow", "drm_exec"))]
    #[track_caller]
    pub fn lock_all<'a>(resvs: &[&'a DmaResv]) -> Result<KVec<DmaResvGuard<'a>>> {
        let mut guards = KVec::with_capacity(resvs.len(), GFP_KERNEL)?;
        let ctx = Arc::pin_init(AcquireContext::new(), GFP_KERNEL)?;
        let mut contended: Option<&'a DmaResv> = None;
        loop {
            // All are released before the one that another task had is waited for.
            guards.clear();
            if let Some(resv) = contended {
                // SAFETY: The object is initialised, and the context is this task's.
                unsafe { bindings::dma_resv_lock_slow(resv.as_raw(), ctx.inner.get()) };
                // INVARIANT: It was taken under the context.
                guards.push_within_capacity(DmaResvGuard::new(resv, Some(&ctx)))?;
            }
            match lock_rest(resvs, contended, &ctx, &mut guards)? {
                None => return Ok(guards),
                another => contended = another,
            }
        }
    }
}

/// Takes all that are not taken; returns one for which those that are taken have to be released.
#[track_caller]
fn lock_rest<'a>(
    resvs: &[&'a DmaResv],
    mut first: Option<&'a DmaResv>,
    ctx: &Arc<AcquireContext>,
    guards: &mut KVec<DmaResvGuard<'a>>,
) -> Result<Option<&'a DmaResv>> {
    for &resv in resvs {
        // SAFETY: The object is initialised, and the context is this task's.
        let taken = unsafe { bindings::dma_resv_lock(resv.as_raw(), ctx.inner.get()) };
        match to_result(taken) {
            // INVARIANT: It was taken under the context.
            Ok(()) => guards.push_within_capacity(DmaResvGuard::new(resv, Some(ctx)))?,
            Err(error) if error == EDEADLK => return Ok(Some(resv)),
            // Held already. The one that was taken first has its place here.
            Err(_) => {
                if first.take_if(|first| ptr::eq(*first, resv)).is_some() {
                    guards.rotate_left(1);
                }
            }
        }
    }
    Ok(None)
}

impl Deref for DmaResvGuard<'_> {
    type Target = DmaResv;

    fn deref(&self) -> &DmaResv {
        self.resv
    }
}

impl Drop for DmaResvGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The context goes after this, or with another guard.
        unsafe { bindings::dma_resv_unlock(self.as_raw()) };
    }
}

impl<'a> DmaResvGuard<'a> {
    /// Reserves a slot, in which a fence can be added without an error. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_resv_reserve_fences")]
    #[track_caller]
    pub fn reserve_one(&mut self) -> Result<DmaResvSlot<'_, 'a>> {
        self.reserve_raw(1)?;
        // INVARIANT: Just reserved.
        Ok(DmaResvSlot(self))
    }

    /// As [`reserve_one`](Self::reserve_one), so many slots.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL for none.
    #[doc(alias = "dma_resv_reserve_fences")]
    #[track_caller]
    pub fn reserve(&mut self, slots: u32) -> Result<DmaResvSlots<'_, 'a>> {
        self.reserve_raw(slots)?;
        // INVARIANT: Just reserved.
        Ok(DmaResvSlots {
            guard: self,
            left: slots,
        })
    }

    #[track_caller]
    fn reserve_raw(&mut self, slots: u32) -> Result {
        /// With those that are there the number must not overflow in C.
        const MOST: u32 = 1 << 30;
        match slots {
            0 => return Err(EINVAL),
            1..MOST => (),
            _ => return Err(ENOMEM),
        }
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::dma_resv_reserve_fences(self.as_raw(), slots) })
    }

    /// Puts a fence, with a usage, in the place of all fences of a context, e.g. of one that will not be
    /// used any more. It must not signal before those would, or what waits for them would not.
    #[doc(alias = "dma_resv_replace_fences")]
    #[track_caller]
    pub fn replace(&mut self, context: u64, replacement: &Fence, usage: DmaResvUsage) {
        // SAFETY: By the type invariants.
        unsafe {
            bindings::dma_resv_replace_fences(
                self.as_raw(),
                context,
                replacement.as_raw(),
                usage as u32,
            )
        };
    }

    /// Takes the fences of another object that have not signalled, in the place of those that are there.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    #[doc(alias = "dma_resv_copy_fences")]
    #[track_caller]
    pub fn copy_from(&mut self, other: &DmaResv) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::dma_resv_copy_fences(self.as_raw(), other.as_raw()) })
    }
}

/// A slot for a fence in a reservation object, without which none can be added.
///
/// What is there can be looked at through it.
///
/// # Invariants
///
/// The slot was reserved since the lock was taken.
#[must_use = "a slot that is not used was reserved for nothing"]
pub struct DmaResvSlot<'g, 'a>(&'g mut DmaResvGuard<'a>);

impl DmaResvSlot<'_, '_> {
    /// Adds a fence; in the place of one that has signalled, or of one of the same context that is no
    /// later and of no stronger usage, if there is such a one. Asks drivers.
    ///
    /// A fence that is made of others is not added as such: Linux warns, and its parts are to be added
    /// each by itself, see [`Fence::unwrap`].
    #[doc(alias = "dma_resv_add_fence")]
    #[track_caller]
    pub fn add(self, fence: &Fence, usage: DmaResvUsage) {
        // SAFETY: By the type invariants, of which that of the slot ends here.
        unsafe { bindings::dma_resv_add_fence(self.0.as_raw(), fence.as_raw(), usage as u32) };
    }
}

impl<'a> Deref for DmaResvSlot<'_, 'a> {
    type Target = DmaResvGuard<'a>;

    fn deref(&self) -> &DmaResvGuard<'a> {
        self.0
    }
}

/// Several slots.
///
/// # Invariants
///
/// `left` slots were reserved since the lock was taken, and not used.
#[must_use = "slots that are not used were reserved for nothing"]
pub struct DmaResvSlots<'g, 'a> {
    guard: &'g mut DmaResvGuard<'a>,
    left: u32,
}

impl<'a> DmaResvSlots<'_, 'a> {
    /// One of those that are left; `None` if none is.
    pub fn slot(&mut self) -> Option<DmaResvSlot<'_, 'a>> {
        self.left = self.left.checked_sub(1)?;
        // INVARIANT: One of those that were reserved.
        Some(DmaResvSlot(self.guard))
    }
}

impl<'a> Deref for DmaResvSlots<'_, 'a> {
    type Target = DmaResvGuard<'a>;

    fn deref(&self) -> &DmaResvGuard<'a> {
        self.guard
    }
}
