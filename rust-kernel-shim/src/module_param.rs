// SPDX-License-Identifier: GPL-2.0-only

//! Parameters of modules.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h).
//!
//! [`module!`](crate::prelude::module) declares them, and
//! [`insmod_with`](crate::testing::insmod_with) sets them. They have no files in sysfs.

use crate::{
    bindings,
    ffi::c_int,
    prelude::*,
    str::{kstrtobool_bytes, parse_int::ParseInt, BStr},
    sync::SetOnce,
};

/// A type of which a module can have parameters.
pub trait ModuleParam: Sized + Copy {
    /// Reads a value; EINVAL if the text is none.
    fn try_from_param_arg(arg: &BStr) -> Result<Self>;
}

impl ModuleParam for bool {
    fn try_from_param_arg(arg: &BStr) -> Result<Self> {
        kstrtobool_bytes(arg)
    }
}

/// A parameter of a module, which has a default until it is set.
///
/// It is set before the module's `init` runs, at most once; each load has its own.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, testing::insmod_with};
///
/// module! {
///     type: Greeter,
///     name: "greeter",
///     license: "GPL",
///     params: {
///         times: u8 {
///             default: 1,
///             description: "How often to greet",
///         },
///         loud: bool {
///             default: false,
///             description: "Whether all are to hear it",
///         },
///     },
/// }
///
/// struct Greeter(u8, bool);
///
/// impl kernel::Module for Greeter {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         let times = module_parameters::times.value();
///         Ok(Self(times, *module_parameters::loud.value_ref()))
///     }
/// }
///
/// # fn main() -> Result {
/// let greeter = insmod_with::<Greeter>(c"loud=on")?;
/// assert_eq!((greeter.0, greeter.1), (1, true));
/// # Ok(())
/// # }
/// ```
pub struct ModuleParamAccess<T> {
    value: SetOnce<T>,
    default: T,
}

// SAFETY: A shared reference leads to shared references of the value, and sets it once, from the
// module's loader.
unsafe impl<T: Sync> Sync for ModuleParamAccess<T> {}

impl<T> ModuleParamAccess<T> {
    machine::const_fn! {
        /// One that is not set.
        #[doc(hidden)]
        pub fn new(default: T) -> Self {
            Self {
                value: SetOnce::new(),
                default,
            }
        }
    }

    /// Returns the value, or the default.
    #[inline]
    pub fn value(&self) -> T
    where
        T: Copy,
    {
        *self.value_ref()
    }

    /// Returns a reference to the value, or to the default.
    #[inline]
    pub fn value_ref(&self) -> &T {
        self.value.as_ref().unwrap_or(&self.default)
    }

    /// C's pointer.
    pub const fn as_void_ptr(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// # Safety
///
/// `val` is null or NUL-terminated, and `param` that of a [`ModuleParamAccess<T>`].
unsafe extern "C" fn set_param<T: ModuleParam>(
    val: *const c_char,
    param: *const bindings::kernel_param,
) -> c_int {
    if val.is_null() {
        return EINVAL.to_errno();
    }
    // SAFETY: NUL-terminated: the caller's guarantee.
    let text = unsafe { CStr::from_char_ptr(val) };
    // SAFETY: The caller says what `arg` is.
    let access = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<ModuleParamAccess<T>>() };
    crate::error::from_result(|| {
        let value = T::try_from_param_arg(text.as_ref())?;
        access.value.populate(value).then_some(0).ok_or(EEXIST)
    })
}

/// Declares the operations of the types.
macro_rules! operations {
    ($($type:ty, $name:ident;)*) => {$(
        #[doc(hidden)]
        pub static $name: bindings::kernel_param_ops = bindings::kernel_param_ops {
            flags: 0,
            set: Some(set_param::<$type>),
            get: None,
            free: None,
        };
    )*};
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl ModuleParam for $type {
            fn try_from_param_arg(arg: &BStr) -> Result<Self> {
                <$type as ParseInt>::from_str(arg)
            }
        }
    )*};
}

integers!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

operations! {
    i8, PARAM_OPS_I8;
    u8, PARAM_OPS_U8;
    i16, PARAM_OPS_I16;
    u16, PARAM_OPS_U16;
    i32, PARAM_OPS_I32;
    u32, PARAM_OPS_U32;
    i64, PARAM_OPS_I64;
    u64, PARAM_OPS_U64;
    isize, PARAM_OPS_ISIZE;
    usize, PARAM_OPS_USIZE;
    bool, PARAM_OPS_BOOL;
}
