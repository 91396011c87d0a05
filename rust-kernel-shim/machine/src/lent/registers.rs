// SPDX-License-Identifier: GPL-2.0-only
//! The registers of what waits to go on, and how it does.

use core::{cell::Cell, mem::MaybeUninit, ptr, sync::atomic::AtomicU32};

/// The thread sleeps, and another may use its stack.
pub(super) const LENT: u32 = 1;

/// The thread has its stack again.
pub(super) const RETURNED: u32 = 2;

/// The registers of code that waits. The stack pointer leads to all but the thread pointer.
#[repr(C)]
pub(super) struct Registers {
    sp: Cell<*mut u8>,
    tp: Cell<*mut u8>,
}

// SAFETY: Used by one thread at a time, which the state of the thread that has lent them orders.
unsafe impl Sync for Registers {}
// SAFETY: As above.
unsafe impl Send for Registers {}

impl Default for Registers {
    fn default() -> Self {
        Self {
            sp: Cell::new(ptr::null_mut()),
            tp: Cell::new(ptr::null_mut()),
        }
    }
}

impl Registers {
    /// The caller waits here, and `to` goes on.
    ///
    /// # Safety
    ///
    /// `to` are those of what waits, in this function or in [`lend`](Self::lend); what goes on here
    /// is as if it were on its own thread.
    pub(super) unsafe fn switch(&self, to: &Self) {
        // SAFETY: The caller's guarantee.
        unsafe { arch::switch(self, to) }
    }

    /// The calling thread sleeps, with its stack at `room`, until its state is not `LENT` any more;
    /// others may have gone on here meanwhile. The state becomes `LENT`, and who waits for that is
    /// woken.
    ///
    /// # Safety
    ///
    /// `room` is the end of memory that serves as a stack, aligned to 16 bytes. As for
    /// [`switch`](Self::switch), what goes on here is as if on its own thread.
    pub(super) unsafe fn lend(&self, state: &AtomicU32, room: *mut u8) {
        // SAFETY: The caller's guarantee.
        unsafe { arch::lend(self, state, room) }
    }
}

/// True if this machine can do that.
pub(super) fn usable() -> bool {
    arch::usable()
}

/// Waits until the state may not be `old` any more.
pub(super) fn wait(state: &AtomicU32, old: u32) {
    let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: The futex is valid, and there is no timeout.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            state.as_ptr(),
            wait,
            old,
            ptr::null::<libc::timespec>(),
        )
    };
}

/// Wakes what waits for the state.
pub(super) fn wake(state: &AtomicU32) {
    let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: The futex is valid.
    unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), wake, 1) };
}

/// Blocks all signals for this thread; returns which were.
pub(super) fn block_signals() -> libc::sigset_t {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: Both are valid for the writes, which happen.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

/// Sets which signals are blocked for this thread.
pub(super) fn set_signals(signals: &libc::sigset_t) {
    // SAFETY: The set is valid.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, signals, ptr::null_mut()) };
}

#[cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(any(loom, miri, tsan))
))]
mod arch {
    use super::{Registers, LENT};
    use core::{arch::naked_asm, mem::offset_of, sync::atomic::AtomicU32};

    /// The instructions that write the thread pointer are there, and the host keeps what they write.
    pub(super) fn usable() -> bool {
        const FSGSBASE: libc::c_ulong = 1 << 1;
        // SAFETY: The call has no preconditions.
        unsafe { libc::getauxval(libc::AT_HWCAP2) & FSGSBASE != 0 }
    }

    /// Saves what a function of C keeps, and where: the stack and the thread pointer, to which `fs:0`
    /// points by the ABI of thread-locals.
    macro_rules! save {
        () => {
            "push rbp
             push rbx
             push r12
             push r13
             push r14
             push r15
             sub rsp, 8
             stmxcsr [rsp]
             fnstcw [rsp + 4]
             mov rax, fs:[0]
             mov [rdi + {tp}], rax
             mov [rdi + {sp}], rsp"
        };
    }

    /// Returns from the function that has saved this.
    macro_rules! restore {
        () => {
            "ldmxcsr [rsp]
             fldcw [rsp + 4]
             add rsp, 8
             pop r15
             pop r14
             pop r13
             pop r12
             pop rbx
             pop rbp
             ret"
        };
    }

    /// See [`Registers::switch`].
    ///
    /// # Safety
    ///
    /// As there, and both are valid.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn switch(from: *const Registers, to: *const Registers) {
        naked_asm!(
            save!(),
            "mov rax, [rsi + {tp}]
             mov rsp, [rsi + {sp}]
             wrfsbase rax",
            restore!(),
            tp = const offset_of!(Registers, tp),
            sp = const offset_of!(Registers, sp),
        )
    }

    /// See [`Registers::lend`].
    ///
    /// # Safety
    ///
    /// As there, and all are valid.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn lend(
        me: *const Registers,
        state: *const AtomicU32,
        room: *mut u8,
    ) {
        naked_asm!(
            save!(),
            // From the store on, another thread may use the stack: it sees all that was saved, as
            // this processor's stores are in order.
            "mov rsp, rdx
             mov rbx, rdi
             mov rbp, rsi
             mov dword ptr [rbp], {lent}
             mov eax, {futex}
             mov rdi, rbp
             mov esi, {wake}
             mov edx, 1
             syscall
             2:
             mov eax, {futex}
             mov rdi, rbp
             mov esi, {wait}
             mov edx, {lent}
             xor r10d, r10d
             cmp dword ptr [rbp], {lent}
             jne 3f
             syscall
             jmp 2b
             3:
             mov rsp, [rbx + {sp}]",
            restore!(),
            tp = const offset_of!(Registers, tp),
            sp = const offset_of!(Registers, sp),
            lent = const LENT,
            futex = const libc::SYS_futex,
            wake = const libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            wait = const libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
        )
    }
}

#[cfg(not(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(any(loom, miri, tsan))
)))]
mod arch {
    use super::Registers;
    use core::sync::atomic::AtomicU32;

    pub(super) fn usable() -> bool {
        false
    }

    /// Is not called.
    ///
    /// # Safety
    ///
    /// It has no preconditions.
    pub(super) unsafe fn switch(_: *const Registers, _: *const Registers) {
        unreachable!("it is not usable");
    }

    /// Is not called.
    ///
    /// # Safety
    ///
    /// It has no preconditions.
    pub(super) unsafe fn lend(_: *const Registers, _: *const AtomicU32, _: *mut u8) {
        unreachable!("it is not usable");
    }
}
