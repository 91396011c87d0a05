// SPDX-License-Identifier: GPL-2.0-only

//! Atomic integers, flags and pointers, with the kernel's orderings.
//!
//! C header: [`include/linux/atomic.h`](srctree/include/linux/atomic.h).
//!
//! Unlike `core`'s, these follow the kernel's memory model: read-modify-writes can be [`Full`]y
//! ordered, loads and stores cannot. The compiler checks that an ordering suits the operation.

use crate::build_assert::build_error;

mod flag;
mod internal;
pub mod ordering;
mod predefine;

pub use flag::AtomicFlag;
pub use internal::AtomicImpl;
pub use ordering::{Acquire, Full, Relaxed, Release};

pub(crate) use internal::{AtomicArithmeticOps, AtomicBasicOps, AtomicExchangeOps};

use internal::AtomicRepr;
use ordering::OrderingType;

/// A value that several threads read and write at once.
///
/// # Invariants
///
/// What is stored is a value of `T`, by its bytes.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Full, Relaxed, Release};
///
/// let seqno = Atomic::new(1u64);
/// assert_eq!(seqno.fetch_add(1, Relaxed), 1);
/// seqno.store(7, Release);
/// assert_eq!(seqno.cmpxchg(7, 8, Full), Ok(7));
/// assert_eq!(seqno.cmpxchg(7, 9, Full), Err(8));
/// ```
///
/// A store with an order that means nothing for it:
///
/// ```compile_fail
/// use kernel::sync::atomic::{Acquire, Atomic};
///
/// Atomic::new(1u64).store(7, Acquire);
/// ```
#[repr(transparent)]
pub struct Atomic<T: AtomicType>(AtomicRepr<T::Repr>);

// SAFETY: All access is atomic.
unsafe impl<T: AtomicType> Send for Atomic<T> {}

// SAFETY: All access is atomic.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}

/// A type whose values can be atomic.
///
/// # Safety
///
/// - `Self` and [`Self::Repr`] have the same size and alignment.
/// - Every value of `Self` is one of [`Self::Repr`], by its bytes; the other
///   way round only what came from a `Self` need be one.
pub unsafe trait AtomicType: Sized + Copy {
    /// The integer or pointer that C's operations work on.
    type Repr: AtomicImpl;
}

/// An atomic type to which an `Rhs` can be added.
///
/// # Safety
///
/// The wrapping sum of the bytes of a `Self` and of [`Self::rhs_into_delta`] is a `Self`.
pub unsafe trait AtomicAdd<Rhs = Self>: AtomicType {
    /// Returns the addend of the representation.
    fn rhs_into_delta(rhs: Rhs) -> <Self::Repr as AtomicImpl>::Delta;
}

#[inline(always)]
const fn into_repr<T: AtomicType>(v: T) -> T::Repr {
    // SAFETY: The trait says that it is a value of `Repr`, of the same size.
    unsafe { core::mem::transmute_copy(&v) }
}

/// # Safety
///
/// `r` came from a `T`.
#[inline(always)]
const unsafe fn from_repr<T: AtomicType>(r: T::Repr) -> T {
    // SAFETY: Of the same size, and the caller says that it is one.
    unsafe { core::mem::transmute_copy(&r) }
}

impl<T: AtomicType> Atomic<T> {
    machine::const_fn! {
        /// Holds `v`.
        pub fn new(v: T) -> Self {
            // INVARIANT: From a `T`.
            Atomic(AtomicRepr::new(into_repr(v)))
        }
    }

    /// Returns what `ptr` points to as an atomic.
    ///
    /// # Safety
    ///
    /// `ptr` is aligned and valid during `'a`, and all access meanwhile is
    /// atomic, in C as well. In a model, where an atomic has no layout, it
    /// comes from [`Self::as_ptr`].
    pub unsafe fn from_ptr<'a>(ptr: *mut T) -> &'a Self {
        // SAFETY: Valid, of the layout of a `T`, and accessed atomically only, as the caller says.
        unsafe { &*ptr.cast::<Self>() }
    }

