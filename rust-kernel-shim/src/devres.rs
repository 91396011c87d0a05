// SPDX-License-Identifier: GPL-2.0-only

//! What belongs to a device, and goes when that is unbound.
//!
//! C header: [`include/linux/device/devres.h`](srctree/include/linux/device/devres.h).

use crate::{
    alloc::Flags,
    bindings,
    device::{Bound, Device},
    error::to_result,
    prelude::*,
    revocable::{Revocable, RevocableGuard},
    sync::{aref::ARef, rcu, Arc, Completion},
    types::{CovariantForLt, ForLt, ForeignOwnable, Opaque},
};
use core::ops::Deref;

/// What the device has, and the owner too.
#[pin_data]
struct Inner<T> {
    #[pin]
    node: Opaque<bindings::devres_node>,
    #[pin]
    data: Revocable<T>,
    /// Completed when the value is dropped, by whoever it was.
    #[pin]
    revocation: Completion,
}

/// A value that goes when it is dropped, or when its device is unbound, whichever comes first.
///
/// The other one of the two waits until it has gone.
///
/// # Invariants
///
/// `inner` belongs to `dev` too, with a reference of its own, until the node is freed or removed.
///
/// # Examples
///
/// ```
/// use kernel::{devres::Devres, faux, prelude::*};
///
/// let device = faux::Registration::new(c"lamp", None)?;
/// let brightness = Devres::new(device.as_ref().as_ref(), 7)?;
/// assert_eq!(brightness.access(device.as_ref().as_ref()), Ok(&7));
/// drop(device);
/// assert!(brightness.try_access().is_none());
/// # Ok::<(), Error>(())
/// ```
pub struct Devres<T: Send + 'static> {
    dev: ARef<Device>,
    inner: Arc<Inner<T>>,
}

// SAFETY: The value goes with it, or is dropped where the device is unbound; it is `Send`.
unsafe impl<T: Send> Send for Devres<T> {}

// SAFETY: A reference leads to references of the value.
unsafe impl<T: Send + Sync> Sync for Devres<T> {}

impl<T: Send + 'static> Devres<T> {
    /// Initialises a value for a device. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, and those of the initialiser.
    #[doc(alias = "devres_node_add")]
    pub fn new<E>(dev: &Device<Bound>, data: impl PinInit<T, E>) -> Result<Self>
    where
        Error: From<E>,
    {
        let inner = Arc::pin_init::<Error>(
            try_pin_init!(Inner {
                node <- Opaque::ffi_init(|node| {
                    // SAFETY: The memory is valid.
                    unsafe {
                        bindings::devres_node_init(node, Some(Self::release), Some(Self::free))
                    }
                }),
                data <- Revocable::new(data),
                revocation <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let own = Arc::into_raw(inner.clone());
        // SAFETY: The device is valid; the node is initialised, and valid as long as the reference
        // is not dropped, which is the device's from here on.
        unsafe { bindings::devres_node_add(dev.as_raw(), (*own).node.get()) };
        // INVARIANT: As just said.
        Ok(Self {
            dev: dev.into(),
            inner,
        })
    }

    /// # Safety
    ///
    /// `node` is that of an [`Inner`], which is valid during the call.
    unsafe extern "C" fn release(_dev: *mut bindings::device, node: *mut bindings::devres_node) {
        // SAFETY: The caller says so.
        let inner = unsafe { &*Self::around(node) };
        if inner.data.revoke() {
            inner.revocation.complete_all();
        } else {
            // The owner drops the value; the device is not unbound before that is over.
            inner.revocation.wait_for_completion();
        }
    }

    /// # Safety
    ///
    /// `node` is that of an [`Inner`] to which the device has a reference, which it gives.
    unsafe extern "C" fn free(node: *mut bindings::devres_node) {
        // SAFETY: The caller says so.
        drop(unsafe { Arc::from_raw(Self::around(node)) });
    }

    /// What a node is in.
    ///
    /// # Safety
    ///
    /// `node` is that of an [`Inner`].
    unsafe fn around(node: *mut bindings::devres_node) -> *const Inner<T> {
        let node = Opaque::cast_from(node);
        // SAFETY: The caller says so.
        unsafe { crate::container_of!(node.cast_mut(), Inner<T>, node) }
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.dev
    }

    /// Returns the value, which stays as long as the device is bound; EINVAL if it is another one's.
    pub fn access<'a>(&'a self, dev: &'a Device<Bound>) -> Result<&'a T> {
        if self.dev.as_raw() != dev.as_raw() {
            return Err(EINVAL);
        }
        // SAFETY: Revoked by the drop of this, or when the device is unbound: not during `'a`.
        Ok(unsafe { self.inner.data.access() })
    }

    /// Begins a read-side section in which the value may be used; `None` if it has gone.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access(&self) -> Option<RevocableGuard<'_, T>> {
        self.inner.data.try_access()
    }

    /// Calls `f` with the value inside a section; `None` if it has gone.
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access_with<R, F: FnOnce(&T) -> R>(&self, f: F) -> Option<R> {
        self.inner.data.try_access_with(f)
    }

    /// Returns the value, for use inside a section that is open; `None` if it has gone.
    pub fn try_access_with_guard<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a T> {
        self.inner.data.try_access_with_guard(guard)
    }
}

impl<T: Send + 'static> Drop for Devres<T> {
    fn drop(&mut self) {
        // SAFETY: All sections that use the value have borrowed this.
        if !unsafe { self.inner.data.revoke_nosync() } {
            return self.inner.revocation.wait_for_completion();
        }
        self.inner.revocation.complete_all();
        let node = self.inner.node.get();
        // SAFETY: There is a reference to the device, and the node is initialised.
        if unsafe { bindings::devres_node_remove(self.dev.as_raw(), node) } {
            // SAFETY: By the invariant the device had a reference, which is ours now.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.inner)) });
        }
    }
}

