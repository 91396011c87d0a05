/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory, which is malloc()'s: either side may free what the other has allocated.
 */
#ifndef _LINUX_SLAB_H
#define _LINUX_SLAB_H

#include <linux/kernel.h>

typedef u32 gfp_t;

#define GFP_KERNEL 0xcc0u
#define GFP_ATOMIC 0x820u
#define __GFP_ZERO 0x100u

void *kmalloc(size_t size, gfp_t flags);
void *krealloc(const void *p, size_t size, gfp_t flags);
void kfree(const void *p);

#define kzalloc(size, flags) kmalloc(size, (flags) | __GFP_ZERO)
#define kvfree kfree

/* The last argument may be left out, and is GFP_KERNEL then. */
#define __gfp_or_kernel(none, flags, ...) flags
#define __gfp(...) __gfp_or_kernel(none, ##__VA_ARGS__, GFP_KERNEL)
#define kmalloc_obj(obj, ...) ((typeof(obj) *)kmalloc(sizeof(obj), __gfp(__VA_ARGS__)))
#define kmalloc_objs(obj, n, ...) ((typeof(obj) *)kmalloc(sizeof(obj) * (n), __gfp(__VA_ARGS__)))
#define kzalloc_obj(obj, ...) ((typeof(obj) *)kzalloc(sizeof(obj), __gfp(__VA_ARGS__)))
#define kzalloc_objs(obj, n, ...) ((typeof(obj) *)kzalloc(sizeof(obj) * (n), __gfp(__VA_ARGS__)))
#define kvmalloc_objs kmalloc_objs

#define SLAB_HWCACHE_ALIGN 0x2000u
#define SLAB_TYPESAFE_BY_RCU 0x80000u

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags);
void kmem_cache_free(struct kmem_cache *cache, void *object);
void kmem_cache_destroy(struct kmem_cache *cache);
#define KMEM_CACHE(type, flags) \
	kmem_cache_create(#type, sizeof(struct type), _Alignof(struct type), flags)

#endif