    /// A pointer to the value.
    pub const fn as_ptr(&self) -> *mut T {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// The value, which no other thread can look at.
    #[cfg(not(loom))]
    pub fn get_mut(&mut self) -> &mut T {
        let value = self.as_ptr();
        // SAFETY: It is borrowed as ours alone, and by the invariant a `T`.
        unsafe { &mut *value }
    }
}

impl<T: AtomicType> Atomic<T>
where
    T::Repr: AtomicBasicOps,
{
    /// Reads: [`Relaxed`] or [`Acquire`].
    #[doc(alias("atomic_read", "atomic64_read"))]
    #[inline(always)]
    pub fn load<Ordering: ordering::AcquireOrRelaxed>(&self, _: Ordering) -> T {
        let value = match Ordering::TYPE {
            OrderingType::Relaxed => T::Repr::read(&self.0),
            OrderingType::Acquire => T::Repr::read_acquire(&self.0),
            _ => build_error!("no order for a load"),
        };
        // SAFETY: By the invariant, the bytes are a `T`.
        unsafe { from_repr(value) }
    }

    /// Writes: [`Relaxed`] or [`Release`].
    #[doc(alias("atomic_set", "atomic64_set"))]
    #[inline(always)]
    pub fn store<Ordering: ordering::ReleaseOrRelaxed>(&self, v: T, _: Ordering) {
        // INVARIANT: From a `T`.
        match Ordering::TYPE {
            OrderingType::Relaxed => T::Repr::set(&self.0, into_repr(v)),
            OrderingType::Release => T::Repr::set_release(&self.0, into_repr(v)),
            _ => build_error!("no order for a store"),
        }
    }
}

impl<T: AtomicType + core::fmt::Debug> core::fmt::Debug for Atomic<T>
where
    T::Repr: AtomicBasicOps,
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.load(Relaxed).fmt(f)
    }
}

impl<T: AtomicType> Atomic<T>
where
    T::Repr: AtomicExchangeOps,
{
    /// Writes `v` and returns the old value.
    #[doc(alias("atomic_xchg", "atomic64_xchg", "swap"))]
    #[inline(always)]
    pub fn xchg<Ordering: ordering::Ordering>(&self, v: T, _: Ordering) -> T {
        // INVARIANT: From a `T`.
        let old = T::Repr::xchg(&self.0, into_repr(v), Ordering::TYPE);
        // SAFETY: By the invariant, the bytes are a `T`.
        unsafe { from_repr(old) }
    }

    /// Writes `new` if the value is `old`.
    ///
    /// Returns the old value; as an error, without any ordering, if it was another.
    #[doc(alias(
        "atomic_cmpxchg",
        "atomic64_cmpxchg",
        "atomic_try_cmpxchg",
        "atomic64_try_cmpxchg",
        "compare_exchange"
    ))]
    #[inline(always)]
    pub fn cmpxchg<Ordering: ordering::Ordering>(
        &self,
        old: T,
        new: T,
        _: Ordering,
    ) -> Result<T, T> {
        // INVARIANT: From a `T`.
        match T::Repr::cmpxchg(&self.0, into_repr(old), into_repr(new), Ordering::TYPE) {
            // SAFETY: By the invariant, the bytes are a `T`.
            Ok(found) => Ok(unsafe { from_repr(found) }),
            // SAFETY: By the invariant, the bytes are a `T`.
            Err(found) => Err(unsafe { from_repr(found) }),
        }
    }
}

