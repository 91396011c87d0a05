// SPDX-License-Identifier: GPL-2.0-only
//! C's red-black trees, after each step of which the colours are as they must be.

use kernel::bindings::{self, rb_node, rb_root};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    mem::{offset_of, size_of},
    ptr::null_mut,
};

/// As in C, where the parent is an `unsigned long`.
const _: () = {
    assert!(size_of::<rb_root>() == 8 && size_of::<rb_node>() == 24);
    assert!(offset_of!(rb_node, __rb_parent_color) == 0);
    assert!(offset_of!(rb_node, rb_right) == 8 && offset_of!(rb_node, rb_left) == 16);
};

#[repr(C)]
struct Item {
    links: rb_node,
    key: u8,
}

/// The number of black nodes on each way down from `node`, whose keys are added to `keys`.
fn black_height(node: *mut rb_node, above: *mut rb_node, keys: &mut Vec<u8>) -> usize {
    if node.is_null() {
        return 0;
    }
    // SAFETY: All nodes are in boxes of the test.
    let (links, key) = unsafe { (*node, (*node.cast::<Item>()).key) };
    let black = |node: *mut rb_node| {
        // SAFETY: As above.
        node.is_null() || unsafe { (*node).__rb_parent_color }.addr() & 1 == 1
    };
    assert_eq!(links.__rb_parent_color.map_addr(|addr| addr & !1), above);
    assert!(
        black(node) || black(links.rb_left) && black(links.rb_right),
        "red below red"
    );
    let left = black_height(links.rb_left, node, keys);
    keys.push(key);
    assert_eq!(
        left,
        black_height(links.rb_right, node, keys),
        "ways differ"
    );
    left + usize::from(black(node))
}

struct Tree {
    root: rb_root,
    items: BTreeMap<u8, Box<Item>>,
}

impl Tree {
    /// Inserts a key; puts another node into its place if it is there.
    fn insert(&mut self, key: u8) {
        let links = rb_node::default();
        let mut item = Box::new(Item { links, key });
        let new = &raw mut item.links;
        // SAFETY: All nodes are in boxes of the test, and in order.
        unsafe {
            if let Some(old) = self.items.get_mut(&key) {
                bindings::rb_replace_node(&mut old.links, new, &mut self.root);
            } else {
                let (mut above, mut link) = (null_mut(), &raw mut self.root.rb_node);
                while !(*link).is_null() {
                    above = *link;
                    link = match (*above.cast::<Item>()).key < key {
                        true => &raw mut (*above).rb_right,
                        false => &raw mut (*above).rb_left,
                    };
                }
                bindings::rb_link_node(new, above, link);
                bindings::rb_insert_color(new, &mut self.root);
            }
        }
        self.items.insert(key, item);
    }

    fn erase(&mut self, key: u8) {
        if let Some(mut item) = self.items.remove(&key) {
            // SAFETY: The node is in the tree.
            unsafe { bindings::rb_erase(&mut item.links, &mut self.root) };
        }
    }

    /// The keys that a walk meets.
    fn walk(
        &self,
        first: unsafe fn(*const rb_root) -> *mut rb_node,
        next: unsafe fn(*const rb_node) -> *mut rb_node,
    ) -> Vec<u8> {
        let mut keys = Vec::new();
        // SAFETY: All nodes are in boxes of the test.
        unsafe {
            let mut node = first(&self.root);
            while !node.is_null() {
                keys.push((*node.cast::<Item>()).key);
                node = next(node);
            }
        }
        keys
    }

    fn check(&self) {
        let mut keys = Vec::new();
        black_height(self.root.rb_node, null_mut(), &mut keys);
        assert!(keys.iter().eq(self.items.keys()));
        assert_eq!(self.walk(bindings::rb_first, bindings::rb_next), keys);
        keys.reverse();
        assert_eq!(self.walk(bindings::rb_last, bindings::rb_prev), keys);

        let mut children_first =
            self.walk(bindings::rb_first_postorder, bindings::rb_next_postorder);
        for (at, key) in children_first.iter().enumerate() {
            let rb_node {
                rb_left, rb_right, ..
            } = self.items[key].links;
            for child in [rb_left, rb_right]
                .into_iter()
                .filter(|child| !child.is_null())
            {
                // SAFETY: As above.
                let child = unsafe { (*child.cast::<Item>()).key };
                assert!(children_first[..at].contains(&child), "{child} after {key}");
            }
        }
        children_first.sort_by(|a, b| b.cmp(a));
        assert_eq!(children_first, keys);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn colours_and_order_stay(steps in prop::collection::vec((any::<bool>(), 0u8..48), 0..150)) {
        let mut tree = Tree { root: rb_root::default(), items: BTreeMap::new() };
        for (insert, key) in steps {
            if insert { tree.insert(key) } else { tree.erase(key) }
            tree.check();
        }
    }
}
