// SPDX-License-Identifier: GPL-2.0-only
//! The parameters of a module, of which each load has its own.

use crate::{
    bindings::{kernel_param, kernel_param__bindgen_ty_1, kernel_param_ops},
    error::{
        code::{EEXIST, ENOSPC, EPERM},
        to_result, Result,
    },
    module_param::{self, ModuleParam, ModuleParamAccess},
    str::{CStr, CStrExt as _},
};
use core::{
    ops::Deref,
    ptr::{from_ref, null, null_mut},
    sync::atomic::{
        AtomicPtr,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use spin::mutex::SpinMutex;

/// A type of which a module can have parameters, with its operations.
pub trait Operations: ModuleParam + Sync + 'static {
    /// They set a [`ModuleParamAccess<Self>`].
    const OPERATIONS: &'static kernel_param_ops;
}

macro_rules! operations {
    ($($type:ident)*) => {
        crate::macros::paste! {$(
            impl Operations for $type {
                const OPERATIONS: &'static kernel_param_ops =
                    &module_param::[<PARAM_OPS_ $type:upper>];
            }
        )*}
    };
}

operations!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize bool);

/// The text that a parameter is set to, NUL-terminated; `None` if there is only its name.
type Text = Option<[u8; 128]>;

/// What a parameter was once set to.
///
/// A [`ModuleParamAccess`] is set at most once, and a module may keep a reference to its value. So each
/// text has one of its own, which loads with the same text share, and which stays forever.
struct Setting<T: 'static> {
    text: Text,
    access: ModuleParamAccess<T>,
    older: Option<&'static Setting<T>>,
}

/// A parameter of a module: the [`ModuleParamAccess`] of the load that there is, or that of none, which
/// has the default.
pub struct Parameter<T: 'static> {
    name: &'static CStr,
    default: T,
    unset: ModuleParamAccess<T>,
    /// # Invariants
    ///
    /// Null, or from a `&'static`.
    current: AtomicPtr<ModuleParamAccess<T>>,
    newest: SpinMutex<Option<&'static Setting<T>>>,
}

impl<T: Operations> Parameter<T> {
    machine::const_fn! {
        /// A parameter called `name`, not set.
        pub fn new(name: &'static CStr, default: T) -> Self {
            Self {
                name,
                default,
                unset: ModuleParamAccess::new(default),
                // INVARIANT: It is null.
                current: AtomicPtr::new(null_mut()),
                newest: SpinMutex::new(None),
            }
        }
    }

    /// The setting to `text`.
    fn setting(&self, text: Text) -> Result<&'static Setting<T>> {
        let access = ModuleParamAccess::new(self.default);
        let parameter = kernel_param {
            name: self.name.as_char_ptr(),
            mod_: null_mut(),
            ops: T::OPERATIONS,
            perm: 0,
            level: -1,
            flags: 0,
            __bindgen_anon_1: kernel_param__bindgen_ty_1 {
                arg: access.as_void_ptr(),
            },
        };
        let set = T::OPERATIONS.set.ok_or(EPERM)?;
        let c = text.as_ref().map_or(null(), |text| text.as_ptr());
        // SAFETY: The text is NUL-terminated, or null; the operations are those of the type.
        to_result(unsafe { set(c, &raw const parameter) })?;
        // There is no preemption point while the lock is held: a task that wants it spins.
        let mut newest = self.newest.lock();
        let mut known = *newest;
        while let Some(setting) = known {
            if setting.text == text {
                return Ok(setting);
            }
            known = setting.older;
        }
        let setting = machine::keep_forever(Setting {
            text,
            access,
            older: *newest,
        });
        *newest = Some(setting);
        Ok(setting)
    }
}

impl<T: 'static> Deref for Parameter<T> {
    type Target = ModuleParamAccess<T>;

    fn deref(&self) -> &ModuleParamAccess<T> {
        // Acquire: pairs with the release in `set()`, and so sees the value.
        let current = self.current.load(Acquire);
        // SAFETY: By the invariant it is null or points to what stays forever.
        unsafe { current.as_ref() }.unwrap_or(&self.unset)
    }
}

/// What loading a module does with a parameter, of whichever type.
pub trait Load: Sync {
    /// Whether it is called so; dashes are underscores.
    fn is_called(&self, name: &[u8]) -> bool;

    /// Sets it to what `text` says, which is at most 127 bytes; `None` if there is only its name.
    fn set(&self, text: Option<&[u8]>) -> Result;

    /// Takes it back to the default.
    fn reset(&self);
}

impl<T: Operations> Load for Parameter<T> {
    fn is_called(&self, name: &[u8]) -> bool {
        let name = name.iter().map(|&byte| match byte {
            b'-' => b'_',
            byte => byte,
        });
        self.name.to_bytes().iter().copied().eq(name)
    }

    fn set(&self, text: Option<&[u8]>) -> Result {
        let mut buffer = text.map(|_| [0; 128]);
        if let (Some(text), Some(buffer)) = (text, &mut buffer) {
            let buffer = buffer.get_mut(..=text.len()).ok_or(ENOSPC)?;
            buffer[..text.len()].copy_from_slice(text);
        }
        let access = from_ref(&self.setting(buffer)?.access).cast_mut();
        // INVARIANT: A setting stays forever.
        // Release: pairs with the acquire in `deref()`. Relaxed: nothing is read.
        self.current
            .compare_exchange(null_mut(), access, Release, Relaxed)
            .map_or(Err(EEXIST), |_| Ok(()))
    }

    fn reset(&self) {
        // INVARIANT: It is null.
        // Relaxed: the default was there from the beginning.
        self.current.store(null_mut(), Relaxed);
    }
}
