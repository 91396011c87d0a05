// SPDX-License-Identifier: GPL-2.0-only

//! What the macros expand to.
//!
//! C header: none. `init!(S { a: 1, b <- init })` becomes a [`Recipe`], whose closure asks the
//! structure for the [`Place`] of a field, turns it into a [`Made`] one, and forgets the latter
//! when all are made. Code of a caller stands in between, as the values and initialisers; it cannot
//! name what it would need to leave a field out, to make one twice, or to say that it is done.

use crate::{init::InitClosure, Init, PinInit, Zeroable};
use core::{marker::PhantomData, mem::MaybeUninit, pin::Pin, ptr};

/// A `T` that lifetimes in it cannot be changed of. Any thread may have it.
pub type Invariant<T> = PhantomData<fn(*mut T)>;

/// That the closure of a [`Recipe`] came to its end.
pub struct Done(());

impl Done {
    /// # Safety
    ///
    /// All fields are made.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(())
    }
}

/// An initialiser of a structure, before it is told that it is one.
pub struct Recipe<T, E, F>(F, Invariant<T>, Invariant<E>);

impl<T, E, F: FnOnce(*mut T) -> Result<Done, E>> Recipe<T, E, F> {
    /// Takes the closure that makes all fields.
    ///
    /// `_all` says what `T` is, `_aligned` that a reference to each field can be had. Neither runs.
    #[inline(always)]
    pub fn new(_all: impl FnOnce() -> T, _aligned: impl FnOnce(&T), closure: F) -> Self {
        Self(closure, PhantomData, PhantomData)
    }

    /// An initialiser of a value that may be moved.
    ///
    /// # Safety
    ///
    /// The closure returns `Ok` when all fields are made, each by an [`Init`]; else it has dropped
    /// those that it made.
    #[inline(always)]
    pub unsafe fn init(self) -> impl Init<T, E> {
        let closure = |slot: *mut T| (self.0)(slot).map(|Done(())| ());
        // SAFETY: The caller's guarantee.
        unsafe { InitClosure::new(closure) }
    }

    /// An initialiser of a value that must not be moved.
    ///
    /// # Safety
    ///
    /// The closure returns `Ok` when all fields are made; else it has dropped those that it made.
    #[inline(always)]
    pub unsafe fn pin_init(self) -> impl PinInit<T, E> {
        let closure = |slot: *mut T| (self.0)(slot).map(|Done(())| ());
        // SAFETY: The caller's guarantee. The caller learns of `PinInit` only.
        unsafe { InitClosure::new(closure) }
    }
}

/// A structure with `#[pin_data]`.
///
/// # Safety
///
/// For each field `Fields` has a method of its name that returns its [`Place`], of the kind
/// [`Pinned`] if no safe code can have a `&mut` to that field of a pinned structure, and of the kind
/// [`Movable`] if no code takes the field for pinned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[pin_data]`",
    label = "`pin_init!` wants `#[pin_data]` at the structure"
)]
pub unsafe trait PinData {
    /// What has the methods.
    type Fields;
    /// The one value of it.
    const FIELDS: Self::Fields;
}

/// Where the fields of a structure are.
#[inline(always)]
pub fn fields<T: PinData>(_: *mut T) -> T::Fields {
    T::FIELDS
}

/// Makes all of a structure zero.
///
/// # Safety
///
/// `slot` is valid for writes and aligned.
#[inline(always)]
pub unsafe fn zero<T: Zeroable>(slot: *mut T) {
    // SAFETY: The caller's guarantee.
    unsafe { slot.write_bytes(0, 1) };
}

/// A field that is pinned with its structure.
pub struct Pinned(());

/// A field that may be moved.
pub struct Movable(());

/// The place of a value that is not made yet.
///
/// # Invariants
///
/// The pointer is valid for writes and aligned; no value is there, and no other code uses it. If
/// `K` is [`Pinned`], a value there stays until it is dropped.
pub struct Place<K, T: ?Sized>(*mut T, PhantomData<K>);

impl<K, T: ?Sized> Place<K, T> {
    /// # Safety
    ///
    /// `place` is as the invariants say.
    #[inline(always)]
    pub unsafe fn new(place: *mut T) -> Self {
        // INVARIANT: The caller's guarantee.
        Self(place, PhantomData)
    }

