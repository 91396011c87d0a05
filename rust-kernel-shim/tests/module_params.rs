// SPDX-License-Identifier: GPL-2.0-only
//! Parameters of a module: the default, what is set, and what is refused.

#![forbid(unsafe_code)]

use kernel::{
    module_param::ModuleParamAccess,
    prelude::*,
    testing::{console, insmod, insmod_with, Explorer},
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

/// One test, since a module is loaded once at a time.
#[test]
fn each_load_has_its_own_parameters() -> Result {
    insmod::<Ring>()?;
    assert_eq!(values(), (-1, false, 3));

    // None of them is set, not those before the bad one either, and the module is not loaded.
    for bad in [
        c"tries=256",
        c"low_power=1 depth=one",
        c"depth",
        c"low_power=2 depth=4",
        c"depth=5 tries=-1",
    ] {
        assert_eq!(insmod_with::<Ring>(bad).err(), Some(EINVAL));
        assert_eq!(values(), (-1, false, 3));
    }
    assert_eq!(
        console::said("ring: `256' invalid for parameter `tries'"),
        1
    );
    assert_eq!(insmod_with::<Ring>(c"depth=1 depth=1").err(), Some(EEXIST));
    assert_eq!(values(), (-1, false, 3));

    let ring = insmod_with::<Ring>(c"  depth=0x10\tlow-power=on  colour=red")?;
    assert_eq!(values(), (16, true, 3));
    assert_eq!(console::said("ring: unknown parameter 'colour' ignored"), 1);
    // A second load fails, and leaves those of the first.
    assert_eq!(insmod_with::<Ring>(c"tries=1").err(), Some(EEXIST));
    assert_eq!(values(), (16, true, 3));
    drop(ring);
    assert_eq!(values(), (-1, false, 3));

    // What the module kept stays as it was.
    let ring = insmod_with::<Ring>(c"tries=0b100")?;
    let kept: (&'static ModuleParamAccess<u8>, &'static u8) = (
        &module_parameters::tries,
        module_parameters::tries.value_ref(),
    );
    drop(ring);
    let ring = insmod_with::<Ring>(c"tries=5")?;
    assert_eq!((kept.0.value(), *kept.1, values().2), (4, 4, 5));
    drop(ring);

    // So does each schedule.
    Explorer::new()
        .schedules(3)
        .run(|| {
            assert_eq!(values(), (-1, false, 3));
            let _ring = insmod_with::<Ring>(c"tries=4").unwrap();
            assert_eq!(values(), (-1, false, 4));
        })
        .unwrap();
    Ok(())
}

mod fails {
    //! A module whose `init` fails.

    use kernel::{prelude::*, testing::insmod_with};

    module! {
        type: Fails,
        name: "fails",
        license: "GPL",
        params: {
            seen: u32 {
                default: 1,
                description: "What init sees",
            },
        },
    }

    struct Fails;

    impl kernel::Module for Fails {
        fn init(_module: &'static ThisModule) -> Result<Self> {
            assert_eq!(module_parameters::seen.value(), 2);
            Err(ENODEV)
        }
    }

    #[test]
    fn they_go_with_a_load_that_fails() {
        for _ in 0..2 {
            assert_eq!(insmod_with::<Fails>(c"seen=2").err(), Some(ENODEV));
            assert_eq!(module_parameters::seen.value(), 1);
        }
    }
}
