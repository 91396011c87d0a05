// SPDX-License-Identifier: GPL-2.0-only

//! Vectors: what they keep, what they drop, what they refuse.

use super::*;
use crate::{prelude::*, sync::Arc};

#[test]
fn grows_and_keeps() -> Result {
    let mut vec = KVec::new();
    for i in 0..1000 {
        vec.push(i, GFP_KERNEL)?;
    }
    assert!(vec.iter().copied().eq(0..1000));
    assert_eq!(vec.pop(), Some(999));
    assert_eq!(vec.remove(0).unwrap(), 0);
    assert!(vec.remove(998).is_err());
    assert_eq!(vec[..2], [1, 2]);
    vec.truncate(2);
    assert_eq!(vec, [1, 2]);
    vec.resize(4, 7, GFP_KERNEL)?;
    assert_eq!(vec, [1, 2, 7, 7]);
    Ok(())
}

#[test]
fn stays_within_its_capacity() -> Result {
    let mut vec = KVec::with_capacity(2, GFP_KERNEL)?;
    assert!(vec.push_within_capacity(1).is_ok());
    assert!(vec.insert_within_capacity(0, 0).is_ok());
    assert!(matches!(vec.push_within_capacity(2), Err(PushError(2))));
    assert!(matches!(
        vec.insert_within_capacity(1, 2),
        Err(InsertError::OutOfCapacity(2))
    ));
    assert!(matches!(
        vec.insert_within_capacity(3, 2),
        Err(InsertError::IndexOutOfBounds(2))
    ));
    assert_eq!(vec, [0, 1]);
    Ok(())
}

#[test]
fn refuses_what_cannot_be_allocated() {
    assert!(KVec::<u64>::with_capacity(usize::MAX / 8, GFP_KERNEL).is_err());
    assert!(KVec::<u64>::with_capacity(usize::MAX, GFP_KERNEL).is_err());
    let mut nothing = KVec::<()>::new();
    assert!(nothing.push((), GFP_KERNEL).is_ok());
    assert!(nothing.reserve(usize::MAX, GFP_KERNEL).is_err());
}

/// Three clones in a vector, and how often the original is referred to.
fn clones(original: &Arc<u8>) -> KVec<Arc<u8>> {
    KVec::from_elem(original.clone(), 3, GFP_KERNEL).unwrap()
}

fn references(arc: &Arc<u8>) -> i32 {
    arc.references()
}

#[test]
fn drops_each_element_once() -> Result {
    let original = Arc::new(1, GFP_KERNEL)?;

    let mut vec = clones(&original);
    assert_eq!(references(&original), 4);
    let mut index = 0;
    vec.retain(|_| {
        index += 1;
        index == 2
    });
    assert_eq!(references(&original), 2);
    vec.clear();
    assert_eq!(references(&original), 1);

    let mut iter = clones(&original).into_iter();
    drop(iter.next());
    assert_eq!(references(&original), 3);
    let vec = iter.collect(GFP_KERNEL);
    assert_eq!((vec.len(), references(&original)), (2, 3));
    drop(vec);
    assert_eq!(references(&original), 1);

    let mut vec = clones(&original);
    drop(vec.drain_all().next());
    assert_eq!((vec.len(), references(&original)), (0, 1));

    drop(clones(&original).into_iter());
    assert_eq!(references(&original), 1);
    Ok(())
}

#[test]
fn zeroed_and_made_of_an_array() -> Result {
    assert_eq!(KVec::<u16>::zeroed(3, GFP_KERNEL)?, [0, 0, 0]);
    let vec = KVec::from(KBox::new([1, 2, 3], GFP_KERNEL)?);
    assert_eq!((vec.capacity(), vec.as_slice()), (3, &[1, 2, 3][..]));
    Ok(())
}

#[test]
fn shrinks() -> Result {
    let mut vec = KVVec::with_capacity(4096, GFP_KERNEL)?;
    vec.push(1u8, GFP_KERNEL)?;
    vec.shrink_to(16, GFP_KERNEL)?;
    assert_eq!((vec.capacity(), vec.as_slice()), (16, &[1][..]));
    vec.clear();
    vec.shrink_to(0, GFP_KERNEL)?;
    assert_eq!(vec.capacity(), 0);
    Ok(())
}
