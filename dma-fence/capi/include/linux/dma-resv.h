/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reservation objects: the fences of a buffer, and its lock.
 */
#ifndef _LINUX_DMA_RESV_H
#define _LINUX_DMA_RESV_H

#include <linux/dma-fence.h>
#include <linux/slab.h>
#include <linux/ww_mutex.h>

struct dma_resv_list;

/* A query for one of these finds those before it as well. */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

struct dma_resv {
	struct ww_mutex lock;
	struct dma_resv_list __rcu *fences;
};

struct dma_resv_iter {
	struct dma_resv *obj;
	enum dma_resv_usage usage;
	struct dma_fence *fence;
	enum dma_resv_usage fence_usage;
	unsigned int index;
	struct dma_resv_list *fences;
	unsigned int num_fences;
	bool is_restarted;
};

_Static_assert(sizeof(struct dma_resv) == 40, "the layout is that of Linux");
_Static_assert(sizeof(struct dma_resv_iter) == 48, "the layout is that of Linux");

extern struct ww_class reservation_ww_class;

static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

void dma_resv_init(struct dma_resv *obj);
void dma_resv_fini(struct dma_resv *obj);

int dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx);
int dma_resv_lock_interruptible(struct dma_resv *obj, struct ww_acquire_ctx *ctx);
void dma_resv_lock_slow(struct dma_resv *obj, struct ww_acquire_ctx *ctx);
int dma_resv_lock_slow_interruptible(struct dma_resv *obj, struct ww_acquire_ctx *ctx);
bool __must_check dma_resv_trylock(struct dma_resv *obj);
bool dma_resv_is_locked(struct dma_resv *obj);
struct ww_acquire_ctx *dma_resv_locking_ctx(struct dma_resv *obj);
void dma_resv_unlock(struct dma_resv *obj);
bool dma_resv_held(struct dma_resv *obj);
void dma_resv_assert_held(struct dma_resv *obj);
void dma_resv_reset_max_fences(struct dma_resv *obj);

int dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences);
void dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence, enum dma_resv_usage usage);
void dma_resv_replace_fences(struct dma_resv *obj, u64 context, struct dma_fence *fence,
			     enum dma_resv_usage usage);
int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src);

void dma_resv_iter_begin(struct dma_resv_iter *cursor, struct dma_resv *obj,
			 enum dma_resv_usage usage);
void dma_resv_iter_end(struct dma_resv_iter *cursor);
enum dma_resv_usage dma_resv_iter_usage(struct dma_resv_iter *cursor);
bool dma_resv_iter_is_restarted(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor);

#define dma_resv_for_each_fence_unlocked(cursor, fence) \
	for (fence = dma_resv_iter_first_unlocked(cursor); fence; \
	     fence = dma_resv_iter_next_unlocked(cursor))
#define dma_resv_for_each_fence(cursor, obj, usage, fence) \
	for (dma_resv_iter_begin(cursor, obj, usage), fence = dma_resv_iter_first(cursor); fence; \
	     fence = dma_resv_iter_next(cursor))

int dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage, unsigned int *num_fences,
			struct dma_fence ***fences);
int dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
			   struct dma_fence **fence);
long dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage, bool intr,
			   unsigned long timeout);
void dma_resv_set_deadline(struct dma_resv *obj, enum dma_resv_usage usage, ktime_t deadline);
bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage);
void dma_resv_describe(struct dma_resv *obj, struct seq_file *seq);

#endif
