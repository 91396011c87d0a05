// SPDX-License-Identifier: GPL-2.0-only

//! Registers of devices.
//!
//! C header: [`include/asm-generic/io.h`](srctree/include/asm-generic/io.h).
//!
//! Here they are those of simulated devices: see [`IoRegion`](crate::testing::IoRegion). What is
//! missing of Linux 7.3: system memory behind the same traits, copies, and projections.

use crate::{
    bindings,
    prelude::*,
    ptr::{Alignment, KnownSize},
};
use core::marker::PhantomData;

pub mod mem;
pub mod poll;
pub mod register;
pub mod resource;

pub use crate::register;
pub use resource::Resource;

/// A physical address.
pub type PhysAddr = bindings::phys_addr_t;

/// The size of a resource.
pub type ResourceSize = bindings::resource_size_t;

/// Registers of at least `SIZE` bytes, which are read and written at offsets.
///
/// # Invariants
///
/// Its size is a multiple of 4.
#[repr(C, align(4))]
pub struct Region<const SIZE: usize = 0> {
    inner: [u8],
}

impl<const SIZE: usize> Region<SIZE> {
    /// A pointer to one of `size` bytes.
    #[inline]
    pub fn ptr_from_raw_parts_mut(base: *mut u8, size: usize) -> *mut Self {
        // CAST: It is such a slice.
        core::ptr::slice_from_raw_parts_mut(base, size) as *mut Self
    }

    /// As [`ptr_from_raw_parts_mut`](Self::ptr_from_raw_parts_mut); EINVAL if there is no such one.
    #[inline]
    pub fn ptr_try_from_raw_parts_mut(base: *mut u8, size: usize) -> Result<*mut Self> {
        if size < SIZE || !base.addr().is_multiple_of(4) || !size.is_multiple_of(4) {
            return Err(EINVAL);
        }
        Ok(Self::ptr_from_raw_parts_mut(base, size))
    }
}

impl<const SIZE: usize> KnownSize for Region<SIZE> {
    const MIN_SIZE: usize = SIZE;
    const MIN_ALIGN: Alignment = Alignment::new::<4>();

    #[inline(always)]
    fn size(p: *const Self) -> usize {
        (p as *const [u8]).len()
    }
}

/// The address to which registers are mapped; nothing says that they are, or still are.
pub struct MmioRaw<T: ?Sized> {
    ptr: *mut T,
}

impl<T: ?Sized> Copy for MmioRaw<T> {}

impl<T: ?Sized> Clone for MmioRaw<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

// SAFETY: It is a number.
unsafe impl<T: ?Sized> Send for MmioRaw<T> {}

// SAFETY: As above.
unsafe impl<T: ?Sized> Sync for MmioRaw<T> {}

impl<T> MmioRaw<T> {
    /// Registers at an address.
    #[inline]
    pub fn new(addr: usize) -> Self {
        let ptr = core::ptr::without_provenance_mut(addr);
        Self { ptr }
    }
}

impl<const SIZE: usize> MmioRaw<Region<SIZE>> {
    /// Registers of `size` bytes at an address; EINVAL if they are fewer than `SIZE`, or not aligned to
    /// words.
    #[inline]
    pub fn new_region(addr: usize, size: usize) -> Result<Self> {
        let base = core::ptr::without_provenance_mut(addr);
        let ptr = Region::ptr_try_from_raw_parts_mut(base, size)?;
        Ok(Self { ptr })
    }
}

impl<T: ?Sized + KnownSize> MmioRaw<T> {
    /// Returns the address.
    #[inline]
    pub fn addr(&self) -> usize {
        self.ptr.addr()
    }

    /// Returns the size, in bytes.
    #[inline]
    pub fn size(&self) -> usize {
        KnownSize::size(self.ptr)
    }
}

/// A way to get at registers.
pub trait IoBackend {
    /// Registers, or one.
    type View<'a, T: ?Sized + KnownSize>: IoBase<'a, Backend = Self, Target = T>;

    /// Returns their address.
    fn as_ptr<'a, T: ?Sized + KnownSize>(view: Self::View<'a, T>) -> *mut T;

    /// Those of the registers that are at `ptr`.
    ///
    /// # Safety
    ///
    /// They are among those of the view, and aligned.
    unsafe fn project_view<'a, T: ?Sized + KnownSize, U: ?Sized + KnownSize>(
        view: Self::View<'a, T>,
        ptr: *mut U,
    ) -> Self::View<'a, U>;
}

