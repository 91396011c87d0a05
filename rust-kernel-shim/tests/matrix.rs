// SPDX-License-Identifier: GPL-2.0-only

//! Code that compiles in the kernel and here, written as a driver writes it.
//!
//! Each module is a snippet, or several, that were put through both compilers.
//! Their counterparts, refused by both, are in `refused.rs`.

#![no_std]

use kernel::prelude::*;

struct MatrixModule;

impl kernel::Module for MatrixModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("hello from {}\n", <Self as kernel::ModuleMetadata>::NAME);
        Ok(MatrixModule)
    }
}

module! {
    type: MatrixModule,
    name: "matrix",
    authors: ["one", "two"],
    description: "Code that compiles in both worlds",
    license: "GPL",
    alias: ["matrix-alias"],
}

#[test]
fn a_module_loads() -> Result {
    let this = kernel::module::this_module::<MatrixModule>();
    assert!(!this.as_ptr().is_null());
    let init = <MatrixModule as kernel::InPlaceModule>::init(this);
    drop(KBox::pin_init(init, GFP_KERNEL)?);
    assert_eq!(__LOG_PREFIX, b"matrix\0");
    Ok(())
}

mod atomics {
    use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};

    #[test]
    fn orders_are_types() {
        let x = Atomic::new(0u64);
        x.store(1, Release);
        x.add(1, Relaxed);
        assert_eq!(x.cmpxchg(2, 3, Full), Ok(2));
        assert_eq!(x.load(Acquire), 3);
    }

    #[test]
    fn a_field_of_c_seen_as_atomic() {
        let mut flags = 0usize;
        // SAFETY: The value outlives the reference, and is only used by it.
        let seen = unsafe { Atomic::from_ptr(&raw mut flags) };
        assert_eq!(seen.fetch_add(1, Relaxed), 0);
    }
}

mod c_types {
    use kernel::prelude::*;

    static NAME: &CStr = c"static";
    const NAME_PTR: *const c_char = kernel::str::as_char_ptr_in_const_context(NAME);

    #[test]
    fn strings_and_numbers() {
        let ptr: *const u8 = NAME.as_char_ptr();
        assert_eq!(ptr, NAME_PTR);
        let long: c_ulong = 7usize;
        let signed: c_long = long as isize;
        assert_eq!(signed, 7);
    }
}

mod without_unsafe {
    #![forbid(unsafe_code)]

    use kernel::{
        prelude::*,
        str::CString,
        sync::{
            new_mutex, new_spinlock, new_spinlock_irq, Arc, Completion, Mutex, SetOnce, SpinLock,
            SpinLockIrq,
        },
    };

    #[derive(Zeroable)]
    struct Zeroes {
        a: u32,
        b: u64,
    }

    #[pin_data]
    struct State {
        #[pin]
        numbers: SpinLock<KVec<u64>>,
        #[pin]
        name: Mutex<CString>,
        #[pin]
        interrupts: SpinLockIrq<u32>,
        #[pin]
        done: Completion,
        once: SetOnce<u32>,
        plain: u32,
        #[cfg(any())]
        absent: u32,
    }

    fn state() -> Result<Arc<State>> {
        Arc::pin_init(
            try_pin_init!(State {
                numbers <- new_spinlock!(KVec::with_capacity(8, GFP_KERNEL)?, "State::numbers"),
                name <- new_mutex!(CString::try_from(c"state")?),
                interrupts <- new_spinlock_irq!(0),
                done <- Completion::new(),
                once: SetOnce::new(),
                plain: 3,
            }),
            GFP_KERNEL,
        )
    }

    #[test]
    fn locks() -> Result {
        let state = state()?;
        state.numbers.lock().push_within_capacity(1)?;
        assert_eq!(*state.numbers.lock(), [1]);
        *state.interrupts.lock() += 1;
        assert!(state.numbers.try_lock().is_some());
        assert_eq!(&**state.name.lock(), c"state");
        assert!(state.once.populate(state.plain));
        state.done.complete_all();
        state.done.wait_for_completion();
        Ok(())
    }

    #[test]
    fn zeroes() -> Result {
        let rest = KBox::init(
            init!(Zeroes {
                a: 1,
                ..Zeroable::init_zeroed()
            }),
            GFP_KERNEL,
        )?;
        assert_eq!((rest.a, rest.b), (1, 0));
        let all = KBox::<Zeroes>::zeroed(GFP_KERNEL)?;
        assert_eq!((all.a, all.b), (0, 0));
        Ok(())
    }

    #[test]
    fn on_the_stack() {
        pin_init::stack_pin_init!(let lock = new_spinlock!(5u32));
        assert_eq!(*lock.lock(), 5);
    }