impl<T: AtomicType> Atomic<T>
where
    T::Repr: AtomicArithmeticOps,
{
    /// Adds `v`, wrapping; orders nothing.
    #[inline(always)]
    pub fn add<Rhs>(&self, v: Rhs, _: Relaxed)
    where
        T: AtomicAdd<Rhs>,
    {
        // INVARIANT: The trait says that the sum is a `T`.
        T::Repr::fetch_add(&self.0, T::rhs_into_delta(v), OrderingType::Relaxed);
    }

    /// Adds `v`, wrapping, and returns the old value.
    #[inline(always)]
    pub fn fetch_add<Rhs, Ordering: ordering::Ordering>(&self, v: Rhs, _: Ordering) -> T
    where
        T: AtomicAdd<Rhs>,
    {
        // INVARIANT: The trait says that the sum is a `T`.
        let old = T::Repr::fetch_add(&self.0, T::rhs_into_delta(v), Ordering::TYPE);
        // SAFETY: By the invariant, the bytes are a `T`.
        unsafe { from_repr(old) }
    }

    /// Subtracts `v`, wrapping, and returns the old value.
    #[inline(always)]
    pub fn fetch_sub<Rhs, Ordering: ordering::Ordering>(&self, v: Rhs, _: Ordering) -> T
    where
        T: AtomicAdd<Rhs>,
    {
        // INVARIANT: The trait says that the difference is a `T`.
        let old = T::Repr::fetch_sub(&self.0, T::rhs_into_delta(v), Ordering::TYPE);
        // SAFETY: By the invariant, the bytes are a `T`.
        unsafe { from_repr(old) }
    }
}

/// Sets the bits of `mask` and returns what was there: `test_and_set_bit()` if [`Full`].
///
/// For mirrors of C, whose flags these are; Linux offers nothing like it in Rust.
#[doc(hidden)]
#[inline(always)]
pub fn __set_bits<Ordering: ordering::Ordering>(
    flags: &Atomic<usize>,
    mask: usize,
    _: Ordering,
) -> usize {
    let old = AtomicArithmeticOps::fetch_or(&flags.0, into_repr(mask), Ordering::TYPE);
    // SAFETY: Every value of the integer is a `usize`.
    unsafe { from_repr(old) }
}

/// [`Atomic::load`] of what C owns.
///
/// # Safety
///
/// As [`Atomic::from_ptr`].
#[doc(alias("READ_ONCE", "smp_load_acquire"))]
#[inline(always)]
pub unsafe fn atomic_load<T: AtomicType, Ordering: ordering::AcquireOrRelaxed>(
    ptr: *mut T,
    o: Ordering,
) -> T
where
    T::Repr: AtomicBasicOps,
{
    // SAFETY: Valid, and accessed atomically only, as the caller says.
    unsafe { Atomic::from_ptr(ptr) }.load(o)
}

/// [`Atomic::store`] to what C owns.
///
/// # Safety
///
/// As [`Atomic::from_ptr`].
#[doc(alias("WRITE_ONCE", "smp_store_release"))]
#[inline(always)]
pub unsafe fn atomic_store<T: AtomicType, Ordering: ordering::ReleaseOrRelaxed>(
    ptr: *mut T,
    v: T,
    o: Ordering,
) where
    T::Repr: AtomicBasicOps,
{
    // SAFETY: Valid, and accessed atomically only, as the caller says.
    unsafe { Atomic::from_ptr(ptr) }.store(v, o);
}

/// [`Atomic::xchg`] of what C owns.
///
/// # Safety
///
/// As [`Atomic::from_ptr`].
#[inline(always)]
pub unsafe fn xchg<T: AtomicType, Ordering: ordering::Ordering>(
    ptr: *mut T,
    new: T,
    o: Ordering,
) -> T
where
    T::Repr: AtomicExchangeOps,
{
    // SAFETY: Valid, and accessed atomically only, as the caller says.
    unsafe { Atomic::from_ptr(ptr) }.xchg(new, o)
}

/// [`Atomic::cmpxchg`] of what C owns.
///
/// # Safety
///
/// As [`Atomic::from_ptr`].
#[doc(alias("try_cmpxchg"))]
#[inline(always)]
pub unsafe fn cmpxchg<T: AtomicType, Ordering: ordering::Ordering>(
    ptr: *mut T,
    old: T,
    new: T,
    o: Ordering,
) -> Result<T, T>
where
    T::Repr: AtomicExchangeOps,
{
    // SAFETY: Valid, and accessed atomically only, as the caller says.
    unsafe { Atomic::from_ptr(ptr) }.cmpxchg(old, new, o)
}
