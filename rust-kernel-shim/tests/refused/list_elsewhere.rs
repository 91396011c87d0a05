// SPDX-License-Identifier: GPL-2.0-only
// Links, and what belongs to a right, are fields of the value: not of one that it leads to, which
// others may lead to as well. And they are aligned.

use kernel::{
    list::{
        define_list_arc_field_getter, impl_list_arc_safe, impl_list_item, ListArcField, ListLinks,
        ListLinksSelfPtr,
    },
    sync::Arc,
};
use std::ops::{Deref, DerefMut};

struct Shared {
    links: ListLinks,
    pointers: ListLinksSelfPtr<Item, 1>,
    uses: ListArcField<u32>,
}

struct Item(Arc<Shared>, Box<Shared>);

impl Deref for Item {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for Item {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.1
    }
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Item { untracked; }
    impl ListArcSafe<1> for Item { untracked; }
    impl ListArcSafe<0> for Packed { untracked; }
}

impl_list_item! {
    impl ListItem<0> for Item { using ListLinks { self.links }; }
}

impl_list_item! {
    impl ListItem<1> for Item { using ListLinksSelfPtr { self.pointers }; }
}

impl Item {
    define_list_arc_field_getter! {
        fn uses(&mut self<0>) -> &mut u32 { uses }
    }
}

#[repr(packed)]
struct Packed {
    _byte: u8,
    links: ListLinks,
}

impl_list_item! {
    impl ListItem<0> for Packed { using ListLinks { self.links }; }
}

fn main() {}
