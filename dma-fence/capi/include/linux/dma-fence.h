/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fences: promises that something will have happened.
 *
 * The layout is that of Linux. What is inline there is a function here, the same as in
 * dma-fence/src/bindings, where each is described.
 */
#ifndef _LINUX_DMA_FENCE_H
#define _LINUX_DMA_FENCE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

struct dma_fence;
struct dma_fence_cb;
struct seq_file;

struct dma_fence_ops {
	const char *(*get_driver_name)(struct dma_fence *fence);
	const char *(*get_timeline_name)(struct dma_fence *fence);
	bool (*enable_signaling)(struct dma_fence *fence);
	bool (*signaled)(struct dma_fence *fence);
	long (*wait)(struct dma_fence *fence, bool intr, long timeout);
	void (*release)(struct dma_fence *fence);
	void (*set_deadline)(struct dma_fence *fence, ktime_t deadline);
};

struct dma_fence {
	union {
		spinlock_t *extern_lock;
		spinlock_t inline_lock;
	};
	const struct dma_fence_ops __rcu *ops;
	union {
		struct list_head cb_list;	/* until it signals */
		ktime_t timestamp;		/* then */
		struct rcu_head rcu;		/* after the last reference */
	};
	u64 context;
	u64 seqno;
	unsigned long flags;
	struct kref refcount;
	int error;
};

_Static_assert(sizeof(struct dma_fence) == 64, "the layout is that of Linux");

enum dma_fence_flag_bits {
	DMA_FENCE_FLAG_INITIALIZED_BIT,
	DMA_FENCE_FLAG_INLINE_LOCK_BIT,
	DMA_FENCE_FLAG_SEQNO64_BIT,
	DMA_FENCE_FLAG_SIGNALED_BIT,
	DMA_FENCE_FLAG_TIMESTAMP_BIT,
	DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
	DMA_FENCE_FLAG_USER_BITS,
};

typedef void (*dma_fence_func_t)(struct dma_fence *fence, struct dma_fence_cb *cb);

struct dma_fence_cb {
	struct list_head node;
	dma_fence_func_t func;
};

void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops, spinlock_t *lock,
		    u64 context, u64 seqno);
void dma_fence_init64(struct dma_fence *fence, const struct dma_fence_ops *ops, spinlock_t *lock,
		      u64 context, u64 seqno);
bool dma_fence_was_initialized(struct dma_fence *fence);
u64 dma_fence_context_alloc(unsigned int num);

struct dma_fence *dma_fence_get(struct dma_fence *fence);
struct dma_fence *dma_fence_get_rcu(struct dma_fence *fence);
struct dma_fence *dma_fence_get_rcu_safe(struct dma_fence __rcu **fencep);
void dma_fence_put(struct dma_fence *fence);
void dma_fence_release(struct kref *kref);
void dma_fence_free(struct dma_fence *fence);

spinlock_t *dma_fence_spinlock(struct dma_fence *fence);
/* As a function it returns the flags. */
unsigned long dma_fence_lock_irqsave(struct dma_fence *fence);
void dma_fence_unlock_irqrestore(struct dma_fence *fence, unsigned long flags);
void dma_fence_assert_held(struct dma_fence *fence);
#define dma_fence_lock_irqsave(fence, flags) ((void)((flags) = (dma_fence_lock_irqsave)(fence)))

bool dma_fence_begin_signalling(void);
void dma_fence_end_signalling(bool cookie);
void __dma_fence_might_wait(void);

void dma_fence_signal(struct dma_fence *fence);
void dma_fence_signal_locked(struct dma_fence *fence);
void dma_fence_signal_timestamp(struct dma_fence *fence, ktime_t timestamp);
void dma_fence_signal_timestamp_locked(struct dma_fence *fence, ktime_t timestamp);
bool dma_fence_check_and_signal(struct dma_fence *fence);
bool dma_fence_check_and_signal_locked(struct dma_fence *fence);
void dma_fence_set_error(struct dma_fence *fence, int error);

int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb, dma_fence_func_t func);
bool dma_fence_remove_callback(struct dma_fence *fence, struct dma_fence_cb *cb);
void dma_fence_enable_signaling(struct dma_fence *fence);
void dma_fence_set_deadline(struct dma_fence *fence, ktime_t deadline);

bool dma_fence_test_signaled_flag(struct dma_fence *fence);
bool dma_fence_is_signaled(struct dma_fence *fence);
bool dma_fence_is_signaled_locked(struct dma_fence *fence);
int dma_fence_get_status(struct dma_fence *fence);
int dma_fence_get_status_locked(struct dma_fence *fence);
ktime_t dma_fence_timestamp(struct dma_fence *fence);

long dma_fence_wait(struct dma_fence *fence, bool intr);
long dma_fence_wait_timeout(struct dma_fence *fence, bool intr, long timeout);
long dma_fence_default_wait(struct dma_fence *fence, bool intr, long timeout);
long dma_fence_wait_any_timeout(struct dma_fence **fences, u32 count, bool intr, long timeout,
				u32 *idx);

bool __dma_fence_is_later(struct dma_fence *fence, u64 f1, u64 f2);
bool dma_fence_is_later(struct dma_fence *f1, struct dma_fence *f2);
bool dma_fence_is_later_or_same(struct dma_fence *f1, struct dma_fence *f2);
struct dma_fence *dma_fence_later(struct dma_fence *f1, struct dma_fence *f2);

/* Inside one RCU read-side section with all uses of the string. */
const char __rcu *dma_fence_driver_name(struct dma_fence *fence);
const char __rcu *dma_fence_timeline_name(struct dma_fence *fence);
void dma_fence_describe(struct dma_fence *fence, struct seq_file *seq);

struct dma_fence *dma_fence_get_stub(void);
struct dma_fence *dma_fence_allocate_private_stub(ktime_t timestamp);

bool dma_fence_is_array(struct dma_fence *fence);
bool dma_fence_is_chain(struct dma_fence *fence);
bool dma_fence_is_container(struct dma_fence *fence);

#endif
