// SPDX-License-Identifier: GPL-2.0-only
//! A scope that is forgotten leaves its files, which show its data as long as there is a machine.
use kernel::{
    debugfs::{Dir, Scope},
    prelude::*,
};

fn main() -> Result {
    let number = KBox::new(7u32, GFP_KERNEL)?;
    let dir = Scope::dir(&*number, c"dir", |data, dir| dir.read_only_file(c"n", *data));
    core::mem::forget(KBox::pin_init(dir, GFP_KERNEL)?);
    let top = Dir::new(c"top");
    let dir = top.scope(&*number, c"dir", |data, dir| dir.read_only_file(c"n", *data));
    core::mem::forget(KBox::pin_init(dir, GFP_KERNEL)?);
    drop(number);
    Ok(())
}
