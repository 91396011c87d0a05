// SPDX-License-Identifier: GPL-2.0-only

//! What initialisers do, and what is left when they fail.

use core::{
    cell::{Cell, RefCell},
    marker::PhantomPinned,
    mem::{offset_of, MaybeUninit},
    pin::Pin,
    ptr,
};
use pin_init::{
    init, init_array_from_fn, pin_data, pin_init, pin_init_array_from_fn, pin_init_scope,
    pinned_drop, raw_try_init, stack_pin_init, stack_try_pin_init, Init, MaybeZeroable, PinInit,
    Zeroable,
};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Notes its number when it is dropped.
struct Noted<'a>(u32, &'a RefCell<Vec<u32>>);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

/// Runs an initialiser on memory that is not pinned after.
fn make<T, E>(init: impl Init<T, E>) -> Result<T, E> {
    let mut slot = MaybeUninit::uninit();
    // SAFETY: The slot is valid and holds nothing; the value may be moved.
    unsafe { raw_try_init(slot.as_mut_ptr(), init)? };
    // SAFETY: Just initialised.
    Ok(unsafe { slot.assume_init() })
}

struct Three<'a> {
    first: Noted<'a>,
    second: Noted<'a>,
    third: u32,
}

fn three(dropped: &RefCell<Vec<u32>>, third: Result<u32, u8>) -> impl Init<Three<'_>, u8> {
    init!(Three {
        second <- Ok::<_, u8>(Noted(2, dropped)),
        first: Noted(1, dropped),
        third: third?,
    }? u8)
}

#[test]
#[expect(
    unreachable_code,
    clippy::diverging_sub_expression,
    reason = "a value that returns or panics has none"
)]
fn what_is_made_is_dropped_in_reverse() {
    let dropped = &RefCell::new(Vec::new());
    assert_eq!(make(three(dropped, Err(7))).err(), Some(7));
    assert_eq!(*dropped.borrow(), [1, 2]);

    let returns = init!(Three {
        first: Noted(3, dropped),
        second: return Err(8),
        third: 0,
    }? u8);
    assert_eq!(make(returns).err(), Some(8));
    assert_eq!(*dropped.borrow(), [1, 2, 3]);

    let panics = init!(Three {
        first: Noted(4, dropped),
        second: panic!("while it is made"),
        third: 0,
    });
    assert!(catch_unwind(AssertUnwindSafe(|| make(panics).map(drop))).is_err());
    assert_eq!(*dropped.borrow(), [1, 2, 3, 4]);
}

#[test]
fn what_succeeds_is_dropped_once() {
    let dropped = &RefCell::new(Vec::new());
    let three = make(three(dropped, Ok(9))).unwrap();
    assert_eq!((three.third, dropped.borrow().len()), (9, 0));
    drop(three);
    assert_eq!(*dropped.borrow(), [1, 2]);
}

#[pin_data]
struct Node<T> {
    #[pin]
    pin: PhantomPinned,
    #[pin]
    value: Cell<T>,
    this: *const Self,
    offset: usize,
    #[cfg(any())]
    absent: u32,
    #[cfg(not(any()))]
    present: u32,
}

#[test]
fn fields_are_variables_once_they_are_made() {
    let node = pin_init!(&this in Node {
        pin: PhantomPinned,
        value: Cell::new(3u8),
        this: this.as_ptr(),
        offset: offset_of!(Node<u8>, offset) + usize::from(value.get()),
        _: {
            let value: Pin<&mut Cell<u8>> = value;
            Cell::set(&value, 4);
            *offset += 1;
        },
        #[cfg(any())]
        absent: 1,
        #[cfg(not(any()))]
        present: *offset as u32,
    });
    stack_pin_init!(let node = node);
    assert_eq!(node.this, &raw const *node);
    assert_eq!(node.value.get(), 4);
    assert_eq!(node.offset, offset_of!(Node<u8>, offset) + 4);
    assert_eq!(node.present as usize, node.offset);

    let projected = node.as_mut().project();
    let _: Pin<&mut PhantomPinned> = projected.pin;
    *projected.present = 5;
    let NodeProjection { value, .. } = node.as_mut().project();
    Cell::set(&value, 6);
    assert_eq!((node.value.get(), node.present), (6, 5));
}

mod nested {
    pub(crate) struct Pair<T> {
        pub(crate) a: T,
        pub(crate) b: T,
    }
}

#[test]
fn structures_are_named_by_paths() {
    let b = 2u8;
    let pair = make(init!(nested::Pair::<u8> { a: 1, b })).unwrap();
    assert_eq!((pair.a, pair.b), (1, 2));
}

#[pin_data]
struct Moves {
    #[pin]
    pinned: u32,
    other: PhantomPinnedElsewhere,
}

/// Does not matter, where it is not pinned.
type PhantomPinnedElsewhere = PhantomPinned;

#[pin_data]
struct Through<T> {
    #[pin]
    inner: T,
}

