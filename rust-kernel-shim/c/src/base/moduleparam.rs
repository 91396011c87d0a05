// SPDX-License-Identifier: GPL-2.0-only
//! Parameters of modules.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use super::module::module;
use crate::{
    ffi::{c_char, c_int, c_uint, c_void},
    EINVAL,
};

/// How parameters of a type are set.
#[repr(C)]
pub struct kernel_param_ops {
    /// No flag is of meaning here.
    pub flags: c_uint,
    /// Takes the text that was given; null if there was only the name.
    pub set: Option<unsafe extern "C" fn(val: *const c_char, kp: *const kernel_param) -> c_int>,
    /// Writes the value as text.
    pub get: Option<unsafe extern "C" fn(buffer: *mut c_char, kp: *const kernel_param) -> c_int>,
    /// Frees the value at the end of the module.
    pub free: Option<unsafe extern "C" fn(arg: *mut c_void)>,
}

/// A parameter of a module.
#[repr(C)]
pub struct kernel_param {
    /// Its name, NUL-terminated.
    pub name: *const c_char,
    /// The module; null if that is built in.
    pub mod_: *mut module,
    /// How it is set.
    pub ops: *const kernel_param_ops,
    /// The permissions of its file in sysfs, which is not here.
    pub perm: u16,
    /// When it is set at boot.
    pub level: i8,
    /// No flag is of meaning here.
    pub flags: u8,
    /// What `ops` are about.
    pub __bindgen_anon_1: kernel_param__bindgen_ty_1,
}

/// What the [`kernel_param_ops`] are about.
#[repr(C)]
pub union kernel_param__bindgen_ty_1 {
    /// A pointer of the module's own.
    pub arg: *mut c_void,
}

/// Reads `s`, of which at most two characters count, as yes or no; `-EINVAL` if it is neither.
/// From any context.
///
/// # Safety
///
/// `s` is null or NUL-terminated; `res` is valid for writes.
pub unsafe fn kstrtobool(s: *const c_char, res: *mut bool) -> c_int {
    if s.is_null() {
        return -EINVAL.cast_signed();
    }
    // SAFETY: `s` is NUL-terminated: the caller's guarantee.
    let text = unsafe { crate::from_char_ptr(s) }.to_bytes();
    let value = match text {
        [b'e' | b'E' | b'y' | b'Y' | b't' | b'T' | b'1', ..] => true,
        [b'd' | b'D' | b'n' | b'N' | b'f' | b'F' | b'0', ..] => false,
        [b'o' | b'O', b'n' | b'N', ..] => true,
        [b'o' | b'O', b'f' | b'F', ..] => false,
        _ => return -EINVAL.cast_signed(),
    };
    // SAFETY: `res` is valid for writes: the caller's guarantee.
    unsafe { res.write(value) };
    0
}
