// SPDX-License-Identifier: GPL-2.0-only
//! Parameters of a module: the default, what is set, and what is refused.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    testing::{console, insmod, insmod_with},
};

module! {
    type: Ring,
    name: "ring",
    license: "GPL",
    params: {
        depth: i64 {
            default: -1,
            description: "Entries",
        },
        low_power: bool {
            default: false,
            description: "Slow",
        },
        tries: u8 {
            default: 3,
            description: "Tries",
        },
    },
}

struct Ring;

impl kernel::Module for Ring {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

fn values() -> (i64, bool, u8) {
    let depth = module_parameters::depth.value();
    let low_power = *module_parameters::low_power.value_ref();
    (depth, low_power, module_parameters::tries.value())
}

/// One test, since they are set once in a process.
#[test]
fn a_parameter_has_its_default_until_it_is_set_once() -> Result {
    insmod::<Ring>()?;
    assert_eq!(values(), (-1, false, 3));

    // None of them is set, and the module is not loaded.
    for bad in [
        c"tries=256",
        c"depth=one",
        c"depth",
        c"low_power=2",
        c"tries=-1",
    ] {
        assert_eq!(insmod_with::<Ring>(bad).err(), Some(EINVAL));
        assert_eq!(values(), (-1, false, 3));
    }
    assert_eq!(
        console::said("ring: `256' invalid for parameter `tries'"),
        1
    );

    insmod_with::<Ring>(c"  depth=0x10\tlow-power=on  colour=red")?;
    assert_eq!(values(), (16, true, 3));
    assert_eq!(console::said("ring: unknown parameter 'colour' ignored"), 1);

    assert_eq!(insmod_with::<Ring>(c"depth=1").err(), Some(EEXIST));
    insmod_with::<Ring>(c"tries=0b100")?;
    assert_eq!(values(), (16, true, 4));
    Ok(())
}