    // A static lock of the kernel kind: there from the start, by a guard.
    static COUNT: kernel::sync::atomic::Atomic<u32> = kernel::sync::atomic::Atomic::new(0);

    #[test]
    fn statics() {
        COUNT.add(1, kernel::sync::atomic::Relaxed);
    }
}

mod initialisers {
    use core::marker::PhantomPinned;
    use kernel::{
        prelude::*,
        sync::{new_spinlock, Arc, SpinLock},
        types::Opaque,
    };

    #[pin_data]
    struct Generic<'a, T, const N: usize>
    where
        T: Fn(u32) -> u32,
    {
        #[pin]
        lock: SpinLock<[u8; N]>,
        function: T,
        borrowed: &'a u32,
    }

    #[test]
    fn generics() -> Result {
        let number = &4;
        let boxed = KBox::pin_init(
            pin_init!(Generic {
                lock <- new_spinlock!([1, 2]),
                function: |x: u32| x + 1,
                borrowed: number,
            }),
            GFP_KERNEL,
        )?;
        assert_eq!((boxed.function)(*boxed.borrowed), 5);
        assert_eq!(boxed.lock.lock().len(), 2);
        Ok(())
    }

    struct Typed<T> {
        value: T,
    }

    #[test]
    fn turbofish_and_own_error() {
        let made = KBox::try_init::<Error>(
            init!(Typed::<u8> { value: u8::try_from(300)? }? Error),
            GFP_KERNEL,
        );
        assert_eq!(made.err(), Some(EINVAL));
    }

    #[pin_data(PinnedDrop)]
    struct Raw<T> {
        #[pin]
        c: Opaque<u32>,
        #[pin]
        _pin: PhantomPinned,
        this: *const u32,
        value: T,
    }

    #[allow(clippy::needless_lifetimes)]
    #[pinned_drop]
    impl<T> PinnedDrop for Raw<T> {
        fn drop(self: Pin<&mut Self>) {
            assert!(!self.this.is_null());
        }
    }

    #[test]
    fn this_and_chains() -> Result {
        let init = pin_init!(&this in Raw {
            c <- Opaque::ffi_init(|slot: *mut u32| {
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(7) }
            }),
            _pin: PhantomPinned,
            // SAFETY: `this` points to the structure, if not initialised yet.
            this: unsafe { (&raw const (*this.as_ptr()).c).cast() },
            value: 3u8,
        })
        .pin_chain(|raw| {
            assert_eq!(raw.value, 3);
            Ok(())
        });
        let raw: Pin<KBox<Raw<u8>>> = KBox::pin_init(init, GFP_KERNEL)?;
        assert_eq!(raw.this, raw.c.get().cast_const());
        Ok(())
    }

    struct Nested {
        inner: Result<u32, Error>,
    }

    #[test]
    fn values_and_results_are_initialisers() -> Result {
        assert_eq!(*Arc::init(7u32, GFP_KERNEL)?, 7);
        let failed = KBox::<u32>::try_init::<Error>(Err(EIO), GFP_KERNEL);
        assert_eq!(failed.err(), Some(EIO));
        let inner = Ok(3);
        let nested = KBox::init(init!(Nested { inner }), GFP_KERNEL)?;
        assert_eq!(nested.inner, Ok(3));
        Ok(())
    }

    #[test]
    fn scopes() -> Result {
        let init = pin_init::pin_init_scope(|| {
            let number = u8::try_from(7)?;
            Ok::<_, Error>(try_pin_init!(Scoped {
                lock <- new_spinlock!(number),
            }))
        });
        let scoped = KBox::pin_init(init, GFP_KERNEL)?;
        assert_eq!(*scoped.lock.lock(), 7);
        Ok(())
    }

    #[pin_data]
    struct Scoped {
        #[pin]
        lock: SpinLock<u8>,
    }
}

mod vtables {
    use kernel::{build_assert::build_error, error::VTABLE_DEFAULT_ERROR, prelude::*};

    #[vtable]
    trait Events {
        fn created(&self) -> u32 {
            build_error!(VTABLE_DEFAULT_ERROR)
        }

        fn done(&self) -> u32 {
            build_error!(VTABLE_DEFAULT_ERROR)
        }
    }

    struct Driver;

    #[vtable]
    impl Events for Driver {
        fn done(&self) -> u32 {
            1
        }
    }

    struct Table {
        done: Option<fn(&Driver) -> u32>,
        created: Option<fn(&Driver) -> u32>,
    }

