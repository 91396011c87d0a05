// SPDX-License-Identifier: GPL-2.0-only

//! The orderings of the kernel's memory model, as types.
//!
//! C documentation: `Documentation/atomic_t.txt`.

/// Orders nothing but the operations on one value.
pub struct Relaxed;

/// No later access moves before the operation.
pub struct Acquire;

/// No earlier access moves after the operation.
pub struct Release;

/// No access moves across the operation, for any observer: a full barrier on both sides.
pub struct Full;

/// The orderings as a value.
#[doc(hidden)]
pub enum OrderingType {
    Relaxed,
    Acquire,
    Release,
    Full,
}

mod private {
    pub trait Sealed {}

    impl Sealed for super::Relaxed {}
    impl Sealed for super::Acquire {}
    impl Sealed for super::Release {}
    impl Sealed for super::Full {}
}

/// Any ordering: for what reads and writes.
pub trait Ordering: private::Sealed {
    /// The ordering as a value.
    const TYPE: OrderingType;
}

macro_rules! orderings {
    ($($name:ident)*) => {$(
        impl Ordering for $name {
            const TYPE: OrderingType = OrderingType::$name;
        }
    )*};
}

orderings!(Relaxed Acquire Release Full);

/// An ordering for what only reads.
pub trait AcquireOrRelaxed: Ordering {}

impl AcquireOrRelaxed for Acquire {}
impl AcquireOrRelaxed for Relaxed {}

/// An ordering for what only writes.
pub trait ReleaseOrRelaxed: Ordering {}

impl ReleaseOrRelaxed for Release {}
impl ReleaseOrRelaxed for Relaxed {}
