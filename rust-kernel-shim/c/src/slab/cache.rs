// SPDX-License-Identifier: GPL-2.0-only
//! Caches of objects of one size.
//!
//! C header: [`include/linux/slab.h`](srctree/include/linux/slab.h)
//!
//! Here each cache is there for its objects being counted, and for those that are type-stable: a
//! reader that has found such an object in a read-side section may find it freed, and used again, but
//! never as anything else. So their memory stays the cache's, and what links the free ones stands
//! behind the object, of which a reader may still look at every byte.

use super::{fails, gfp_t, kfree, kmalloc_obj, krealloc_node_align, NUMA_NO_NODE};
use crate::{
    ffi::{c_char, c_uint, c_void},
    from_char_ptr, synchronize_rcu, WARN,
};
use core::ptr::{null, null_mut};
use spin::mutex::SpinMutex;

/// Objects begin a line of the processor's cache; of no meaning here.
pub const SLAB_HWCACHE_ALIGN: c_uint = 0x2000;
/// The memory of a freed object stays that of an object for a grace period, if not of the same.
pub const SLAB_TYPESAFE_BY_RCU: c_uint = 0x8_0000;

/// A cache.
pub struct kmem_cache {
    name: *const c_char,
    size: usize,
    align: usize,
    typesafe: bool,
    objects: SpinMutex<Objects>,
}

/// The objects of a cache.
///
/// # Invariants
///
/// `all` and `free` lead to the links of live blocks, which are this cache's, and have no end.
struct Objects {
    live: usize,
    all: *mut Link,
    free: *mut Link,
}

/// What stands behind a type-stable object.
struct Link {
    /// Another block; never changes.
    next: *mut Link,
    /// Another free one, for one that is free.
    next_free: *mut Link,
    object: *mut c_void,
}

/// Makes a cache for objects of `size` bytes; null without memory. May sleep.
///
/// # Safety
///
/// `align` is a power of two; the name lives as long as the cache.
#[track_caller]
pub unsafe fn kmem_cache_create(
    name: *const c_char,
    size: c_uint,
    align: c_uint,
    flags: c_uint,
) -> *mut kmem_cache {
    // SAFETY: Allocating has no preconditions.
    let cache: *mut kmem_cache = unsafe { kmalloc_obj(super::GFP_KERNEL) };
    if !cache.is_null() {
        let (size, align) = (size as usize, (align as usize).max(align_of::<Link>()));
        // SAFETY: It is valid for writes, and no other task knows it.
        unsafe {
            cache.write(kmem_cache {
                name,
                size: size.next_multiple_of(align),
                align,
                typesafe: flags & SLAB_TYPESAFE_BY_RCU != 0,
                // INVARIANT: There are none.
                objects: SpinMutex::new(Objects {
                    live: 0,
                    all: null_mut(),
                    free: null_mut(),
                }),
            });
        }
    }
    cache
}

/// Takes an object from the cache; null without memory. May sleep if `flags` say so.
///
/// One that was freed last is taken first, with what is in it if it is type-stable.
#[track_caller]
pub unsafe fn kmem_cache_alloc(cache: *mut kmem_cache, flags: gfp_t) -> *mut c_void {
    // SAFETY: The cache is valid: the caller's guarantee.
    let cache = unsafe { &*cache };
    let mut objects = cache.objects.lock();
    let link = objects.free;
    if !link.is_null() {
        if fails() {
            return null_mut();
        }
        // SAFETY: By the invariant of the objects; the links of free ones are the cache's.
        let object = unsafe {
            objects.free = (*link).next_free;
            (*link).object
        };
        objects.live += 1;
        return object;
    }
    drop(objects);

    let size = cache.size + if cache.typesafe { size_of::<Link>() } else { 0 };
    // SAFETY: No block to replace.
    let object = unsafe { krealloc_node_align(null(), size, cache.align, flags, NUMA_NO_NODE) };
    if !object.is_null() {
        let mut objects = cache.objects.lock();
        objects.live += 1;
        if cache.typesafe {
            // SAFETY: There is room for it behind the object.
            unsafe {
                let link: *mut Link = object.byte_add(cache.size).cast();
                link.write(Link {
                    next: objects.all,
                    next_free: null_mut(),
                    object,
                });
                // INVARIANT: A block that is the cache's.
                objects.all = link;
            }
        }
    }
    object
}

/// Gives an object back; from any context.
///
/// # Safety
///
/// The object comes from this cache, and is not used any more, unless by readers if it is type-stable.
#[cfg_attr(feature = "debug", track_caller)]
pub unsafe fn kmem_cache_free(cache: *mut kmem_cache, object: *mut c_void) {
    // SAFETY: The cache is valid: the caller's guarantee.
    let cache = unsafe { &*cache };
    let mut objects = cache.objects.lock();
    objects.live = objects.live.wrapping_sub(1);
    // SAFETY: The object is the cache's, and has a link behind it if it is type-stable.
    unsafe {
        if cache.typesafe {
            let link: *mut Link = object.byte_add(cache.size).cast();
            (*link).next_free = objects.free;
            // INVARIANT: A block that is the cache's.
            objects.free = link;
        } else {
            drop(objects);
            kfree(object);
        }
    }
}

/// Ends a cache; null is allowed. Warns, and leaves the cache, if objects are still in use. May sleep.
///
/// # Safety
///
/// It is not used any more.
#[track_caller]
pub unsafe fn kmem_cache_destroy(cache: *mut kmem_cache) {
    if cache.is_null() {
        return;
    }
    // SAFETY: The cache is valid, and the caller's. A reader that has found one of its objects is done
    // after a grace period, and the memory is not used any more.
    unsafe {
        let live = (*cache).objects.get_mut().live;
        if live != 0 {
            let name = from_char_ptr((*cache).name).to_str().unwrap_or("?");
            WARN!(
                true,
                "kmem_cache_destroy {name}: {live} objects are still in use"
            );
            return;
        }
        if (*cache).typesafe {
            synchronize_rcu();
        }
        let mut link = (*cache).objects.get_mut().all;
        while !link.is_null() {
            let object = (*link).object;
            link = (*link).next;
            kfree(object);
        }
        kfree(cache.cast());
    }
}