/// A way by which a `T` is read and written at once.
pub trait IoCapable<T>: IoBackend {
    /// Reads a register.
    fn io_read<'a>(view: Self::View<'a, T>) -> T;

    /// Writes a register.
    fn io_write<'a>(view: Self::View<'a, T>, value: T);
}

/// The place of a register in registers `Base`, of which the value is a `T`.
pub trait IoLoc<Base: ?Sized, T> {
    /// What is read and written.
    type IoType: Into<T> + From<T>;

    /// Returns the offset, in bytes.
    fn offset(self) -> usize;
}

macro_rules! offsets {
    ($($type:ty)*) => {$(
        impl<const SIZE: usize> IoLoc<Region<SIZE>, $type> for usize {
            type IoType = $type;

            #[inline(always)]
            fn offset(self) -> usize {
                self
            }
        }
    )*};
}

offsets!(u8 u16 u32 u64);

/// What leads to registers.
pub trait IoBase<'a>: Copy {
    /// The way to them.
    type Backend: IoBackend;

    /// What they are.
    type Target: ?Sized + KnownSize;

    /// Returns the registers.
    fn as_view(self) -> <Self::Backend as IoBackend>::View<'a, Self::Target>;
}

/// Whether a `U` at `offset` is within `size` bytes from `base`, and aligned.
#[inline]
const fn offset_valid<U>(base: usize, offset: usize, size: usize) -> bool {
    match offset.checked_add(size_of::<U>()) {
        Some(end) => end <= size && base.wrapping_add(offset).is_multiple_of(align_of::<U>()),
        None => false,
    }
}

/// A register's view.
type At<'a, IO, U> = <<IO as IoBase<'a>>::Backend as IoBackend>::View<'a, U>;

/// The register at an offset that is known to be within the registers.
#[inline(always)]
fn at<'a, IO: IoBase<'a>, U>(io: IO, offset: usize) -> At<'a, IO, U> {
    const_assert!(align_of::<U>() <= IO::Target::MIN_ALIGN.as_usize());
    build_assert!(offset_valid::<U>(0, offset, IO::Target::MIN_SIZE));
    let view = io.as_view();
    let ptr = IO::Backend::as_ptr(view).cast::<U>();
    // SAFETY: Within the least size, and aligned as the registers are.
    unsafe { IO::Backend::project_view(view, ptr.wrapping_byte_add(offset)) }
}

/// The register at an offset; EINVAL if there is none.
#[inline]
fn try_at<'a, IO: IoBase<'a>, U>(io: IO, offset: usize) -> Result<At<'a, IO, U>> {
    let view = io.as_view();
    let ptr = IO::Backend::as_ptr(view);
    if !offset_valid::<U>(ptr.cast::<u8>().addr(), offset, KnownSize::size(ptr)) {
        return Err(EINVAL);
    }
    let ptr = ptr.cast::<U>().wrapping_byte_add(offset);
    // SAFETY: Within the registers, and aligned, as just seen.
    Ok(unsafe { IO::Backend::project_view(view, ptr) })
}

macro_rules! widths {
    ($($text:literal $type:ty: $try_read:ident, $try_write:ident, $read:ident, $write:ident;)*) => {$(
        #[doc = concat!("Reads ", $text, " at an offset; EINVAL if it is not within the registers, and aligned.")]
        #[inline(always)]
        fn $try_read(self, offset: usize) -> Result<$type>
        where
            usize: IoLoc<Self::Target, $type, IoType = $type>,
            Self::Backend: IoCapable<$type>,
        {
            self.try_read(offset)
        }

        #[doc = concat!("Writes ", $text, " at an offset; EINVAL if it is not within the registers, and aligned.")]
        #[inline(always)]
        fn $try_write(self, value: $type, offset: usize) -> Result
        where
            usize: IoLoc<Self::Target, $type, IoType = $type>,
            Self::Backend: IoCapable<$type>,
        {
            self.try_write(offset, value)
        }

        #[doc = concat!("Reads ", $text, " at an offset, which must be known to be within the registers' least size.")]
        #[inline(always)]
        fn $read(self, offset: usize) -> $type
        where
            usize: IoLoc<Self::Target, $type, IoType = $type>,
            Self::Backend: IoCapable<$type>,
        {
            self.read(offset)
        }

        #[doc = concat!("Writes ", $text, " at an offset, which must be known to be within the registers' least size.")]
        #[inline(always)]
        fn $write(self, value: $type, offset: usize)
        where
            usize: IoLoc<Self::Target, $type, IoType = $type>,
            Self::Backend: IoCapable<$type>,
        {
            self.write(offset, value)
        }
    )*};
}

