// SPDX-License-Identifier: GPL-2.0-only
//! Registers that are declared: where they are, and which bits are whose.

#![forbid(unsafe_code)]

use kernel::{
    bitfield, faux,
    io::{
        register,
        register::{Array, RegisterBase, WithBase},
        Io,
    },
    num::Bounded,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    testing::{IoRegion, Registers},
};

const SIZE: usize = 0x40;

/// Memory that knows where it was written last.
struct Memory {
    words: [Atomic<u32>; SIZE / 4],
    last: Atomic<usize>,
}

impl Registers for Memory {
    fn read(&self, offset: usize, size: usize) -> u64 {
        let word = u64::from(self.words[offset / 4].load(Relaxed)) >> (offset % 4 * 8);
        word & (u64::MAX >> (64 - 8 * size))
    }

    fn write(&self, offset: usize, _size: usize, value: u64) {
        self.last.store(offset, Relaxed);
        self.words[offset / 4].store((value as u32) << (offset % 4 * 8), Relaxed);
    }
}

#[derive(Debug, PartialEq)]
enum Mode {
    Idle = 1,
    Runs = 2,
}

impl TryFrom<Bounded<u32, 2>> for Mode {
    type Error = Error;

    fn try_from(mode: Bounded<u32, 2>) -> Result<Self> {
        match mode.get() {
            1 => Ok(Mode::Idle),
            2 => Ok(Mode::Runs),
            _ => Err(EINVAL),
        }
    }
}

impl From<Mode> for Bounded<u32, 2> {
    fn from(mode: Mode) -> Self {
        Bounded::from_expr(mode as u32)
    }
}

register! {
    PLAIN(u32) @ 0x4 {
        31:30 mode ?=> Mode;
        8:1 middle;
        0:0 low => bool;
    }
    ARRAY(u8)[3, stride = 4] @ 0x10 {
        7:4 high;
    }
    SECOND(u8) => ARRAY[1] {
        7:0 all;
    }
    OF_BASE(u16) @ Bases + 0x2 {
        15:0 all;
    }
    OF_BASE_AGAIN(u16) => Bases + OF_BASE {
        15:15 top => bool;
    }
    ARRAYS(u32)[2] @ Bases + 0x4 {
        31:0 all;
    }
    LAST_OF_ARRAYS(u32) => Bases + ARRAYS[1] {
        0:0 bottom => bool;
    }
}

struct Bases;
struct First;
struct Other;

impl RegisterBase<Bases> for First {
    const BASE: usize = 0x20;
}

impl RegisterBase<Bases> for Other {
    const BASE: usize = 0x30;
}

#[test]
fn a_register_is_where_it_is_declared() -> Result {
    let memory = Memory {
        words: [const { Atomic::new(0) }; SIZE / 4],
        last: Atomic::new(0),
    };
    let memory = Arc::new(memory, GFP_KERNEL)?;
    let faux = faux::Registration::new(c"registers", None)?;
    let region = IoRegion::new(SIZE, memory.clone())?;
    let io = &region
        .request(faux.as_ref().as_ref())
        .iomap_sized::<SIZE>()?;
    let last = || memory.last.load(Relaxed);

    io.write_reg(
        PLAIN::zeroed()
            .with_mode(Mode::Runs)
            .with_middle(0xa5_u8)
            .with_low(true),
    );
    assert_eq!((last(), io.read32(4)), (4, 0x8000_014b));
    assert_eq!(io.read(PLAIN).mode(), Ok(Mode::Runs));
    io.try_write((), PLAIN::from_raw(0))?;
    assert_eq!(io.read(PLAIN).mode(), Err(EINVAL));

    io.write(ARRAY::at(2), ARRAY::zeroed().with_const_high::<9>());
    assert_eq!((last(), io.read8(0x18)), (0x18, 0x90));
    assert!(ARRAY::try_at(3).is_none());
    io.write_reg(SECOND::from_raw(7));
    assert_eq!((last(), io.read(ARRAY::at(1)).into_raw()), (0x14, 7));

    io.write(OF_BASE::of::<Other>(), OF_BASE::from_raw(0x8001));
    assert_eq!(last(), 0x32);
    assert!(io.read(OF_BASE_AGAIN::of::<Other>()).top());
    assert!(!io.read(OF_BASE_AGAIN::of::<First>()).top());
    io.write(ARRAYS::of::<First>().at(1), ARRAYS::from_raw(1));
    assert_eq!(last(), 0x28);
    assert!(io.read(LAST_OF_ARRAYS::of::<First>()).bottom());
    Ok(())
}

bitfield! {
    /// Of all bits.
    pub struct Whole(u64) {
        63:0 all;
        63:63 top;
        0:0 bottom => bool;
    }
}

#[test]
fn a_field_is_its_bits() {
    assert_eq!(Whole::ALL_MASK, u64::MAX);
    assert_eq!((Whole::TOP_MASK, Whole::TOP_SHIFT), (1 << 63, 63));
    assert_eq!(Whole::TOP_RANGE, 63..=63);
    let value = Whole::from_raw(u64::MAX).with_const_top::<0>();
    assert_eq!(value.all().get(), u64::MAX >> 1);
    assert_eq!(value.try_with_top(2_u64), Err(EOVERFLOW));
    assert_eq!(
        value.with_bottom(false).into_raw(),
        u64::MAX - 1 - (1 << 63)
    );
    let text = format!("{:?}", Whole::zeroed().with_bottom(true));
    assert_eq!(
        text,
        "Whole { <raw>: 0x1, all: Bounded(1), top: Bounded(0), bottom: true }"
    );
}
