/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_WW_MUTEX_H
#define _LINUX_WW_MUTEX_H

#include <linux/kernel.h>

struct ww_class {
	unsigned long space[11];
};

struct ww_acquire_ctx {
	unsigned long space[8];
};

struct ww_mutex {
	struct {
		unsigned long space[3];
	} base;
	struct ww_acquire_ctx *ctx;
};

/* Before any other constructor without a number uses it. */
void ww_class_init(struct ww_class *class, const char *acquire_name, const char *mutex_name,
		   bool is_wait_die);
#define __DEFINE_WW_CLASS(name, is_wait_die) \
	struct ww_class name; \
	static void __attribute__((constructor(101))) ww_class_init_##name(void) \
	{ \
		ww_class_init(&name, #name "_acquire", #name "_mutex", is_wait_die); \
	} \
	_Static_assert(1, #name)
#define DEFINE_WD_CLASS(name) __DEFINE_WW_CLASS(name, true)
#define DEFINE_WW_CLASS(name) __DEFINE_WW_CLASS(name, false)

void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *class);
void ww_acquire_done(struct ww_acquire_ctx *ctx);
void ww_acquire_fini(struct ww_acquire_ctx *ctx);

void ww_mutex_init(struct ww_mutex *lock, struct ww_class *class);
void ww_mutex_destroy(struct ww_mutex *lock);
int ww_mutex_lock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
int ww_mutex_lock_interruptible(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
void ww_mutex_lock_slow(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
int ww_mutex_lock_slow_interruptible(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
int ww_mutex_trylock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
bool ww_mutex_is_locked(struct ww_mutex *lock);
void ww_mutex_unlock(struct ww_mutex *lock);

#endif