    /// Moves `value` there.
    #[inline(always)]
    pub fn write(self, value: T) -> Made<K, T>
    where
        T: Sized,
    {
        // SAFETY: By the invariant the place is valid and aligned.
        unsafe { self.0.write(value) };
        // INVARIANT: The value was just made.
        Made(self.0, PhantomData)
    }
}

impl<T: ?Sized> Place<Movable, T> {
    /// Runs the initialiser there.
    #[inline(always)]
    pub fn init<E>(self, init: impl Init<T, E>) -> Result<Made<Movable, T>, E> {
        // SAFETY: By the invariant the place is valid and aligned; an `Init` needs no pinning.
        unsafe { init.__init(self.0)? };
        // INVARIANT: The value was just made.
        Ok(Made(self.0, PhantomData))
    }
}

impl<T: ?Sized> Place<Pinned, T> {
    /// Runs the initialiser there.
    #[inline(always)]
    pub fn init<E>(self, init: impl PinInit<T, E>) -> Result<Made<Pinned, T>, E> {
        // SAFETY: By the invariant the place is valid and aligned, and the value stays there.
        unsafe { init.__init(self.0)? };
        // INVARIANT: The value was just made.
        Ok(Made(self.0, PhantomData))
    }
}

/// A value that is made, in a structure that is not; it is dropped with this guard.
///
/// # Invariants
///
/// The pointer is to a value that belongs to this guard, and is pinned if `K` is [`Pinned`].
pub struct Made<K, T: ?Sized>(*mut T, PhantomData<K>);

impl<T: ?Sized> Made<Movable, T> {
    /// The value.
    #[inline(always)]
    pub fn get(&mut self) -> &mut T {
        // SAFETY: By the invariant there is a value, and it is this guard's.
        unsafe { &mut *self.0 }
    }
}

impl<T: ?Sized> Made<Pinned, T> {
    /// The value.
    #[inline(always)]
    pub fn get(&mut self) -> Pin<&mut T> {
        // SAFETY: By the invariant there is a value, it is this guard's, and is pinned.
        unsafe { Pin::new_unchecked(&mut *self.0) }
    }
}

impl<K, T: ?Sized> Drop for Made<K, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant there is a value, and it is this guard's.
        unsafe { ptr::drop_in_place(self.0) };
    }
}

/// The argument by which only the `Drop` of a structure can call its `PinnedDrop`.
pub struct OnlyCallFromDrop(());

impl OnlyCallFromDrop {
    /// # Safety
    ///
    /// It is passed to the `PinnedDrop` of what is dropped, once.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(())
    }
}

/// Memory on the stack for a value, which is dropped with it.
///
/// # Invariants
///
/// If `made`, there is a value in `memory`.
pub struct Stack<T> {
    memory: MaybeUninit<T>,
    made: bool,
}

impl<T> Stack<T> {
    /// Without a value.
    #[inline(always)]
    #[expect(clippy::new_without_default, reason = "the macros alone use it")]
    pub const fn new() -> Self {
        Self {
            memory: MaybeUninit::uninit(),
            made: false,
        }
    }

    /// Makes the value.
    ///
    /// # Panics
    ///
    /// If there is one.
    #[inline]
    pub fn init<E>(self: Pin<&mut Self>, init: impl PinInit<T, E>) -> Result<Pin<&mut T>, E> {
        // SAFETY: Nothing is moved out of it here.
        let this = unsafe { self.get_unchecked_mut() };
        assert!(!this.made, "a value is made once");
        // SAFETY: The memory is this function's alone. It is pinned, and `drop()` drops the value.
        unsafe { init.__init(this.memory.as_mut_ptr())? };
        // INVARIANT: The value was just made.
        this.made = true;
        // SAFETY: There is a value; no code has a `&mut` to it that is not pinned.
        Ok(unsafe { Pin::new_unchecked(this.memory.assume_init_mut()) })
    }
}

impl<T> Drop for Stack<T> {
    #[inline]
    fn drop(&mut self) {
        if self.made {
            // SAFETY: By the invariant there is a value.
            unsafe { self.memory.assume_init_drop() };
        }
    }
}
