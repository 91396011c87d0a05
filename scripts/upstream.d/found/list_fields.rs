// SPDX-License-Identifier: GPL-2.0-only

//! A field that belongs to one `ListArc` at a time: whose is it, if the value only leads to it?
//! Documentation/found-upstream/list-fields.rst.

#![forbid(unsafe_code)]

use core::ops::Deref;
use kernel::{
    list::{define_list_arc_field_getter, impl_list_arc_safe, ListArc, ListArcField},
    prelude::*,
    sync::Arc,
};

module! {
    type: ListFields,
    name: "list_fields",
    authors: ["dma-fence"],
    description: "Prints whether two values have one field",
    license: "GPL",
}

/// What two values share.
struct Shared {
    name: ListArcField<KVec<u8>>,
}

/// It has no field `name`, but leads to one.
struct Item(Arc<Shared>);

impl Deref for Item {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Item { untracked; }
}

impl Item {
    define_list_arc_field_getter! {
        fn name(&self<0>) -> &KVec<u8> { name }
        fn name_mut(&mut self<0>) -> &mut KVec<u8> { name }
    }
}

/// Two items, that share.
fn two() -> Result<[ListArc<Item>; 2]> {
    let mut name = KVec::new();
    name.extend_from_slice(b"first", GFP_KERNEL)?;
    let name = ListArcField::new(name);
    let shared = Arc::new(Shared { name }, GFP_KERNEL)?;
    Ok([
        ListArc::new(Item(shared.clone()), GFP_KERNEL)?,
        ListArc::new(Item(shared), GFP_KERNEL)?,
    ])
}

struct ListFields;

impl kernel::Module for ListFields {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let [one, mut two] = two()?;
        // What is borrowed does not change.
        let borrowed: &[u8] = Item::name(&one);
        let before = borrowed[0];
        // Frees the buffer, and makes another.
        *Item::name_mut(&mut two) = KVec::new();
        let other = KVec::from_elem(b'?', 5, GFP_KERNEL)?;
        let after = core::hint::black_box(borrowed)[0];
        let same = core::ptr::eq(borrowed.as_ptr(), other.as_ptr());
        pr_info!("borrowed: {before}, then {after}; in another's memory: {same}\n");
        Ok(Self)
    }
}

#[kernel::macros::kunit_tests(list_fields)]
mod tests {
    use super::{two, Item};
    use kernel::prelude::*;

    #[test]
    fn each_has_its_own() -> Result {
        let [mut one, mut two] = two()?;
        let (one, two) = (Item::name_mut(&mut one), Item::name_mut(&mut two));
        assert!(!core::ptr::eq(one, two));
        Ok(())
    }
}
