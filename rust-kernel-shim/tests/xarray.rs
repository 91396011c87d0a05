// SPDX-License-Identifier: GPL-2.0-only
//! Arrays with holes do what a map does.

#![forbid(unsafe_code)]

use kernel::{
    alloc::Flags,
    prelude::*,
    sync::{Arc, Completion},
    testing::{explore, memory::fail_nth, spawn},
    xarray::{AllocKind, Guard, ReservedIndex, StoreError, XArray, XaLimit},
};
use proptest::prelude::{any, prop, prop_oneof, proptest, Just, ProptestConfig, Strategy};
use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

type Value = KBox<Rc<u16>>;

#[derive(Clone, Debug)]
enum Step {
    Store(usize, u16),
    Change(usize, u16),
    Remove(usize),
    Alloc(u16),
    Reserve,
    /// The first or last of those that are reserved.
    StoreReserved(bool, u16),
    Release(bool),
}

/// Indices at which the tree changes its height, and their neighbours; and small ones.
fn index() -> impl Strategy<Value = usize> {
    let edge = (0u32..64, 0usize..3).prop_map(|(bit, n)| (1 << bit) + n - 1);
    prop_oneof![3 => 0usize..200, 2 => edge, 2 => Just(0), 1 => Just(usize::MAX), 1 => any::<usize>()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (index(), any::<u16>()).prop_map(|(index, value)| Step::Store(index, value)),
        1 => (index(), any::<u16>()).prop_map(|(index, value)| Step::Change(index, value)),
        3 => index().prop_map(Step::Remove),
        3 => any::<u16>().prop_map(Step::Alloc),
        3 => Just(Step::Reserve),
        2 => any::<(bool, u16)>().prop_map(|(first, value)| Step::StoreReserved(first, value)),
        2 => any::<bool>().prop_map(Step::Release),
    ]
}

/// The indices that are asked for.
const MIN: u32 = 60;
const MAX: u32 = 68;

/// What an array should have; what is reserved has `None`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    map: BTreeMap<usize, Option<u16>>,
    next: u32,
}

impl Model {
    /// The first index that is free from `next` on, or from the start.
    fn cyclic(&mut self) -> Result<usize> {
        let free = |index: &u32| !self.map.contains_key(&(*index as usize));
        let mut rest = self.next.max(MIN)..=MAX;
        let found = rest.find(&free).or_else(|| (MIN..=MAX).find(&free));
        let id = found.ok_or(EBUSY)?;
        self.next = id + 1;
        Ok(id as usize)
    }

    fn reserved(&self, first: bool) -> Option<usize> {
        let mut all = self.map.iter().filter(|(_, value)| value.is_none());
        let found = if first { all.next() } else { all.next_back() };
        found.map(|(index, _)| *index)
    }
}

fn value(number: u16) -> Value {
    KBox::new(Rc::new(number), GFP_ATOMIC).unwrap()
}

fn number(value: Option<Value>) -> Option<u16> {
    value.map(|value| **value)
}

fn in_u32(index: usize) -> ReservedIndex {
    ReservedIndex(index.try_into().unwrap())
}

