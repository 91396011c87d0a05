// SPDX-License-Identifier: GPL-2.0-only
//! What values of the crate's types are printed as, and what they can be asked.

use core::marker::PhantomPinned;
use kernel::{
    alloc::{
        flags::GFP_ATOMIC,
        kvec::{InsertError, PushError, RemoveError},
        NumaNode,
    },
    bindings as c, current,
    prelude::*,
    seq_file::{seq_print, SeqFile},
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Acquire, Atomic, AtomicFlag, Relaxed, Release},
        new_spinlock, Arc, ArcBorrow, SpinLock, UniqueArc,
    },
    task::Task,
    testing::{everywhere, spawn, vcpu::Stuck},
    time::Delta,
    types::ForeignOwnable,
};

#[test]
fn what_holds_a_value_is_printed_as_it() {
    let (boxed, shared) = (
        KBox::new(7, GFP_KERNEL).unwrap(),
        Arc::new(7, GFP_KERNEL).unwrap(),
    );
    let unique = UniqueArc::new(7, GFP_KERNEL).unwrap();
    let printed = CString::try_from_fmt(fmt!("{boxed} {shared} {unique}")).unwrap();
    assert_eq!(format!("{printed:?}"), "\"7 7 7\"");
    assert_eq!(format!("{boxed:?} {shared:?} {unique:?}"), "7 7 7");
    let mut vec = KVec::new();
    vec.push(7, GFP_KERNEL).unwrap();
    assert_eq!(format!("{vec:?} {:?}", Atomic::new(7)), "[7] 7");
}

/// As in Linux: so a lock's guard can assign them.
#[test]
fn pointers_move_where_their_object_stays() {
    fn moves<T: Unpin>() {}
    moves::<(Arc<PhantomPinned>, UniqueArc<PhantomPinned>)>();
    moves::<(ArcBorrow<'_, PhantomPinned>, ARef<Task>)>();
    moves::<(KBox<PhantomPinned>, KVec<PhantomPinned>)>();
}

#[test]
fn errors_say_what_is_wrong() {
    let full = "no capacity left";
    assert_eq!(format!("{:?}", PushError(())), full);
    assert_eq!(format!("{:?}", InsertError::OutOfCapacity(())), full);
    assert_eq!(
        format!("{:?}", InsertError::IndexOutOfBounds(())),
        "index out of bounds"
    );
    assert_eq!(format!("{RemoveError:?}"), "index out of bounds");
    assert!(Stuck::Deadlock("".into())
        .to_string()
        .starts_with("deadlock"));
}

#[test]
fn addresses_are_printed_as_hashes() {
    let values = [1, 2];
    let [one, two] = values.each_ref().map(core::ptr::from_ref);
    let print = |ptr: *const i32| CString::try_from_fmt(fmt!("{ptr:p}")).unwrap();
    assert_eq!(print(one).to_bytes(), print(one).to_bytes());
    assert_ne!(print(one).to_bytes(), print(two).to_bytes());
    assert!(print(one).to_bytes().len() >= 16);
    assert_ne!(format!("{one:p}").as_bytes(), print(one).to_bytes());
}

#[test]
fn a_file_takes_what_is_printed() {
    let mut buf = [0_u8; 16];
    let mut file = c::seq_file {
        buf: buf.as_mut_ptr().cast(),
        size: buf.len(),
        count: 0,
        private: core::ptr::null_mut(),
    };
    // SAFETY: The file is ours, and its buffer is there.
    let seq = unsafe { SeqFile::from_raw(&raw mut file) };
    seq_print!(seq, "{} of {}", 1, 2);
    assert_eq!(file.count, 6);
    assert_eq!(&buf[..6], b"1 of 2");
}

#[test]
fn time_is_counted() {
    let mut time = Delta::from_millis(3);
    assert!(!time.is_zero() && (time - time).is_zero());
    time += Delta::from_millis(2);
    time *= 4;
    time -= Delta::from_millis(6);
    assert_eq!((time.as_millis(), time / Delta::from_millis(5)), (14, 2));
}

#[test]
fn flags_and_nodes() {
    assert!(!GFP_ATOMIC.contains(GFP_KERNEL));
    assert!(NumaNode::new(0).is_ok());
    assert!(NumaNode::new(1).is_err());
    let flag = AtomicFlag::new(false);
    assert!(!flag.load(Relaxed));
    flag.store(true, Release);
    assert!(flag.load(Acquire));
}

#[test]
fn tasks_have_numbers_in_one_process() {
    everywhere(|| {
        let other = spawn(|| ());
        let me = current!();
        assert!(me.pid() != other.pid() && me.pid() > 0);
        assert!(me.tgid() == other.tgid() && me.tgid() > 0);
    });
}

#[test]
fn a_file_has_a_name() {
    let here = core::panic::Location::caller();
    assert_eq!(kernel::file_from_location(here).to_str(), Ok(file!()));
}

#[test]
fn c_keeps_a_box() {
    let ptr = KBox::new(7, GFP_KERNEL).unwrap().into_foreign();
    // SAFETY: The pointer is what C has kept.
    assert_eq!(*unsafe { KBox::<i32>::from_foreign(ptr) }, 7);
}

#[test]
fn the_clocks_are_two() {
    everywhere(|| {
        // SAFETY: Clocks have no preconditions.
        unsafe {
            let (boot, since_boot) = (c::ktime_get(), c::ktime_get_boottime());
            assert!(boot <= since_boot && since_boot <= c::ktime_get());
            let (real, atomic) = (c::ktime_get_real(), c::ktime_get_clocktai());
            assert!(real > 1 && real <= atomic);
        }
    });
}

/// The macro below ours recurses for each token, and the compiler has a limit.
#[test]
fn a_structure_may_have_sixteen_locks() {
    macro_rules! locks {
        ($($name:ident)*) => {
            #[pin_data]
            struct Locks { $(#[pin] $name: SpinLock<u32>),* }

            fn locks() -> impl PinInit<Locks> {
                pin_init!(Locks { $($name <- new_spinlock!(1, "Locks")),* })
            }

            fn sum(locks: &Locks) -> u32 {
                0 $(+ *locks.$name.lock())*
            }
        };
    }
    locks!(a b c d e f g h i j k l m n o p);
    let locks = KBox::pin_init(locks(), GFP_KERNEL).unwrap();
    assert_eq!(sum(&locks), 16);
}