/// As [`Devres`], for a value that has a lifetime: it is handed out with one that is no longer than its
/// use.
pub struct DevresLt<F: ForLt>(Devres<F::Of<'static>>)
where
    for<'a> F::Of<'a>: Send;

impl<F: ForLt> DevresLt<F>
where
    for<'a> F::Of<'a>: Send,
{
    /// Initialises a value for a device. May sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Devres::new`].
    ///
    /// # Safety
    ///
    /// What the value has borrowed is there until the device is unbound.
    pub unsafe fn new<'a, E>(
        dev: &'a Device<Bound>,
        data: impl PinInit<F::Of<'a>, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        // SAFETY: The types differ in a lifetime only; the value goes before that ends, says the
        // caller.
        let data = unsafe { pin_init::cast_pin_init::<_, F::Of<'static>, E>(data) };
        Ok(Self(Devres::new(dev, data)?))
    }

    /// Returns the device.
    #[inline]
    pub fn device(&self) -> &Device {
        self.0.device()
    }

    /// Calls `f` with the value; EINVAL if it is another device's.
    #[inline]
    pub fn access_with<R, G>(&self, dev: &Device<Bound>, f: G) -> Result<R>
    where
        G: for<'a> FnOnce(&F::Of<'a>) -> R,
    {
        self.0.access(dev).map(f)
    }

    /// Calls `f` with the value inside a read-side section; `None` if it has gone.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access_with<R, G>(&self, f: G) -> Option<R>
    where
        G: for<'a> FnOnce(&F::Of<'a>) -> R,
    {
        self.0.try_access_with(f)
    }
}

impl<F: CovariantForLt> DevresLt<F>
where
    for<'a> F::Of<'a>: Send,
{
    /// Returns the value, which stays as long as the device is bound; EINVAL if it is another one's.
    #[inline]
    pub fn access<'a>(&'a self, dev: &'a Device<Bound>) -> Result<&'a F::Of<'a>> {
        self.0.access(dev).map(F::cast_ref)
    }

    /// Begins a read-side section in which the value may be used; `None` if it has gone.
    #[inline]
    #[cfg_attr(feature = "debug", track_caller)]
    pub fn try_access(&self) -> Option<DevresGuard<'_, F>> {
        self.0.try_access().map(DevresGuard)
    }
}

/// A read-side section in which the value of a [`DevresLt`] may be used.
pub struct DevresGuard<'a, F: CovariantForLt>(RevocableGuard<'a, F::Of<'static>>);

impl<'a, F: CovariantForLt> Deref for DevresGuard<'a, F> {
    type Target = F::Of<'a>;

    #[inline]
    fn deref(&self) -> &F::Of<'a> {
        F::cast_ref(&*self.0)
    }
}

/// Initialises a value in memory of its own, to be dropped when the device is unbound. May sleep if
/// the flags say so.
///
/// # Errors
///
/// ENOMEM, and those of the initialiser; it is dropped then.
///
/// # Examples
///
/// ```
/// use kernel::{devres, faux, prelude::*, sync::Arc};
///
/// let lamp = Arc::new(7, GFP_KERNEL)?;
/// let device = faux::Registration::new(c"lamp", None)?;
/// devres::register(device.as_ref().as_ref(), lamp.clone(), GFP_KERNEL)?;
/// drop(device);
/// assert!(Arc::into_unique_or_drop(lamp).is_some());
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "devm_add_action_or_reset")]
pub fn register<T, E>(dev: &Device<Bound>, data: impl PinInit<T, E>, flags: Flags) -> Result
where
    T: Send + 'static,
    Error: From<E>,
{
    /// # Safety
    ///
    /// `data` is from `into_foreign()`, and not used any more.
    unsafe extern "C" fn dropped<P: ForeignOwnable>(data: *mut c_void) {
        // SAFETY: The caller says so.
        drop(unsafe { P::from_foreign(data) });
    }
    let data = KBox::pin_init(data, flags)?.into_foreign();
    // SAFETY: The device is bound. The value is `Send`, so any task may drop it, at once too.
    to_result(unsafe {
        bindings::devm_add_action_or_reset(dev.as_raw(), Some(dropped::<Pin<KBox<T>>>), data)
    })
}