/// Applies a step to both. An error leaves the model alone; the value must come back.
fn apply(guard: &mut Guard<'_, Value>, model: &mut Model, step: &Step, gfp: Flags) -> Result {
    let limit = XaLimit::new(MIN, MAX);
    let before = model.clone();
    let back = |model: &mut Model, error: StoreError<Value>, n| {
        assert_eq!(**error.value, n);
        *model = before.clone();
        error.error
    };
    match *step {
        Step::Store(index, n) => {
            // Made before: what it allocates is not counted.
            let new = THE_VALUE.with(|value| value.take()).unwrap();
            let old = guard
                .store(index, new, gfp)
                .map_err(|error| back(model, error, n))?;
            assert_eq!(number(old), model.map.insert(index, Some(n)).flatten());
        }
        Step::Change(index, n) => {
            let changed = guard
                .get_mut(index)
                .map(|value| *value = Rc::new(n))
                .is_some();
            assert_eq!(changed, matches!(model.map.get(&index), Some(Some(_))));
            if changed {
                model.map.insert(index, Some(n));
            }
        }
        Step::Remove(index) => {
            assert_eq!(
                number(guard.remove(index)),
                model.map.remove(&index).flatten()
            );
        }
        Step::Alloc(n) => {
            let new = THE_VALUE.with(|value| value.take()).unwrap();
            let mut next = model.next;
            let expected = model.cyclic();
            let got = guard.alloc_cyclic(new, limit, &mut next, gfp);
            let index = got.map_err(|error| back(model, error, n))?;
            assert_eq!((Ok(index), next), (expected, model.next));
            model.map.insert(index, Some(n));
        }
        Step::Reserve => {
            let mut next = model.next;
            let expected = model.cyclic();
            let got = guard.alloc_cyclic_reserve(limit, &mut next, gfp);
            let index = got.inspect_err(|_| *model = before.clone())?.index();
            assert_eq!((Ok(index), next), (expected, model.next));
            model.map.insert(index, None);
        }
        Step::StoreReserved(first, n) => {
            let new = THE_VALUE.with(|value| value.take()).unwrap();
            if let Some(index) = model.reserved(first) {
                let stored = guard.store_reserved(in_u32(index), new);
                stored.map_err(|error| back(model, error, n))?;
                model.map.insert(index, Some(n));
            }
        }
        Step::Release(first) => {
            if let Some(index) = model.reserved(first) {
                guard.release(in_u32(index));
                model.map.remove(&index);
            }
            // Nothing happens to one that has a value.
            if let Some((index, _)) = model.map.range(..=0xffff_ffff).next() {
                if model.map[index].is_some() {
                    guard.release(in_u32(*index));
                }
            }
        }
    }
    Ok(())
}

thread_local! {
    static THE_VALUE: std::cell::Cell<Option<Value>> = const { std::cell::Cell::new(None) };
}

fn make_value(step: &Step) {
    if let Step::Store(_, n) | Step::Alloc(n) | Step::StoreReserved(_, n) = *step {
        THE_VALUE.set(Some(value(n)));
    }
}

fn check(guard: &Guard<'_, Value>, model: &Model) {
    for index in Iterator::chain(0..210, model.map.keys().copied()) {
        let expected = model.map.get(&index).copied().flatten();
        assert_eq!(
            guard.get(index).map(|value| **value),
            expected,
            "at {index}"
        );
    }
}

fn array() -> Pin<KBox<XArray<Value>>> {
    KBox::pin_init(XArray::new(AllocKind::AllocCyclic), GFP_KERNEL).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_array_is_a_map(
        steps in prop::collection::vec(step(), 0..60),
        sleeps in any::<bool>(),
    ) {
        let (array, mut model) = (array(), Model::default());
        let mut guard = array.lock();
        for step in &steps {
            make_value(step);
            let gfp = if sleeps { GFP_KERNEL } else { GFP_ATOMIC };
            let full = (MIN..=MAX).all(|index| model.map.contains_key(&(index as usize)));
            let busy = full && matches!(step, Step::Alloc(_) | Step::Reserve);
            let expected = if busy { Err(EBUSY) } else { Ok(()) };
            assert_eq!(apply(&mut guard, &mut model, step, gfp), expected);
            check(&guard, &model);
        }
    }

    /// Each allocation of each step fails in its turn, and then nothing has changed.
    #[test]
    fn without_memory_it_stays(steps in prop::collection::vec(step(), 0..40)) {
        let (array, mut model) = (array(), Model::default());
        let mut guard = array.lock();
        for step in &steps {
            for nth in 1.. {
                make_value(step);
                // From the start: C looks there as well, also for want of memory.
                model.next = 0;
                let before = model.clone();
                let gfp = if nth % 2 == 0 { GFP_KERNEL } else { GFP_ATOMIC };
                let (result, reached) = fail_nth(nth, || apply(&mut guard, &mut model, step, gfp));
                check(&guard, &model);
                if !reached {
                    break;
                }
                assert_eq!((result, &model), (Err(ENOMEM), &before));
                assert!(!matches!(step, Step::StoreReserved(..) | Step::Remove(_)));
            }
        }
    }
}