    const TABLE: Table = Table {
        done: if Driver::HAS_DONE {
            Some(<Driver as Events>::done)
        } else {
            None
        },
        created: if Driver::HAS_CREATED {
            Some(<Driver as Events>::created)
        } else {
            None
        },
    };

    #[test]
    fn what_is_there_and_what_is_not() {
        assert_eq!(TABLE.done.map(|done| done(&Driver)), Some(1));
        assert!(TABLE.created.is_none());
    }
}

mod printing {
    use kernel::{fmt, prelude::*, str::CString};

    struct Seqno(u64);

    impl fmt::Display for Seqno {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "#{}", self.0)
        }
    }

    #[derive(Debug)]
    #[allow(dead_code)]
    enum State {
        Pending,
    }

    fn text(args: fmt::Arguments<'_>) -> CString {
        CString::try_from_fmt(args).unwrap()
    }

    #[test]
    fn formats() -> Result {
        let boxed = KBox::new(Seqno(3), GFP_KERNEL)?;
        let (a, b) = (1, 1);
        for (got, expected) in [
            (text(fmt!("{}", c"caf\xc3")), c"caf\\xc3"),
            (text(fmt!("{} {boxed}", Seqno(2))), c"#2 #3"),
            (
                text(fmt!("{:?} {:?}", State::Pending, c"x")),
                c"Pending \"x\"",
            ),
            (text(fmt!("{}", (a == b))), c"true"),
            (text(fmt!("{:?}", EINVAL)), c"EINVAL"),
        ] {
            assert_eq!(&*got, expected);
        }
        Ok(())
    }

    #[test]
    fn logs() {
        pr_warn!("{} of {}\n", 1, 2);
        pr_debug!("only with debug assertions\n");
        kernel::pr_info_once!("once\n");
        kernel::pr_cont!("");
    }
}

mod time_and_tasks {
    use kernel::{
        prelude::*,
        sync::{aref::ARef, rcu},
        task::{might_sleep, Task},
        time::{delay::fsleep, msecs_to_jiffies, Delta, Instant, Monotonic},
    };

    #[test]
    fn passes() {
        let start = Instant::<Monotonic>::now();
        fsleep(Delta::from_micros(1));
        assert!(!start.elapsed().is_negative());
        assert_eq!(msecs_to_jiffies(0), 0);
        might_sleep();
    }

    #[test]
    fn current_task() {
        let task: ARef<Task> = (&**current!()).into();
        assert!(*task == **current!());
        assert!(!task.signal_pending());
    }

    #[test]
    fn read_side() {
        let guard = rcu::read_lock();
        guard.unlock();
        rcu::synchronize_rcu();
    }
}

mod memory {
    use kernel::{
        kvec,
        prelude::*,
        sync::Arc,
        types::{ForeignOwnable, ScopeGuard},
    };

    trait Answer {
        fn answer(&self) -> u32;
    }

    impl Answer for u32 {
        fn answer(&self) -> u32 {
            *self
        }
    }

    #[test]
    fn unsized_by_raw_pointer() -> Result {
        let typed = KBox::new(7u32, GFP_KERNEL)?;
        let raw: *mut u32 = KBox::into_raw(typed);
        let raw: *mut dyn Answer = raw;
        // SAFETY: From a box, with another name for its type.
        let boxed: KBox<dyn Answer> = unsafe { KBox::from_raw(raw) };
        assert_eq!(boxed.answer(), 7);

        let typed = Arc::new(8u32, GFP_KERNEL)?;
        let raw: *const u32 = typed.into_raw();
        let raw: *const dyn Answer = raw;
        // SAFETY: From an Arc, with another name for its type.
        let arc: Arc<dyn Answer> = unsafe { Arc::from_raw(raw) };
        assert_eq!(arc.answer(), 8);
        Ok(())
    }

    #[test]
    fn for_c_to_keep() -> Result {
        let kept = Arc::new(1u8, GFP_KERNEL)?.into_foreign();
        // SAFETY: Kept just now, and taken back once.
        assert_eq!(*unsafe { Arc::<u8>::from_foreign(kept) }, 1);
        Ok(())
    }

    #[test]
    fn vectors_and_scopes() -> Result {
        let numbers = kvec![1u8; 3]?;
        let mut sum = 0;
        {
            let _guard = ScopeGuard::new(|| sum = numbers.iter().sum());
        }
        assert_eq!(sum, 3u8);
        Ok(())
    }
}

#[kunit_tests(matrix)]
mod suite {
    use super::*;

    #[test]
    fn a_test_may_return_a_result() -> Result {
        assert_eq!(*KBox::new(1, GFP_KERNEL)?, 1);
        assert!(true);
        Ok(())
    }
}
