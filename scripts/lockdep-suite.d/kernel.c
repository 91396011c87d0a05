// SPDX-License-Identifier: GPL-2.0-only
/* What kernel.h declares, and main(). */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"

/* ---- the task and the console ---- */

static struct task_struct task = { .comm = "swapper", .softirqs_enabled = 1 };
struct task_struct *lst_current = &task;
int lst_irqs_off = 1, hardirqs_enabled, hardirq_context, preemption;
int debug_locks = 1, debug_locks_silent;
int (*option)(char *value);
static int warnings;

int debug_locks_off(void)
{
	int first = debug_locks;

	debug_locks = 0;
	return first && !debug_locks_silent;
}

int lst_printk(int fresh_line, const char *format, ...)
{
	static char last = '\n';
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (fresh_line && last != '\n')
		putchar(last = '\n');
	fputs(text, stdout);
	if (length > 0)
		last = text[strlen(text) - 1];
	return 0;
}

int warn_on(bool condition, int line, const char *text)
{
	if (condition) {
		warnings++;
		printk("WARNING: line %d: %s\n", line, text);
	}
	return condition;
}

/* What a lock's own code finds counts as what lockdep finds. */
int misuse_if(bool condition, int line, const char *text)
{
	if (condition && debug_locks_off())
		printk("WARNING: the lock's own code, line %d: %s\n", line, text);
	return condition;
}

int get_option(char **text, unsigned int *value)
{
	*value = strtoul(*text, text, 0);
	return 1;
}

int main(int argc, char **argv)
{
	char *value = argc > 1 ? strchr(argv[1], '=') : NULL;

	if (value)
		option(value + 1);
	lockdep_init_task(current);
	local_irq_enable();
	lockdep_init();
	locking_selftest();
	return warnings != 0;
}

/* ---- contexts ---- */

void local_irq_disable(void)
{
	int off = lst_irqs_off;

	lst_irqs_off = 1;
	if (!off)
		lockdep_hardirqs_off(_THIS_IP_);
}

void local_irq_enable(void)
{
	lockdep_hardirqs_on_prepare();
	lockdep_hardirqs_on(_THIS_IP_);
	lst_irqs_off = 0;
}

/* lockdep is told of soft interrupts with hard ones off, of which it is not told. */
void local_bh_disable(void)
{
	int off = lst_irqs_off;

	lst_irqs_off = 1;
	if (!in_softirq())
		lockdep_softirqs_off(_THIS_IP_);
	preemption += 2 * SOFTIRQ_UNIT;
	lst_irqs_off = off;
}

void local_bh_enable(void)
{
	local_irq_disable();
	preemption -= 2 * SOFTIRQ_UNIT;
	if (!in_softirq())
		lockdep_softirqs_on(_THIS_IP_);
	local_irq_enable();
}

void __irq_enter(void)
{
	preemption += HARDIRQ_UNIT;
	if (hardirq_context++ == 0)
		current->hardirq_threaded = 0;
}

void __irq_exit(void)
{
	hardirq_context--;
	preemption -= HARDIRQ_UNIT;
}

/* ---- locks ---- */

void take(struct lockdep_map *map, int how, struct lockdep_map *nest)
{
	lock_acquire(map, 0, !!(how & TRY), how & (READ | RECURSIVE), !(how & UNCHECKED), nest,
		     _THIS_IP_);
}

void give(struct lockdep_map *map)
{
	lock_release(map, _THIS_IP_);
}

void init_lock(void *lock, size_t size, struct lockdep_map *map, const char *name,
	       struct lock_class_key *key, uint8_t inner, uint8_t type)
{
	debug_check_no_locks_freed(lock, size);
	lockdep_init_map_type(map, name, key, 0, inner, LD_WAIT_INV, type);
}

int mutex_lock_nested_in(struct mutex *lock, struct lockdep_map *nest)
{
	take(&lock->dep_map, WRITE, nest);
	lock->locked = true;
	return 0;
}

int mutex_trylock(struct mutex *lock)
{
	if (lock->locked)
		return 0;
	take(&lock->dep_map, TRY, NULL);
	lock->locked = true;
	return 1;
}

void mutex_unlock(struct mutex *lock)
{
	GIVE(lock);
	lock->locked = false;
}

/* ---- wound/wait mutexes ---- */

void ww_mutex_init(struct ww_mutex *lock, struct ww_class *class)
{
	init_lock(lock, sizeof(*lock), &lock->base.dep_map, class->mutex_name, &class->mutex_key,
		  LD_WAIT_SLEEP, LD_LOCK_NORMAL);
	lock->base.locked = false;
	lock->ctx = NULL;
	lock->ww_class = class;
}

