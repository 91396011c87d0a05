// SPDX-License-Identifier: GPL-2.0-only
//! Red-black trees do what a map does.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    rbtree::{CursorMut, Entry, RBTree, RBTreeNode, RBTreeNodeReservation},
    testing::memory::fail_nth,
};
use proptest::prelude::{any, prop, prop_oneof, proptest, Just, ProptestConfig, Strategy};
use std::{collections::BTreeMap, ops::Bound::Excluded, ops::Bound::Unbounded, rc::Rc};

/// A value that is counted.
type Value = Rc<u16>;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u16),
    Entry(u8, u16),
    Change(u8, u16),
    Remove(u8),
    RemoveNode(u8),
    AddToAll(u16),
    /// At the first that is not less: what to do there.
    At(u8, At),
}

#[derive(Clone, Copy, Debug)]
enum At {
    RemoveCurrent,
    RemovePrev,
    RemoveNext,
    Change(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let (key, value) = (|| 0u8..40, || any::<u16>());
    let at = prop_oneof![
        Just(At::RemoveCurrent),
        Just(At::RemovePrev),
        Just(At::RemoveNext),
        value().prop_map(At::Change),
    ];
    prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Step::Insert(key, value)),
        3 => (key(), value()).prop_map(|(key, value)| Step::Entry(key, value)),
        1 => (key(), value()).prop_map(|(key, value)| Step::Change(key, value)),
        1 => key().prop_map(Step::Remove),
        1 => key().prop_map(Step::RemoveNode),
        1 => value().prop_map(Step::AddToAll),
        3 => (key(), at).prop_map(|(key, at)| Step::At(key, at)),
    ]
}

/// A tree, a map that should have the same, and a count of the values.
#[derive(Default)]
struct Both {
    tree: RBTree<u8, Value>,
    map: BTreeMap<u8, u16>,
}

fn pair(node: RBTreeNode<u8, Value>) -> (u8, u16) {
    let (key, value) = node.to_key_value();
    (key, *value)
}

