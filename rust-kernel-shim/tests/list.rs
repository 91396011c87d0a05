// SPDX-License-Identifier: GPL-2.0-only
//! Lists do what a deque does.

#![forbid(unsafe_code)]

use kernel::{
    list::{
        define_list_arc_field_getter, impl_list_arc_safe, impl_list_item, AtomicTracker, Cursor,
        List, ListArc, ListArcField, ListArcSafe, ListItem, ListLinks, ListLinksSelfPtr,
        TryNewListArc,
    },
    prelude::*,
    sync::{Arc, Completion, UniqueArc},
    testing::{explore, memory::fail_nth, spawn},
};
use proptest::prelude::{any, prop, prop_oneof, proptest, Just, ProptestConfig, Strategy};
use std::{collections::VecDeque, rc::Rc};

#[pin_data]
struct Item {
    number: u16,
    /// Counts the items.
    _count: Rc<()>,
    #[pin]
    one: ListLinks<0>,
    #[pin]
    two: ListLinksSelfPtr<Item, 1>,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Item { untracked; }
    impl ListArcSafe<1> for Item { untracked; }
}

impl_list_item! {
    impl ListItem<0> for Item { using ListLinks { self.one }; }
}

impl_list_item! {
    impl ListItem<1> for Item { using ListLinksSelfPtr { self.two }; }
}

fn init(number: u16, count: &Rc<()>) -> impl PinInit<Item, Error> {
    let _count = count.clone();
    try_pin_init!(Item {
        number,
        _count,
        one <- ListLinks::new(),
        two <- ListLinksSelfPtr::new(),
    })
}

#[derive(Clone, Debug)]
enum Step {
    PushBack(u16),
    PushFront(u16),
    PopBack,
    PopFront,
    /// Puts that many at the end, from another list.
    PushAll(u16),
    /// So many places from the start or the end, what to do there.
    At(bool, usize, At),
}

#[derive(Clone, Copy, Debug)]
enum At {
    Insert(u16),
    InsertNext(u16),
    InsertPrev(u16),
    RemoveNext,
    RemovePrev,
}

fn step() -> impl Strategy<Value = Step> {
    let at = prop_oneof![
        any::<u16>().prop_map(At::Insert),
        any::<u16>().prop_map(At::InsertNext),
        any::<u16>().prop_map(At::InsertPrev),
        Just(At::RemoveNext),
        Just(At::RemovePrev),
    ];
    prop_oneof![
        2 => any::<u16>().prop_map(Step::PushBack),
        2 => any::<u16>().prop_map(Step::PushFront),
        2 => Just(Step::PopBack),
        2 => Just(Step::PopFront),
        1 => (0u16..4).prop_map(Step::PushAll),
        4 => (any::<bool>(), 0usize..6, at).prop_map(|(front, n, at)| Step::At(front, n, at)),
    ]
}

/// A list, a deque that should have the same, and the count of the items.
struct Both<const ID: u64>
where
    Item: ListItem<ID>,
{
    list: List<Item, ID>,
    deque: VecDeque<u16>,
    count: Rc<()>,
}