/*
 * lockdep sees two locks: the context, under which any number of the class's mutexes may be taken, and
 * one that stands for the first of these.
 */
void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *class)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->ww_class = class;
	ctx->stamp = ++class->stamp;
	init_lock(ctx, sizeof(*ctx), &ctx->dep_map, class->acquire_name, &class->acquire_key,
		  LD_WAIT_INV, LD_LOCK_NORMAL);
	lockdep_init_map_type(&ctx->first_map, class->mutex_name, &class->mutex_key, 0,
			      LD_WAIT_SLEEP, LD_WAIT_INV, LD_LOCK_NORMAL);
	TAKE(ctx, WRITE);
	take(&ctx->first_map, WRITE, &ctx->dep_map);
}

void ww_acquire_done(struct ww_acquire_ctx *ctx)
{
	WARN_ON(debug_locks && !lock_is_held_type(&ctx->dep_map, -1));
	DEBUG_LOCKS_WARN_ON(ctx->done);
	ctx->done = true;
}

void ww_acquire_fini(struct ww_acquire_ctx *ctx)
{
	give(&ctx->first_map);
	GIVE(ctx);
	DEBUG_LOCKS_WARN_ON(ctx->acquired);
}

int ww_mutex_lock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	if (!ctx)
		return mutex_lock_nested_in(&lock->base, NULL);
	if (lock->ctx == ctx)
		return -EALREADY;
	take(&lock->base.dep_map, WRITE, &ctx->dep_map);
	/* The younger of two contexts backs off; a context without a mutex may wait. */
	if (lock->base.locked && ctx->acquired && lock->ctx && (long)(ctx->stamp - lock->ctx->stamp) > 0) {
		DEBUG_LOCKS_WARN_ON(ctx->contended);
		ctx->contended = lock;
		give(&lock->base.dep_map);
		return -EDEADLK;
	}
	WARN_ON(lock->base.locked);
	DEBUG_LOCKS_WARN_ON(lock->ctx);
	DEBUG_LOCKS_WARN_ON(ctx->done);
	DEBUG_LOCKS_WARN_ON(ctx->ww_class != lock->ww_class);
	/* After it has backed off the next must be that mutex, and first all others are released. */
	DEBUG_LOCKS_WARN_ON(ctx->contended && (ctx->contended != lock || ctx->acquired));
	ctx->contended = NULL;
	ctx->acquired++;
	lock->base.locked = true;
	lock->ctx = ctx;
	return 0;
}

void ww_mutex_lock_slow(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	DEBUG_LOCKS_WARN_ON(!ctx->contended);
	(void)ww_mutex_lock(lock, ctx);
}

/* The test tries without a context only. */
int ww_mutex_trylock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx)
{
	WARN_ON(ctx);
	return mutex_trylock(&lock->base);
}

void ww_mutex_unlock(struct ww_mutex *lock)
{
	if (lock->ctx && !DEBUG_LOCKS_WARN_ON(!lock->ctx->acquired))
		lock->ctx->acquired--;
	lock->ctx = NULL;
	mutex_unlock(&lock->base);
}

/* ---- RCU and reclaim ---- */

static struct lock_class_key rcu_key, rcu_bh_key, rcu_sched_key;
#define RCU(text, class, inner) \
	{ .name = text, .key = &class, .wait_type_outer = LD_WAIT_FREE, .wait_type_inner = inner }
struct lockdep_map rcu_map = RCU("rcu_read_lock", rcu_key, LD_WAIT_CONFIG);
struct lockdep_map rcu_bh_map = RCU("rcu_read_lock_bh", rcu_bh_key, LD_WAIT_CONFIG);
struct lockdep_map rcu_sched_map = RCU("rcu_read_lock_sched", rcu_sched_key, LD_WAIT_SPIN);

static struct lockdep_map fs_reclaim_map = { .name = "fs_reclaim" };
static struct lockdep_map notifier_map = { .name = "mmu_notifier_invalidate_range_start" };

/* Whether reclaim may enter file systems. */
static bool enters_fs(unsigned int gfp)
{
	return gfp == GFP_KERNEL && !current->flags;
}

void fs_reclaim_acquire(unsigned int gfp)
{
	if (enters_fs(gfp))
		take(&fs_reclaim_map, WRITE, NULL);
	take(&notifier_map, WRITE, NULL);
	give(&notifier_map);
}

void fs_reclaim_release(unsigned int gfp)
{
	if (enters_fs(gfp))
		give(&fs_reclaim_map);
}

unsigned int memalloc_nofs_save(void)
{
	unsigned int before = current->flags;

	current->flags = 1;
	return before;
}

void memalloc_nofs_restore(unsigned int flags)
{
	current->flags = flags;
}
