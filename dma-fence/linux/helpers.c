// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bindgen cannot see of <linux/dma-fence*.h>: their inline functions and
 * macros, as functions that Rust can link to.
 *
 * Linux has a file like this for each such header in rust/helpers/, and none yet
 * for this one.  It is the C half of src/linux.rs, which declares exactly these,
 * and is built without -Wmissing-prototypes as the kernel's own helpers are.
 */
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/string.h>
#include <linux/sync_file.h>

/* UNTIL(fence-helpers): rust/helpers/dma-fence.c has what is inline in <linux/dma-fence.h>. */

/* References. */

struct dma_fence *rust_helper_dma_fence_get(struct dma_fence *fence)
{
	return dma_fence_get(fence);
}

void rust_helper_dma_fence_put(struct dma_fence *fence)
{
	dma_fence_put(fence);
}

struct dma_fence *rust_helper_dma_fence_get_rcu(struct dma_fence *fence)
{
	return dma_fence_get_rcu(fence);
}

struct dma_fence *rust_helper_dma_fence_get_rcu_safe(struct dma_fence __rcu **fencep)
{
	return dma_fence_get_rcu_safe(fencep);
}

/* State. */

bool rust_helper_dma_fence_was_initialized(struct dma_fence *fence)
{
	return dma_fence_was_initialized(fence);
}

bool rust_helper_dma_fence_test_signaled_flag(struct dma_fence *fence)
{
	return dma_fence_test_signaled_flag(fence);
}

bool rust_helper_dma_fence_is_signaled(struct dma_fence *fence)
{
	return dma_fence_is_signaled(fence);
}

bool rust_helper_dma_fence_is_signaled_locked(struct dma_fence *fence)
{
	return dma_fence_is_signaled_locked(fence);
}

int rust_helper_dma_fence_get_status_locked(struct dma_fence *fence)
{
	return dma_fence_get_status_locked(fence);
}

void rust_helper_dma_fence_set_error(struct dma_fence *fence, int error)
{
	dma_fence_set_error(fence, error);
}

ktime_t rust_helper_dma_fence_timestamp(struct dma_fence *fence)
{
	return dma_fence_timestamp(fence);
}

/* Order on a timeline. */

bool rust_helper_dma_fence_is_later(struct dma_fence *f1, struct dma_fence *f2)
{
	return dma_fence_is_later(f1, f2);
}

bool rust_helper_dma_fence_is_later_or_same(struct dma_fence *f1, struct dma_fence *f2)
{
	return dma_fence_is_later_or_same(f1, f2);
}

struct dma_fence *rust_helper_dma_fence_later(struct dma_fence *f1, struct dma_fence *f2)
{
	return dma_fence_later(f1, f2);
}

/* Waiting. */

long rust_helper_dma_fence_wait(struct dma_fence *fence, bool intr)
{
	return dma_fence_wait(fence, intr);
}

/* The lock. */

spinlock_t *rust_helper_dma_fence_spinlock(struct dma_fence *fence)
{
	return dma_fence_spinlock(fence);
}

unsigned long rust_helper_dma_fence_lock_irqsave(struct dma_fence *fence)
{
	unsigned long flags;

	dma_fence_lock_irqsave(fence, flags);
	return flags;
}

void rust_helper_dma_fence_unlock_irqrestore(struct dma_fence *fence, unsigned long flags)
{
	dma_fence_unlock_irqrestore(fence, flags);
}

void rust_helper_dma_fence_assert_held(struct dma_fence *fence)
{
	dma_fence_assert_held(fence);
}

/* Signalling sections: functions with CONFIG_LOCKDEP, inline without. */

bool rust_helper_dma_fence_begin_signalling(void)
{
	return dma_fence_begin_signalling();
}

void rust_helper_dma_fence_end_signalling(bool cookie)
{
	dma_fence_end_signalling(cookie);
}

/* UNTIL(container-bindings): rust/helpers/ has this, and bindgen the three headers. */

/* Kinds. */

bool rust_helper_dma_fence_is_array(struct dma_fence *fence)
{
	return dma_fence_is_array(fence);
}

bool rust_helper_dma_fence_is_chain(struct dma_fence *fence)
{
	return dma_fence_is_chain(fence);
}

bool rust_helper_dma_fence_is_container(struct dma_fence *fence)
{
	return dma_fence_is_container(fence);
}

/* Chains. */

struct dma_fence_chain *rust_helper_dma_fence_chain_alloc(void)
{
	return dma_fence_chain_alloc();
}

void rust_helper_dma_fence_chain_free(struct dma_fence_chain *chain)
{
	dma_fence_chain_free(chain);
}

struct dma_fence *rust_helper_dma_fence_chain_contained(struct dma_fence *fence)
{
	return dma_fence_chain_contained(fence);
}

/* UNTIL(fence-helpers): a count of references, for tests and debugfs. */
unsigned int rust_helper_dma_fence_references(struct dma_fence *fence)
{
	return kref_read(&fence->refcount);
}