impl<const ID: u64> Both<ID>
where
    Item: ListItem<ID>,
{
    fn new() -> Self {
        Both {
            list: List::new(),
            deque: VecDeque::new(),
            count: Rc::new(()),
        }
    }

    fn item(&self, number: u16) -> Result<ListArc<Item, ID>> {
        ListArc::pin_init(init(number, &self.count), GFP_KERNEL)
    }

    fn step(&mut self, step: &Step) -> Result {
        let number = |item: Option<ListArc<Item, ID>>| item.map(|item| item.number);
        match *step {
            Step::PushBack(n) => {
                self.list.push_back(self.item(n)?);
                self.deque.push_back(n);
            }
            Step::PushFront(n) => {
                self.list.push_front(self.item(n)?);
                self.deque.push_front(n);
            }
            Step::PopBack => assert_eq!(number(self.list.pop_back()), self.deque.pop_back()),
            Step::PopFront => assert_eq!(number(self.list.pop_front()), self.deque.pop_front()),
            Step::PushAll(n) => {
                let mut other = List::default();
                for n in 0..n {
                    other.push_back(self.item(n)?);
                }
                self.list.push_all_back(&mut other);
                assert!(other.is_empty() && other.pop_front().is_none());
                self.deque.extend(0..n);
            }
            Step::At(front, n, at) => self.at(front, n, at)?,
        }
        Ok(())
    }

    fn at(&mut self, front: bool, n: usize, at: At) -> Result {
        let new = match at {
            At::Insert(n) | At::InsertNext(n) | At::InsertPrev(n) => Some(self.item(n)?),
            At::RemoveNext | At::RemovePrev => None,
        };
        let mut cursor = if front {
            self.list.cursor_front()
        } else {
            self.list.cursor_back()
        };
        // The items in front of the cursor.
        let mut place = if front { 0 } else { self.deque.len() };
        for _ in 0..n {
            let (moved, ends) = if front {
                (cursor.move_next(), place == self.deque.len())
            } else {
                (cursor.move_prev(), place == 0)
            };
            assert_eq!(moved, !ends);
            place = match (moved, front) {
                (false, _) => place,
                (true, true) => place + 1,
                (true, false) => place - 1,
            };
        }
        let around = |cursor: &mut Cursor<'_, Item, ID>, deque: &VecDeque<u16>, place: usize| {
            let prev = cursor.peek_prev().map(|item| item.arc().number);
            assert_eq!(prev, place.checked_sub(1).map(|before| deque[before]));
            assert_eq!(
                cursor.peek_next().map(|item| item.number),
                deque.get(place).copied()
            );
        };
        around(&mut cursor, &self.deque, place);
        match (at, new) {
            (At::Insert(n), Some(new)) => {
                cursor.insert(new);
                self.deque.insert(place, n);
                return Ok(());
            }
            (At::InsertNext(n), Some(new)) => {
                cursor.insert_next(new);
                self.deque.insert(place, n);
            }
            (At::InsertPrev(n), Some(new)) => {
                cursor.insert_prev(new);
                self.deque.insert(place, n);
                place += 1;
            }
            (At::RemovePrev, _) => {
                let before = place.checked_sub(1);
                let expected = before.and_then(|before| self.deque.remove(before));
                assert_eq!(cursor.remove_prev().map(|item| item.number), expected);
                place = before.unwrap_or(0);
            }
            (_, _) => {
                let expected = self.deque.remove(place);
                assert_eq!(cursor.remove_next().map(|item| item.number), expected);
            }
        }
        around(&mut cursor, &self.deque, place);
        Ok(())
    }

    fn check(&self) {
        assert!(self
            .list
            .iter()
            .map(|item| item.number)
            .eq(self.deque.iter().copied()));
        assert_eq!(self.list.is_empty(), self.deque.is_empty());
        assert_eq!(Rc::strong_count(&self.count), self.deque.len() + 1);
    }

    fn run(steps: &[Step]) {
        let mut both = Self::new();
        for step in steps {
            both.step(step).unwrap();
            both.check();
        }
        let Both {
            list,
            mut deque,
            count,
        } = both;
        let mut rest = list.into_iter();
        while let Some(item) = rest.next_back() {
            assert_eq!(Some(item.number), deque.pop_back());
            assert_eq!(rest.next().map(|item| item.number), deque.pop_front());
        }
        drop(rest);
        assert_eq!((deque.len(), Rc::strong_count(&count)), (0, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_list_is_a_deque(steps in prop::collection::vec(step(), 0..60)) {
        Both::<0>::run(&steps);
    }

    #[test]
    fn a_list_by_pointers_is_a_deque(steps in prop::collection::vec(step(), 0..60)) {
        Both::<1>::run(&steps);
    }

    /// A step that finds no memory changes nothing.
    #[test]
    fn without_memory_it_stays(steps in prop::collection::vec(step(), 0..40)) {
        let mut both = Both::<0>::new();
        for step in &steps {
            let (result, reached) = fail_nth(1, || both.step(step));
            assert_eq!(result, if reached { Err(ENOMEM) } else { Ok(()) });
            both.check();
        }
    }
}

#[test]
fn a_value_is_on_two_lists() -> Result {
    let count = Rc::new(());
    let (mut one, mut two) = (List::<Item, 0>::new(), List::<Item, 1>::new());
    for n in 0..3 {
        let item = UniqueArc::try_pin_init(init(n, &count), GFP_KERNEL)?;
        let (first, second) = ListArc::pair_from_pin_unique(item);
        one.push_back(first);
        two.push_front(second);
    }
    assert!(one.iter().map(|item| item.number).eq([0, 1, 2]));
    assert!(two.iter().map(|item| item.number).eq([2, 1, 0]));
    let kept = one.iter().next().map(Arc::from).ok_or(ENOENT)?;
    drop(one);
    assert!(two.iter().map(|item| item.number).eq([2, 1, 0]));
    drop(two);
    assert_eq!((kept.number, Rc::strong_count(&count)), (0, 2));
    // The last owner of all can have the right again.
    let last = Arc::into_unique_or_drop(kept).ok_or(EBUSY)?;
    let mut one = List::<Item, 0>::new();
    one.push_back(ListArc::from(last));
    drop(one);
    assert_eq!(Rc::strong_count(&count), 1);
    Ok(())
}

#[pin_data]
struct Tracked {
    #[pin]
    tracker: AtomicTracker,
    #[pin]
    links: ListLinks,
    uses: ListArcField<u32>,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Tracked { tracked_by tracker: AtomicTracker; }
}

impl_list_item! {
    impl ListItem<0> for Tracked { using ListLinks { self.links }; }
}

impl Tracked {
    define_list_arc_field_getter! {
        fn uses(&mut self<0>) -> &mut u32 { uses }
    }

    fn new() -> Result<Arc<Tracked>> {
        let init = try_pin_init!(Tracked {
            tracker <- AtomicTracker::new(),
            links <- ListLinks::new(),
            uses: ListArcField::new(0),
        });
        Arc::pin_init(init, GFP_KERNEL)
    }
}

#[test]
fn the_right_is_given_once() -> Result {
    let arc = Tracked::new()?;
    let right = ListArc::<Tracked>::try_from_arc(arc.clone()).map_err(|_| EBUSY)?;
    assert!(ListArc::<Tracked>::try_from_arc_borrow(arc.as_arc_borrow()).is_none());
    assert!(ListArc::<Tracked>::try_from_arc_or_drop(arc.clone()).is_none());
    // On a list and off it the right stays.
    let mut list = List::new();
    list.push_back(right);
    assert!(ListArc::<Tracked>::try_from_arc(arc.clone()).is_err());
    let right = list.pop_front().ok_or(ENOENT)?;
    assert!(ListArc::<Tracked>::try_from_arc(arc.clone()).is_err());
    assert!(Arc::ptr_eq(&arc, right.as_arc()) && Arc::ptr_eq(&arc, &right.clone_arc()));
    // Given up, it can be taken again.
    let also = right.into_arc();
    let right = ListArc::<Tracked>::try_from_arc_borrow(arc.as_arc_borrow()).ok_or(EBUSY)?;
    drop((also, right));
    let right = ListArc::<Tracked>::try_from_arc_or_drop(arc).ok_or(EBUSY)?;
    // Made of the only owner, it is noted as well.
    let only = Arc::into_unique_or_drop(right.into_arc()).ok_or(EBUSY)?;
    let right = ListArc::<Tracked>::from(only);
    assert!(ListArc::<Tracked>::try_from_arc(right.clone_arc()).is_err());
    Ok(())
}

/// Who gets the right sees what was done with it before.
#[test]
fn the_right_goes_from_task_to_task() {
    fn try_to_use(arc: &Arc<Tracked>) -> u32 {
        match ListArc::<Tracked>::try_from_arc(arc.clone()) {
            Ok(mut right) => {
                *Tracked::uses(&mut right) += 1;
                1
            }
            Err(_) => 0,
        }
    }
    explore(|| {
        let arc = Tracked::new().unwrap();
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL).unwrap();
        let (its, tells) = (arc.clone(), done.clone());
        let theirs = Arc::pin_init(kernel::new_mutex!(0), GFP_KERNEL).unwrap();
        let told = theirs.clone();
        spawn(move || {
            *told.lock() = try_to_use(&its);
            drop(its);
            tells.complete_all();
        });
        let mine = try_to_use(&arc);
        done.wait_for_completion();
        let mut right = ListArc::<Tracked>::try_from_arc_or_drop(arc).unwrap();
        assert_eq!(*Tracked::uses(&mut right), mine + *theirs.lock());
        assert!(mine + *theirs.lock() > 0);
    });
}

/// A type may leave the note to a field that leaves it to one of its own.
#[test]
fn notes_nest() -> Result {
    #[pin_data]
    struct Inner {
        #[pin]
        tracker: AtomicTracker<7>,
    }
    #[pin_data]
    struct Outer {
        #[pin]
        inner: Inner,
    }
    impl_list_arc_safe! {
        impl ListArcSafe<7> for Inner { tracked_by tracker: AtomicTracker<7>; }
        impl ListArcSafe<7> for Outer { tracked_by inner: Inner; }
    }
    fn tracks<T: TryNewListArc<7> + ListArcSafe<7>>(arc: &Arc<T>) -> bool {
        ListArc::<T, 7>::try_from_arc(arc.clone()).is_ok()
    }
    let init = try_pin_init!(Outer {
        inner <- pin_init!(Inner { tracker <- AtomicTracker::new() }),
    });
    let arc = Arc::<Outer>::pin_init(init, GFP_KERNEL)?;
    let right = ListArc::<Outer, 7>::try_from_arc(arc.clone()).map_err(|_| EBUSY)?;
    assert!(!tracks(&arc));
    drop(right);
    assert!(tracks(&arc));
    Ok(())
}
