// SPDX-License-Identifier: GPL-2.0-only
//! The fences that a scenario knows.

use crate::{
    call::Call,
    session::{Session, State},
};
use ::dma_fence::bindings::{self as c, dma_fence};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::bindings::spin_is_locked;

/// How many fences a scenario may make.
pub(crate) const MAX_FENCES: usize = 192;

/// The numbers of the flag bits, which double as their order in a list.
pub(crate) const FLAG_NAMES: [&str; 6] = [
    "initialized",
    "inline_lock",
    "seqno64",
    "signaled",
    "timestamp",
    "enable_signal",
];

/// The bit of the flag that signalling was enabled.
const ENABLE_SIGNAL_BIT: usize = 5;

/// A fence of the scenario, as the replay keeps it.
pub(crate) struct FenceObject {
    pub(crate) ptr: FencePtr,
    /// The name it got first.
    pub(crate) name: String,
    /// References that belong to the scenario.
    pub(crate) held: usize,
    /// Commands under way that name it.
    pub(crate) busy: usize,
    /// The kernel has destroyed it.
    pub(crate) gone: bool,
    pub(crate) kind: FenceKind,
}

/// What made the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FenceKind {
    /// The command `fence`: its ops do what the script says.
    Scripted(Script),
    /// `get_stub`: the stub of the whole machine.
    SharedStub,
    /// `allocate_private_stub`.
    PrivateStub,
}

/// What the ops of a fence made by the command `fence` do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// There is an enable_signaling op and it returns false.
    pub(crate) refuses: bool,
    /// The error that the enable_signaling op sets.
    pub(crate) enable_error: Option<i32>,
    /// The error that the signaled op sets when it returns true.
    pub(crate) signaled_error: Option<i32>,
    /// The signaled op returns true, after `polls_left` more polls.
    pub(crate) complete: bool,
    pub(crate) polls_left: u64,
    /// What the wait op returns in place of waiting.
    pub(crate) wait: Option<i64>,
}

/// A fence by its address, to be compared and kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FencePtr(pub(crate) NonNull<dma_fence>);

// SAFETY: An address; the fence itself may be used from any thread too.
unsafe impl Send for FencePtr {}

impl State {
    /// The fence at this address, unless it is not one of the scenario's.
    pub(crate) fn fence_at(&self, fence: *mut dma_fence) -> Option<usize> {
        self.fences
            .iter()
            .rposition(|object| object.ptr.0.as_ptr() == fence && !object.gone)
    }

    /// The first name of the fence at this address.
    pub(crate) fn fence_name(&self, fence: *mut dma_fence) -> &str {
        if fence.is_null() {
            return "NULL";
        }
        self.fence_at(fence)
            .and_then(|index| self.fences.get(index))
            .map_or("(unnamed)", |object| object.name.as_str())
    }
}

/// A fence that is not destroyed while this value lives.
///
/// # Invariants
///
/// `ptr` points to a fence whose last reference is not dropped while the call
/// `'c` runs, or only by this call, as the last thing that it does.
#[derive(Clone, Copy)]
pub(crate) struct Fence<'c> {
    /// Its place in the table of fences.
    pub(crate) index: usize,
    ptr: NonNull<dma_fence>,
    _call: PhantomData<&'c Call<'c>>,
}

impl Fence<'_> {
    /// # Safety
    ///
    /// The caller makes the type invariant hold.
    pub(crate) unsafe fn new(index: usize, ptr: FencePtr) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            index,
            ptr: ptr.0,
            _call: PhantomData,
        }
    }

    /// The fence for the C functions.
    pub(crate) fn as_ptr(self) -> *mut dma_fence {
        self.ptr.as_ptr()
    }

    /// What made it.
    pub(crate) fn kind(self, session: &Session) -> FenceKind {
        session
            .state()
            .fences
            .get(self.index)
            .map_or(FenceKind::PrivateStub, |object| object.kind)
    }

    /// Is it signalled, as far as its flag tells?
    pub(crate) fn is_flagged(self) -> bool {
        // SAFETY: By the type invariant the fence is alive.
        unsafe { c::dma_fence_test_signaled_flag(self.as_ptr()) }
    }

    /// Was signalling enabled?
    pub(crate) fn is_enabled(self) -> bool {
        self.flags() & (1 << ENABLE_SIGNAL_BIT) != 0
    }

    /// The flags, one bit for each of [`FLAG_NAMES`] and the user's above.
    pub(crate) fn flags(self) -> usize {
        // SAFETY: By the type invariant the fence is alive.
        unsafe { c::dma_fence_flags(self.as_ptr()) }
    }

    /// Has it an ops pointer?
    pub(crate) fn has_ops(self) -> bool {
        // SAFETY: By the type invariant the fence is alive.
        unsafe { c::dma_fence_has_ops(self.as_ptr()) }
    }

    /// The error field.
    pub(crate) fn error(self) -> i32 {
        // SAFETY: By the type invariant the fence is alive.
        unsafe { c::dma_fence_error(self.as_ptr()) }
    }

    /// The reference count.
    pub(crate) fn refs(self) -> u32 {
        // SAFETY: By the type invariant the fence is alive.
        let kref = unsafe { c::dma_fence_kref(self.as_ptr()) };
        // SAFETY: It is the count of a living fence.
        unsafe { kernel::bindings::kref_read(kref) }
    }

    /// The context number.
    pub(crate) fn context(self) -> u64 {
        // SAFETY: By the type invariant the fence is alive; the number of a
        // fence never changes.
        unsafe { (*self.as_ptr()).context }
    }

    /// The sequence number.
    pub(crate) fn seqno(self) -> u64 {
        // SAFETY: By the type invariant the fence is alive; the number of a
        // fence never changes.
        unsafe { (*self.as_ptr()).seqno }
    }

    /// Is its lock held by the command that is under way?
    ///
    /// One thread of a replay runs at a time and gives up no lock when it
    /// blocks, so a lock that is held was taken further up in this call. That
    /// is not so for the shared stub, whose lock other replays take as well;
    /// but no command runs while it is held, since a stub has no callbacks.
    pub(crate) fn is_locked(self, session: &Session) -> bool {
        self.kind(session) != FenceKind::SharedStub && {
            // SAFETY: By the type invariant the fence is alive.
            unsafe { is_locked(self.as_ptr()) }
        }
    }
}

/// Is the lock of the fence held by anyone?
///
/// # Safety
///
/// The fence must be alive, its external lock too.
pub(crate) unsafe fn is_locked(fence: *mut dma_fence) -> bool {
    // SAFETY: The fence is alive by the safety requirements.
    let lock = unsafe { c::dma_fence_spinlock(fence) };
    // SAFETY: The lock is alive by the safety requirements.
    unsafe { spin_is_locked(lock) != 0 }
}