#[test]
fn values_are_dropped_with_the_array() -> Result {
    let value = Rc::new(7u16);
    let array = array();
    for index in [0, 1, 63, 64, 4096, usize::MAX] {
        let value = KBox::new(value.clone(), GFP_KERNEL)?;
        array.lock().store(index, value, GFP_KERNEL)?;
    }
    assert_eq!(Rc::strong_count(&value), 7);
    let another = KBox::new(value.clone(), GFP_KERNEL)?;
    array.lock().store(64, another, GFP_KERNEL)?;
    assert_eq!(Rc::strong_count(&value), 7);
    drop(array);
    assert_eq!(Rc::strong_count(&value), 1);
    Ok(())
}

#[test]
fn the_first_index_can_be_one() -> Result {
    for (kind, first) in [(AllocKind::Alloc, 0), (AllocKind::Alloc1, 1)] {
        let array = KBox::pin_init(XArray::new(kind), GFP_KERNEL)?;
        let (mut guard, mut next) = (array.lock(), 0);
        for n in first..200 {
            let value = KBox::new(n, GFP_ATOMIC)?;
            let index = guard.alloc_cyclic(value, XaLimit::LIMIT_32B, &mut next, GFP_ATOMIC)?;
            assert_eq!((index, guard.get(n)), (n, Some(&n)));
        }
    }
    Ok(())
}

#[test]
fn at_the_end_it_begins_anew() -> Result {
    let (array, mut next) = (array(), u32::MAX - 1);
    let mut guard = array.lock();
    let mut reserve = |limit| {
        let id = guard.alloc_cyclic_reserve(limit, &mut next, GFP_ATOMIC)?;
        Ok::<_, Error>(id.0)
    };
    assert_eq!(reserve(XaLimit::LIMIT_32B)?, u32::MAX - 1);
    assert_eq!(reserve(XaLimit::LIMIT_32B)?, u32::MAX);
    assert_eq!(reserve(XaLimit::LIMIT_32B)?, 0);
    assert_eq!(reserve(XaLimit::LIMIT_16B)?, 1);
    Ok(())
}

/// A lock that is released for memory lets others in.
#[test]
fn others_come_in_where_memory_is_made() {
    static SEEN: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    explore(|| {
        let array = Arc::pin_init(XArray::<KBox<u32>>::new(AllocKind::Alloc), GFP_KERNEL).unwrap();
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let (its, tells) = (array.clone(), done.clone());
        spawn(move || {
            let two = KBox::new(2, GFP_KERNEL).unwrap();
            assert!(its.lock().store(1, two, GFP_ATOMIC).is_ok());
            tells.complete_all();
        });
        let one = KBox::new(1, GFP_KERNEL).unwrap();
        let mut guard = array.lock();
        let before = guard.get(1).is_some();
        assert!(guard
            .store(64, one, GFP_KERNEL)
            .is_ok_and(|old| old.is_none()));
        let after = guard.get(1).is_some();
        SEEN[usize::from(!before && after)].store(true, Relaxed);
        drop(guard);
        done.wait_for_completion();
        assert_eq!(array.lock().get(1), Some(&2));
        assert_eq!(array.lock().get(64), Some(&1));
    });
    // Without a debug kernel's points there are schedules that are not found.
    assert!(cfg!(not(feature = "debug")) || SEEN.iter().all(|seen| seen.load(Relaxed)));
}

#[test]
fn a_lock_that_is_held_is_not_taken() {
    let array = array();
    let guard = array.lock();
    assert!(array.try_lock().is_none());
    drop(guard);
    assert!(array.try_lock().is_some());
}

#[test]
#[should_panic(expected = "aligned to four bytes")]
fn pointers_that_are_not_aligned_are_refused() {
    let array = KBox::pin_init(XArray::new(AllocKind::Alloc), GFP_KERNEL).unwrap();
    let _ = array.lock().store(0, (), GFP_ATOMIC);
}