/* UNTIL(sync-file-bindings): bindgen has <linux/sync_file.h>; then the fields are fields. */

/* Files. */

void rust_helper_sync_file_set_name(struct sync_file *sync_file, const char *name)
{
	strscpy(sync_file->user_name, name, sizeof(sync_file->user_name));
}

/* The kernel's own sync_file_get_name() is there for what is built in alone. */
char *rust_helper_sync_file_get_name(struct sync_file *sync_file, char *buf, int len)
{
	const struct dma_fence *fence = sync_file->fence;
	const char __rcu *names[2];

	if (sync_file->user_name[0]) {
		strscpy(buf, sync_file->user_name, len);
		return buf;
	}
	rcu_read_lock();
	names[0] = dma_fence_driver_name(sync_file->fence);
	names[1] = dma_fence_timeline_name(sync_file->fence);
	snprintf(buf, len, "%s-%s%llu-%lld", rcu_dereference(names[0]),
		 rcu_dereference(names[1]), fence->context, (s64)fence->seqno);
	rcu_read_unlock();
	return buf;
}

struct dma_fence *rust_helper_sync_file_fence(struct sync_file *sync_file)
{
	return sync_file->fence;
}

struct file *rust_helper_sync_file_file(struct sync_file *sync_file)
{
	return sync_file->file;
}

/* UNTIL(resv-helpers): rust/helpers/dma-resv.c has more than dma_resv_lock() and _unlock(). */

/* Reservation objects. */

void rust_helper_dma_resv_acquire_init(struct ww_acquire_ctx *ctx)
{
	ww_acquire_init(ctx, &reservation_ww_class);
}

void rust_helper_ww_acquire_fini(struct ww_acquire_ctx *ctx)
{
	ww_acquire_fini(ctx);
}

void rust_helper_dma_resv_lock_slow(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	dma_resv_lock_slow(obj, ctx);
}

bool rust_helper_dma_resv_trylock(struct dma_resv *obj)
{
	return dma_resv_trylock(obj);
}

void rust_helper_dma_resv_iter_begin(struct dma_resv_iter *cursor, struct dma_resv *obj,
				     enum dma_resv_usage usage)
{
	dma_resv_iter_begin(cursor, obj, usage);
}

void rust_helper_dma_resv_iter_end(struct dma_resv_iter *cursor)
{
	dma_resv_iter_end(cursor);
}

enum dma_resv_usage rust_helper_dma_resv_iter_usage(struct dma_resv_iter *cursor)
{
	return dma_resv_iter_usage(cursor);
}

bool rust_helper_dma_resv_iter_is_restarted(struct dma_resv_iter *cursor)
{
	return dma_resv_iter_is_restarted(cursor);
}

/*
 * UNTIL(container-bindings): what src/linux.rs says of C's own functions, and of the one struct into
 * which Rust looks. No compiler compares the two languages, so C's compares this, which says the same.
 */
#define SHAPE(name, ret, ...) \
	static_assert(__same_type(name, ret(__VA_ARGS__)), #name "() has another shape")

SHAPE(sync_file_create, struct sync_file *, struct dma_fence *);
SHAPE(sync_file_get_fence, struct dma_fence *, int);
SHAPE(dma_fence_chain_init, void, struct dma_fence_chain *, struct dma_fence *, struct dma_fence *, u64);
SHAPE(dma_fence_chain_walk, struct dma_fence *, struct dma_fence *);
SHAPE(dma_fence_chain_find_seqno, int, struct dma_fence **, u64);
SHAPE(dma_fence_array_alloc, struct dma_fence_array *, int);
SHAPE(dma_fence_array_init, void, struct dma_fence_array *, int, struct dma_fence **, u64, unsigned int);
SHAPE(dma_fence_array_first, struct dma_fence *, struct dma_fence *);
SHAPE(dma_fence_array_next, struct dma_fence *, struct dma_fence *, unsigned int);
SHAPE(dma_fence_match_context, bool, struct dma_fence *, u64);
SHAPE(dma_fence_unwrap_first, struct dma_fence *, struct dma_fence *, struct dma_fence_unwrap *);
SHAPE(dma_fence_unwrap_next, struct dma_fence *, struct dma_fence_unwrap *);
SHAPE(__dma_fence_unwrap_merge, struct dma_fence *, size_t, struct dma_fence **,
      struct dma_fence_unwrap *);

struct unwrap_shape {
	struct dma_fence *chain;
	struct dma_fence *array;
	unsigned int index;
};
static_assert(sizeof(struct dma_fence_unwrap) == sizeof(struct unwrap_shape) &&
	      offsetof(struct dma_fence_unwrap, chain) == offsetof(struct unwrap_shape, chain) &&
	      offsetof(struct dma_fence_unwrap, array) == offsetof(struct unwrap_shape, array) &&
	      offsetof(struct dma_fence_unwrap, index) == offsetof(struct unwrap_shape, index),
	      "struct dma_fence_unwrap has another shape");
