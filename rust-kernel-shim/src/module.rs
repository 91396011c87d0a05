// SPDX-License-Identifier: GPL-2.0-only

//! Modules.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h).

use crate::{
    bindings,
    error::{Error, Result},
    str::CStr,
    testing::Load,
};
use pin_init::PinInit;

/// A module: loading it creates one, unloading drops it.
///
/// Given to [`module!`](crate::prelude::module) as its `type`.
pub trait Module: Sized + Sync + Send {
    /// Loads the module; in process context.
    fn init(module: &'static ThisModule) -> Result<Self>;
}

/// As [`Module`], for a module that is initialised in place and pinned.
pub trait InPlaceModule: Sync + Send {
    /// Loads the module; in process context.
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error>;
}

impl<T: Module> InPlaceModule for T {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let closure = move |slot: *mut Self| {
            let value = <Self as Module>::init(module)?;
            // SAFETY: `slot` is what the closure was given to initialise.
            unsafe { slot.write(value) };
            Ok(())
        };
        // SAFETY: The closure initialises `slot`, or leaves it and fails.
        unsafe { pin_init::pin_init_from_closure(closure) }
    }
}

/// The metadata that [`module!`](crate::prelude::module) implements for a type.
pub trait ModuleMetadata {
    /// The module's name.
    const NAME: &'static CStr;

    /// The module as C knows it.
    const THIS_MODULE: ThisModule;

    /// The file in which it was declared: the module's code is in that, and in those below it.
    #[doc(hidden)]
    const FILE: &'static str = "";

    /// The directory of its crate.
    #[doc(hidden)]
    const DIRECTORY: &'static str = "";

    /// Its parameters.
    #[doc(hidden)]
    fn parameters() -> &'static [&'static dyn Load] {
        &[]
    }
}

/// The module that `M` was given to [`module!`](crate::prelude::module) for.
#[inline]
pub const fn this_module<M: ModuleMetadata>() -> &'static ThisModule {
    &M::THIS_MODULE
}

/// A module as C knows it.
#[doc(alias = "THIS_MODULE")]
pub struct ThisModule(*mut bindings::module);

// SAFETY: What Rust can do with it, any thread can.
unsafe impl Sync for ThisModule {}

impl ThisModule {
    /// Wraps C's pointer.
    ///
    /// # Safety
    ///
    /// It is the module's own, for as long as the result is used.
    pub const unsafe fn from_ptr(ptr: *mut bindings::module) -> ThisModule {
        ThisModule(ptr)
    }

    /// C's pointer.
    pub const fn as_ptr(&self) -> *mut bindings::module {
        self.0
    }
}

/// The `struct module` that the loader would create.
#[doc(hidden)]
pub struct StaticModule(bindings::module);

// SAFETY: Rust only takes its address.
unsafe impl Sync for StaticModule {}

impl StaticModule {
    /// A module called `name`.
    pub const fn new(name: &'static CStr) -> Self {
        StaticModule(bindings::module::new(name))
    }

    /// Returns C's pointer.
    pub const fn as_ptr(&'static self) -> *mut bindings::module {
        (&raw const self.0).cast_mut()
    }
}