impl Both {
    fn step(&mut self, step: &Step) -> Result {
        match *step {
            Step::Insert(key, value) => {
                let old = self
                    .tree
                    .try_create_and_insert(key, Rc::new(value), GFP_KERNEL)?;
                assert_eq!(
                    old.map(pair),
                    self.map.insert(key, value).map(|old| (key, old))
                );
            }
            Step::Entry(key, value) => {
                let current = match self.tree.entry(key) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        entry.insert(Rc::new(value), RBTreeNodeReservation::new(GFP_KERNEL)?)
                    }
                };
                assert_eq!(**current, *self.map.entry(key).or_insert(value));
            }
            Step::Change(key, value) => {
                let changed = self.tree.get_mut(&key).map(|old| *old = Rc::new(value));
                assert_eq!(changed, self.map.get_mut(&key).map(|old| *old = value));
            }
            Step::Remove(key) => {
                assert_eq!(
                    self.tree.remove(&key).as_deref(),
                    self.map.remove(&key).as_ref()
                );
            }
            Step::RemoveNode(key) => {
                assert_eq!(
                    self.tree.remove_node(&key).map(pair),
                    self.map.remove_entry(&key)
                );
            }
            Step::AddToAll(n) => {
                self.tree
                    .values_mut()
                    .for_each(|value| *value = Rc::new(value.wrapping_add(n)));
                self.map
                    .values_mut()
                    .for_each(|value| *value = value.wrapping_add(n));
            }
            Step::At(key, at) => self.at(key, at),
        }
        Ok(())
    }

    fn at(&mut self, key: u8, at: At) {
        let found = self.map.range(key..).next().map(|(&key, _)| key);
        let cursor = self.tree.cursor_lower_bound_mut(&key);
        assert_eq!(cursor.as_ref().map(|cursor| *cursor.current().0), found);
        let (Some(mut cursor), Some(key)) = (cursor, found) else {
            return;
        };
        let prev = self.map.range(..key).next_back().map(|(&key, _)| key);
        let next = self
            .map
            .range((Excluded(key), Unbounded))
            .next()
            .map(|(&key, _)| key);
        let key_of = |cursor: &CursorMut<'_, u8, Value>| *cursor.current().0;
        match at {
            At::RemoveCurrent => {
                let (cursor, node) = cursor.remove_current();
                assert_eq!(cursor.as_ref().map(key_of), next.or(prev));
                assert_eq!(Some(pair(node)), self.map.remove_entry(&key));
            }
            At::RemovePrev => {
                let expected = prev.and_then(|prev| self.map.remove_entry(&prev));
                assert_eq!(cursor.remove_prev().map(pair), expected);
                assert_eq!(key_of(&cursor), key);
            }
            At::RemoveNext => {
                let expected = next.and_then(|next| self.map.remove_entry(&next));
                assert_eq!(cursor.remove_next().map(pair), expected);
                assert_eq!(key_of(&cursor), key);
            }
            At::Change(value) => {
                assert_eq!(cursor.peek_prev().map(|(key, _)| *key), prev);
                assert_eq!(cursor.peek_next().map(|(key, _)| *key), next);
                *cursor.current_mut().1 = Rc::new(value);
                self.map.insert(key, value);
                if let Some((key, old)) = cursor.peek_prev_mut() {
                    *old = Rc::new(value);
                    self.map.insert(*key, value);
                }
                if let Some((key, old)) = cursor.peek_next_mut() {
                    *old = Rc::new(value);
                    self.map.insert(*key, value);
                }
                let back = cursor.move_prev().and_then(CursorMut::move_next);
                assert_eq!(back.as_ref().map(key_of), prev.map(|_| key));
            }
        }
    }

    fn check(&self) {
        let all = |(key, value): (&u8, &Value)| (*key, **value);
        assert!(self
            .tree
            .iter()
            .map(all)
            .eq(self.map.iter().map(|(k, v)| (*k, *v))));
        assert!(self.tree.keys().eq(self.map.keys()));
        assert!(self
            .tree
            .values()
            .map(|value| &**value)
            .eq(self.map.values()));
        assert_eq!(self.tree.is_empty(), self.map.is_empty());
        let first = self.tree.cursor_front().map(|cursor| *cursor.current().0);
        assert_eq!(first, self.map.keys().next().copied());
        let last = self.tree.cursor_back().map(|cursor| *cursor.current().0);
        assert_eq!(last, self.map.keys().next_back().copied());
        for key in 0..40 {
            assert_eq!(
                self.tree.get(&key).map(|value| **value),
                self.map.get(&key).copied()
            );
            let cursor = self.tree.cursor_lower_bound(&key);
            let found = cursor.as_ref().map(|cursor| all(cursor.current()));
            assert_eq!(found, self.map.range(key..).next().map(|(k, v)| (*k, *v)));
            if let (Some(cursor), Some((found, _))) = (cursor, found) {
                let before = self.map.range(..found).next_back().map(|(k, v)| (*k, *v));
                assert_eq!(cursor.peek_prev().map(all), before);
                let after = self.map.range((Excluded(found), Unbounded)).next();
                assert_eq!(cursor.peek_next().map(all), after.map(|(k, v)| (*k, *v)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_tree_is_a_map(steps in prop::collection::vec(step(), 0..60)) {
        let mut both = Both::default();
        for step in &steps {
            both.step(step).unwrap();
            both.check();
        }
    }

    /// A step that finds no memory changes nothing.
    #[test]
    fn without_memory_it_stays(steps in prop::collection::vec(step(), 0..60)) {
        let mut both = Both::default();
        for step in &steps {
            let (result, reached) = fail_nth(1, || both.step(step));
            assert_eq!(result, if reached { Err(ENOMEM) } else { Ok(()) });
            both.check();
            if reached {
                both.step(step).unwrap();
            }
        }
    }
}

#[test]
fn all_that_is_in_a_tree_is_dropped_with_it() -> Result {
    let value = Rc::new(());
    let mut tree = RBTree::new();
    for key in 0..100 {
        tree.try_create_and_insert(key * 37 % 101, value.clone(), GFP_KERNEL)?;
    }
    let node = tree.remove_node(&0).ok_or(ENOENT)?;
    assert_eq!(Rc::strong_count(&value), 101);
    let reserved = node.into_reservation();
    assert_eq!(Rc::strong_count(&value), 100);
    drop(reserved.into_node(1, value.clone()));
    drop(tree);
    assert_eq!(Rc::strong_count(&value), 1);
    Ok(())
}

/// What a key does that has no order, and panics at times.
#[test]
fn a_key_without_an_order_loses_nothing() -> Result {
    #[derive(PartialEq, Eq)]
    struct Odd(u32);
    impl PartialOrd for Odd {
        fn partial_cmp(&self, other: &Odd) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Odd {
        fn cmp(&self, other: &Odd) -> std::cmp::Ordering {
            match (self.0 * 7 + other.0 * 5) % 11 {
                0 => panic!("not to be compared"),
                n if n % 2 == 0 => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            }
        }
    }
    let value = Rc::new(());
    let mut tree = RBTree::new();
    let mut inserted = 0;
    for key in 0..200 {
        let node = RBTreeNode::new(Odd(key), value.clone(), GFP_KERNEL)?;
        let insert = std::panic::AssertUnwindSafe(|| tree.insert(node).is_none());
        inserted += usize::from(std::panic::catch_unwind(insert).is_ok());
    }
    assert!(inserted > 10 && inserted < 200);
    assert_eq!(
        (tree.iter().count(), Rc::strong_count(&value)),
        (inserted, inserted + 1)
    );
    drop(tree);
    assert_eq!(Rc::strong_count(&value), 1);
    Ok(())
}
