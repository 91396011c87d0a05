// SPDX-License-Identifier: GPL-2.0-only
//! A fence that a command names.

use crate::{
    session::Session,
    world::fence::{FenceKind, FencePtr},
};
use ::dma_fence::bindings::{self as c, dma_fence};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings::{kref_read, spin_is_locked},
    sync::atomic::{Atomic, Relaxed},
};

/// The flags in the order of their bits, in which a transcript lists them.
pub(crate) const FLAG_NAMES: [&str; 6] = [
    "initialized",
    "inline_lock",
    "seqno64",
    "signaled",
    "timestamp",
    "enable_signal",
];

/// The bit of the flag that signalling was enabled.
const ENABLE_SIGNAL_BIT: usize = c::dma_fence_flag_bits_DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT as usize;

/// A fence that is not destroyed while this value lives.
///
/// # Invariants
///
/// `ptr` points to a fence whose last reference is not dropped during `'c`, while a command runs,
/// or only by that command, as the last thing that it does.
#[derive(Clone, Copy)]
pub(crate) struct Fence<'c> {
    /// Its place in the table of fences.
    pub(crate) place: usize,
    ptr: NonNull<dma_fence>,
    _command: PhantomData<&'c ()>,
}

impl Fence<'_> {
    /// # Safety
    ///
    /// The caller makes the type invariant hold.
    pub(crate) unsafe fn new(place: usize, ptr: FencePtr) -> Self {
        // INVARIANT: By the safety requirement of this function, which is the invariant.
        Self {
            place,
            ptr: ptr.0,
            _command: PhantomData,
        }
    }

    /// The fence for the C functions.
    pub(crate) fn as_ptr(self) -> *mut dma_fence {
        self.ptr.as_ptr()
    }

    /// Returns the command that created it.
    pub(crate) fn kind(self, session: &Session) -> FenceKind {
        session.world().fences[self.place].kind
    }

    /// Is it signalled, as far as its flag tells?
    pub(crate) fn is_flagged(self) -> bool {
        // SAFETY: The fence is valid: the type invariant.
        unsafe { c::dma_fence_test_signaled_flag(self.as_ptr()) }
    }

    /// Was signalling enabled?
    pub(crate) fn is_enabled(self) -> bool {
        self.flags() & (1 << ENABLE_SIGNAL_BIT) != 0
    }

    /// The flags, one bit for each of [`FLAG_NAMES`] and the user's above.
    pub(crate) fn flags(self) -> usize {
        // SAFETY: The fence is valid: the type invariant.
        unsafe { c::dma_fence_flags(self.as_ptr()) }
    }

    /// Has it an ops pointer?
    pub(crate) fn has_ops(self) -> bool {
        // SAFETY: The fence is valid: the type invariant.
        unsafe { c::dma_fence_has_ops(self.as_ptr()) }
    }

    /// The error field.
    pub(crate) fn error(self) -> i32 {
        // SAFETY: The fence is valid: the type invariant.
        unsafe { c::dma_fence_error(self.as_ptr()) }
    }

    /// The reference count.
    pub(crate) fn refs(self) -> u32 {
        // SAFETY: The fence is valid, and so is its count: the type invariant.
        unsafe { kref_read(c::dma_fence_kref(self.as_ptr())) }
    }

    /// Has it an op that says, now or soon, that it is done?
    pub(crate) fn says_done(self, session: &Session) -> bool {
        // SAFETY: The fence is valid: the type invariant. Its table is static.
        let ops = unsafe { c::dma_fence_ops_ptr(self.as_ptr()).as_ref() };
        ops.is_some_and(|ops| ops.signaled.is_some())
            && matches!(self.kind(session), FenceKind::Scripted(script) if script.complete)
    }

    /// Is it made of others?
    pub(crate) fn is_container(self) -> bool {
        // SAFETY: The fence is valid: the type invariant.
        unsafe { c::dma_fence_is_container(self.as_ptr()) }
    }

    /// The members of an array; another fence is its own.
    pub(crate) fn members(self) -> Vec<*mut dma_fence> {
        // SAFETY: The fence is valid: the type invariant.
        let first = unsafe { c::dma_fence_array_first(self.as_ptr()) };
        let mut index = 0;
        let next = |_: &*mut dma_fence| {
            index += 1;
            // SAFETY: As above.
            Some(unsafe { c::dma_fence_array_next(self.as_ptr(), index) })
        };
        std::iter::successors(Some(first), next)
            .take_while(|member| !member.is_null())
            .collect()
    }

    /// The members of an array; otherwise what a node of a chain contains, and the one before it.
    pub(crate) fn parts(self) -> Vec<*mut dma_fence> {
        // SAFETY: The fence is valid: the type invariant. The link of a node is changed atomically.
        unsafe {
            let node = c::to_dma_fence_chain(self.as_ptr());
            if node.is_null() {
                return self.members();
            }
            let prev = Atomic::from_ptr((&raw mut (*node).prev).cast()).load(Relaxed);
            vec![(*node).fence, prev]
        }
    }

    /// The context number.
    pub(crate) fn context(self) -> u64 {
        // SAFETY: The fence is valid: the type invariant. Its number never changes.
        unsafe { (*self.as_ptr()).context }
    }

    /// The sequence number.
    pub(crate) fn seqno(self) -> u64 {
        // SAFETY: The fence is valid: the type invariant. Its number never changes.
        unsafe { (*self.as_ptr()).seqno }
    }

    /// Is its lock held by the command that is under way?
    ///
    /// One thread of a replay runs at a time and gives up no lock when it blocks, so a lock that is
    /// held was taken further up in this call. That is not so for the shared stub, whose lock other
    /// replays take as well; but no command runs while it is held, since a stub has no callbacks.
    pub(crate) fn is_locked(self, session: &Session) -> bool {
        // SAFETY: The fence is valid: the type invariant. A lock of the scenario outlives it.
        self.kind(session) != FenceKind::SharedStub && unsafe { is_locked(self.as_ptr()) }
    }
}

/// Is the lock of the fence held, by whatever task?
///
/// # Safety
///
/// The fence and its external lock are valid.
pub(crate) unsafe fn is_locked(fence: *mut dma_fence) -> bool {
    // SAFETY: The fence and its lock are valid.
    unsafe { spin_is_locked(c::dma_fence_spinlock(fence)) != 0 }
}
