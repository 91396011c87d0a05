// SPDX-License-Identifier: GPL-2.0-only
//! Loading and unloading modules.

use crate::{
    alloc::{flags::GFP_KERNEL, KBox},
    bindings::{
        self,
        debugobjects::{debug_module_gone, ModuleText},
    },
    error::{
        code::{EEXIST, ENOMEM},
        Result,
    },
    init::InPlaceInit as _,
    module::{this_module, InPlaceModule, ModuleMetadata},
    pr_err, pr_warn,
    str::{BStr, CStr},
    testing::Load,
    time::{delay::fsleep, Delta},
};
use ::machine::vcpu;
use core::{ops::Deref, pin::Pin};
use spin::mutex::SpinMutex;

/// Modules that can be loaded at the same time.
const MODULES: usize = 64;

/// The names of the modules that are loaded.
static LOADED: SpinMutex<[Option<&'static CStr>; MODULES]> = SpinMutex::new([None; MODULES]);

/// Returns the number of modules that are loaded.
pub fn loaded_modules() -> usize {
    LOADED.lock().iter().flatten().count()
}

/// A module that is loaded; dropping this unloads it.
pub struct Loaded<M: InPlaceModule + ModuleMetadata> {
    // Dropped first: the module's exit runs while its text is there.
    module: Pin<KBox<M>>,
    _text: Text,
}

impl<M: InPlaceModule + ModuleMetadata> Drop for Loaded<M> {
    fn drop(&mut self) {
        let late = vcpu::with(|vcpu| vcpu.unload()).flatten();
        if let Some(ns) = late {
            fsleep(Delta::from_nanos(ns.into()));
        }
    }
}

/// The text of a loaded module: a slot of [`LOADED`].
struct Text {
    place: usize,
    text: ModuleText,
    parameters: &'static [&'static dyn Load],
}

/// The text of a module, from now on.
fn text_of<M: ModuleMetadata>() -> ModuleText {
    ModuleText {
        name: M::NAME,
        file: M::FILE,
        directory: M::DIRECTORY,
        loaded: bindings::rcu_order(),
        stays: false,
    }
}

impl Text {
    fn load<M: ModuleMetadata>() -> Result<Self> {
        let text = text_of::<M>();
        let mut loaded = LOADED.lock();
        if loaded.contains(&Some(text.name)) {
            return Err(EEXIST);
        }
        let place = loaded.iter().position(Option::is_none).ok_or(ENOMEM)?;
        loaded[place] = Some(text.name);
        Ok(Self {
            place,
            text,
            parameters: M::parameters(),
        })
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        bindings::debug_module_exited(&self.text);
        // As in the kernel, a grace period passes between the module's exit and its text going.
        // SAFETY: `synchronize_rcu()` has no preconditions. A task that unloads a module inside a
        // read-side section waits for itself, forever, and the text is not freed.
        unsafe { bindings::synchronize_rcu() };
        debug_module_gone(&self.text);
        for parameter in self.parameters {
            parameter.reset();
        }
        LOADED.lock()[self.place] = None;
    }
}

/// Loads a module: runs its `init`.
///
/// # Errors
///
/// The error of its `init`; EEXIST if a module of that name is loaded; ENOMEM.
pub fn insmod<M: InPlaceModule + ModuleMetadata>() -> Result<Loaded<M>> {
    insmod_with(c"")
}

/// Says that the device of a module has gone, and its driver's remove is over: a debug kernel reports
/// what the driver has started and that is still to come, or sleeps.
///
/// For tests of drivers that have no more than the one device: whatever the module's code has started
/// in this machine, or among threads that run freely in this test, is taken to be the device's. Rule
/// [nothing-after-remove](../../../book/rules/nothing-after-remove.html). May sleep.
#[track_caller]
pub fn device_gone<M: ModuleMetadata>() {
    let module = ModuleText {
        loaded: 0,
        stays: true,
        ..text_of::<M>()
    };
    bindings::debug_module_exited(&module);
    debug_module_gone(&module);
}

/// As [`insmod`], with parameters: `name=value`, separated by spaces. They last as long as the module
/// is loaded.
///
/// # Errors
///
/// Those of [`insmod`]; EEXIST for a parameter that is there twice; EINVAL for a value that it does not
/// take; ENOSPC for one of more than 127 bytes. One that there is not is ignored, and the log says so.
pub fn insmod_with<M: InPlaceModule + ModuleMetadata>(parameters: &CStr) -> Result<Loaded<M>> {
    let text = Text::load::<M>()?;
    let mut result = Ok(());
    for word in parameters.to_bytes().split(u8::is_ascii_whitespace) {
        let mut parts = word.splitn(2, |&byte| byte == b'=');
        let (name, value) = (BStr::from_bytes(parts.next().unwrap_or(b"")), parts.next());
        if name.is_empty() {
            continue;
        }
        let Some(parameter) = text.parameters.iter().find(|own| own.is_called(name)) else {
            pr_warn!("{}: unknown parameter '{}' ignored\n", M::NAME, name);
            continue;
        };
        if let Err(error) = parameter.set(value) {
            let value = BStr::from_bytes(value.unwrap_or(b""));
            pr_err!(
                "{}: `{}' invalid for parameter `{}'\n",
                M::NAME,
                value,
                name
            );
            result = Err(error);
        }
    }
    result?;
    let module = KBox::try_pin_init(M::init(this_module::<M>()), GFP_KERNEL)?;
    Ok(Loaded {
        module,
        _text: text,
    })
}

impl<M: InPlaceModule + ModuleMetadata> Deref for Loaded<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.module
    }
}