/// Access to registers.
///
/// # Examples
///
/// ```
/// use kernel::{
///     faux,
///     io::Io,
///     prelude::*,
///     sync::{atomic::{Atomic, Relaxed}, Arc},
///     testing::{IoRegion, Registers},
/// };
///
/// /// A device with one register, which counts what is written to it.
/// struct Counter(Atomic<u32>);
///
/// impl Registers for Counter {
///     fn read(&self, offset: usize, _size: usize) -> u64 {
///         if offset == 4 { self.0.load(Relaxed).into() } else { 0 }
///     }
///
///     fn write(&self, _offset: usize, _size: usize, value: u64) {
///         self.0.add(value as u32, Relaxed);
///     }
/// }
///
/// let device = faux::Registration::new(c"counter", None)?;
/// let region = IoRegion::new(8, Arc::new(Counter(Atomic::new(0)), GFP_KERNEL)?)?;
/// let registers = region.request(device.as_ref().as_ref()).iomap_sized::<8>()?;
/// registers.write32(2, 4);
/// registers.write32(3, 4);
/// assert_eq!(registers.read32(4), 5);
/// assert_eq!(registers.try_read32(6), Err(EINVAL));
/// # Ok::<(), Error>(())
/// ```
pub trait Io<'a>: IoBase<'a> {
    /// Returns the size of the registers, in bytes.
    #[inline]
    fn size(self) -> usize {
        KnownSize::size(Self::Backend::as_ptr(self.as_view()))
    }

    /// Reads all at once.
    #[inline]
    fn read_val(self) -> Self::Target
    where
        Self::Backend: IoCapable<Self::Target>,
        Self::Target: Sized,
    {
        Self::Backend::io_read(self.as_view())
    }

    /// Writes all at once.
    #[inline]
    fn write_val(self, value: Self::Target)
    where
        Self::Backend: IoCapable<Self::Target>,
        Self::Target: Sized,
    {
        Self::Backend::io_write(self.as_view(), value)
    }

    widths! {
        "a byte" u8: try_read8, try_write8, read8, write8;
        "16 bits" u16: try_read16, try_write16, read16, write16;
        "32 bits" u32: try_read32, try_write32, read32, write32;
        "64 bits" u64: try_read64, try_write64, read64, write64;
    }

    /// Reads a register; EINVAL if there is none.
    #[inline(always)]
    fn try_read<T, L>(self, location: L) -> Result<T>
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let view = try_at::<Self, L::IoType>(self, location.offset())?;
        Ok(Self::Backend::io_read(view).into())
    }

    /// Writes a register; EINVAL if there is none.
    #[inline(always)]
    fn try_write<T, L>(self, location: L, value: T) -> Result
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let view = try_at::<Self, L::IoType>(self, location.offset())?;
        Self::Backend::io_write(view, value.into());
        Ok(())
    }

    /// Writes a register whose place is that of its type; EINVAL if there is none.
    #[inline(always)]
    fn try_write_reg<T, L, V>(self, value: V) -> Result
    where
        L: IoLoc<Self::Target, T>,
        V: register::LocatedRegister<Self::Target, Location = L, Value = T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let (location, value) = value.into_io_op();
        self.try_write(location, value)
    }

    /// Writes a register whose place is that of its type, and known to be within the registers' least
    /// size.
    #[inline(always)]
    fn write_reg<T, L, V>(self, value: V)
    where
        L: IoLoc<Self::Target, T>,
        V: register::LocatedRegister<Self::Target, Location = L, Value = T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let (location, value) = value.into_io_op();
        self.write(location, value)
    }

    /// Reads a register and writes what `f` makes of it, not at once; EINVAL if there is none.
    #[inline(always)]
    fn try_update<T, L, F>(self, location: L, f: F) -> Result
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
        F: FnOnce(T) -> T,
    {
        let view = try_at::<Self, L::IoType>(self, location.offset())?;
        let value = f(Self::Backend::io_read(view).into());
        Self::Backend::io_write(view, value.into());
        Ok(())
    }

    /// Reads a register, which must be known to be within the registers' least size.
    #[inline(always)]
    fn read<T, L>(self, location: L) -> T
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        Self::Backend::io_read(at::<Self, L::IoType>(self, location.offset())).into()
    }

    /// Writes a register, which must be known to be within the registers' least size.
    #[inline(always)]
    fn write<T, L>(self, location: L, value: T)
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
    {
        let view = at::<Self, L::IoType>(self, location.offset());
        Self::Backend::io_write(view, value.into());
    }

    /// Reads a register, which must be known to be within the registers' least size, and writes what
    /// `f` makes of it; not at once.
    #[inline(always)]
    fn update<T, L, F>(self, location: L, f: F)
    where
        L: IoLoc<Self::Target, T>,
        Self::Backend: IoCapable<L::IoType>,
        F: FnOnce(T) -> T,
    {
        let view = at::<Self, L::IoType>(self, location.offset());
        let value = f(Self::Backend::io_read(view).into());
        Self::Backend::io_write(view, value.into());
    }
}