#[test]
fn unpin_is_of_the_pinned_fields() {
    fn moves<T: Unpin>() {}
    moves::<Moves>();
    moves::<Through<u8>>();

    trait Asks {
        const UNPIN: bool = false;
    }
    impl<T: ?Sized> Asks for T {}
    struct Ask<T: ?Sized>(core::marker::PhantomData<T>);
    impl<T: ?Sized + Unpin> Ask<T> {
        const UNPIN: bool = true;
    }
    const {
        assert!(Ask::<Through<u8>>::UNPIN);
        assert!(!Ask::<Through<PhantomPinned>>::UNPIN);
        assert!(!Ask::<Node<u8>>::UNPIN);
    }
}

#[pin_data(PinnedDrop)]
struct Counted<'a> {
    #[pin]
    pin: PhantomPinned,
    made: &'a Cell<i32>,
}

impl<'a> Counted<'a> {
    fn new(made: &'a Cell<i32>) -> impl PinInit<Self> + 'a {
        pin_init!(Self {
            pin: PhantomPinned,
            _: { made.set(made.get() + 1) },
            made,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Counted<'_> {
    fn drop(self: Pin<&mut Self>) {
        self.made.set(self.made.get() - 1);
    }
}

#[test]
fn pinned_drop_is_called() {
    let made = Cell::new(0);
    {
        stack_pin_init!(let counted = Counted::new(&made));
        assert_eq!(counted.made.get(), 1);
    }
    assert_eq!(made.get(), 0);
}

#[test]
fn arrays_are_made_whole_or_not() {
    let made = Cell::new(0);
    {
        stack_pin_init!(let array: [Counted<'_>; 5] = pin_init_array_from_fn(|_| Counted::new(&made)));
        assert_eq!((array.len(), made.get()), (5, 5));
    }
    assert_eq!(made.get(), 0);

    let limited = pin_init_array_from_fn(|index| {
        let made = &made;
        pin_init_scope(move || match index {
            3 => Err(made.get()),
            _ => Ok(pin_init!(Counted {
                pin: PhantomPinned,
                _: { made.set(made.get() + 1) },
                made,
            }? i32)),
        })
    });
    stack_try_pin_init!(let array: [Counted<'_>; 5] = limited);
    assert_eq!(array.err(), Some(3));
    assert_eq!(made.get(), 0);

    let none: [u8; 0] = make(init_array_from_fn(|_| 1)).unwrap();
    assert_eq!(none, []);
}

#[test]
fn what_a_chain_refuses_is_dropped() {
    let dropped = &RefCell::new(Vec::new());
    let good = || three(dropped, Ok(1));
    assert_eq!(
        make(good().chain(|three: &mut Three<'_>| Err(three.third as u8))).err(),
        Some(1)
    );
    assert_eq!(*dropped.borrow(), [1, 2]);
    let chained = good().chain(|three: &mut Three<'_>| {
        three.third += 1;
        Ok(())
    });
    assert_eq!(make::<Three<'_>, u8>(chained).unwrap().third, 2);

    dropped.borrow_mut().clear();
    stack_try_pin_init!(let refused = good().pin_chain(|_: Pin<&mut Three<'_>>| Err(5)));
    assert_eq!(refused.err(), Some(5));
    assert_eq!(*dropped.borrow(), [1, 2]);
}

#[test]
fn errors_are_returned_on() -> Result<(), u8> {
    let dropped = &RefCell::new(Vec::new());
    let fails = || -> Result<u32, u8> {
        stack_try_pin_init!(let three =? three(dropped, Err(3)));
        Ok(three.third)
    };
    assert_eq!(fails(), Err(3));
    stack_try_pin_init!(let three =? three(dropped, Ok(4)));
    assert_eq!(three.third, 4);
    Ok(())
}

#[derive(Zeroable)]
struct Zeroes<T> {
    number: u32,
    pointer: *const T,
    function: Option<extern "C" fn(T) -> T>,
    array: [(u8, bool); 3],
}

#[derive(Zeroable)]
union Either {
    signed: i32,
    _unsigned: u32,
}

#[derive(MaybeZeroable)]
#[allow(dead_code)]
struct NotZeroes(&'static u8);

#[derive(MaybeZeroable)]
struct Perhaps(Option<&'static u8>);

#[test]
fn zeroes() {
    let zeroes = make(init!(Zeroes::<u8> {
        number: 1,
        ..Zeroable::init_zeroed()
    }));
    let zeroes = zeroes.unwrap();
    assert_eq!((zeroes.number, zeroes.array), (1, [(0, false); 3]));
    assert!(zeroes.pointer.is_null() && zeroes.function.is_none());
    // SAFETY: All bytes are a number.
    assert_eq!(unsafe { Either::zeroed().signed }, 0);
    static NONE: Perhaps = pin_init::zeroed();
    assert!(NONE.0.is_none());
    let _ = NotZeroes(&1);
}

pin_init::assert_pinned!(Counted<'_>, pin, PhantomPinned);

#[test]
fn nothing_is_moved() {
    #[pin_data]
    struct Outer {
        #[pin]
        inner: Inner,
    }
    #[pin_data]
    struct Inner {
        this: *const Inner,
        #[pin]
        pin: PhantomPinned,
    }
    let outer = pin_init!(Outer {
        inner <- pin_init!(&this in Inner { this: this.as_ptr(), pin: PhantomPinned }),
    });
    stack_pin_init!(let outer = outer);
    assert!(ptr::eq(outer.inner.this, &outer.inner));
}