// Its methods can be overridden by none.
impl<'a, T: IoBase<'a>> Io<'a> for T {}

/// Declares a way to registers that are mapped, and what is read and written by it.
macro_rules! mapped {
    ($(#[$doc:meta])* $name:ident by $(#[$backend_doc:meta])* $backend:ident:
        $($type:ty, $read:ident, $write:ident;)*
    ) => {
        $(#[$doc])*
        ///
        /// # Invariants
        ///
        /// They are mapped, and aligned, during `'a`.
        pub struct $name<'a, T: ?Sized> {
            ptr: *mut T,
            _mapping: PhantomData<&'a ()>,
        }

        impl<T: ?Sized> Copy for $name<'_, T> {}

        impl<T: ?Sized> Clone for $name<'_, T> {
            #[inline]
            fn clone(&self) -> Self {
                *self
            }
        }

        // SAFETY: Any task can read and write them.
        unsafe impl<T: ?Sized + Sync> Send for $name<'_, T> {}

        // SAFETY: As above.
        unsafe impl<T: ?Sized + Sync> Sync for $name<'_, T> {}

        impl<'a, T: ?Sized + KnownSize> IoBase<'a> for $name<'a, T> {
            type Backend = $backend;
            type Target = T;

            #[inline]
            fn as_view(self) -> Self {
                self
            }
        }

        $(#[$backend_doc])*
        pub struct $backend;

        impl IoBackend for $backend {
            type View<'a, T: ?Sized + KnownSize> = $name<'a, T>;

            #[inline]
            fn as_ptr<'a, T: ?Sized + KnownSize>(view: Self::View<'a, T>) -> *mut T {
                view.ptr
            }

            #[inline]
            unsafe fn project_view<'a, T: ?Sized + KnownSize, U: ?Sized + KnownSize>(
                _view: Self::View<'a, T>,
                ptr: *mut U,
            ) -> Self::View<'a, U> {
                // INVARIANT: They are among those of the view, says the caller.
                $name {
                    ptr,
                    _mapping: PhantomData,
                }
            }
        }

        $(
            impl IoCapable<$type> for $backend {
                #[inline]
                fn io_read(view: $name<'_, $type>) -> $type {
                    // SAFETY: By the invariant it is mapped, and aligned.
                    unsafe { bindings::$read(view.ptr.cast_const().cast()) }
                }

                #[inline]
                fn io_write(view: $name<'_, $type>, value: $type) {
                    // SAFETY: By the invariant it is mapped, and aligned.
                    unsafe { bindings::$write(value, view.ptr.cast()) }
                }
            }
        )*
    };
}

mapped! {
    /// Registers that are mapped; accesses are ordered as C's are.
    Mmio by
    /// Accesses that are ordered.
    MmioBackend:
    u8, readb, writeb;
    u16, readw, writew;
    u32, readl, writel;
    u64, readq, writeq;
}

mapped! {
    /// Registers that are mapped; in Linux accesses are ordered with no others than those to the same
    /// device, which here makes no difference.
    RelaxedMmio by
    /// Accesses that are less ordered.
    RelaxedMmioBackend:
    u8, readb_relaxed, writeb_relaxed;
    u16, readw_relaxed, writew_relaxed;
    u32, readl_relaxed, writel_relaxed;
    u64, readq_relaxed, writeq_relaxed;
}

impl<'a, T: ?Sized> Mmio<'a, T> {
    /// Registers at an address.
    ///
    /// # Safety
    ///
    /// They are mapped there, and aligned, during `'a`.
    #[inline]
    pub unsafe fn from_raw(raw: MmioRaw<T>) -> Self {
        // INVARIANT: The caller says so.
        Self {
            ptr: raw.ptr,
            _mapping: PhantomData,
        }
    }

    /// The same registers, with less order.
    #[inline]
    pub fn relaxed(self) -> RelaxedMmio<'a, T> {
        // INVARIANT: They are the same.
        RelaxedMmio {
            ptr: self.ptr,
            _mapping: PhantomData,
        }
    }
}
