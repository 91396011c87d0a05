/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of a kernel as lib/locking-selftest.c needs to be compiled: one task on one CPU, and locks
 * that are no more than their lockdep_map. No lock is ever waited for; what counts are the calls of
 * lockdep, which is another's.
 */
#ifndef LOCKDEP_SUITE_KERNEL_H
#define LOCKDEP_SUITE_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CONFIG_DEBUG_LOCK_ALLOC 1
#define CONFIG_LOCKDEP 1
#define CONFIG_PROVE_LOCKING 1
#define CONFIG_PROVE_RAW_LOCK_NESTING 1
#define CONFIG_QUEUED_RWLOCKS 1
#define CONFIG_RT_MUTEXES 1
#define CONFIG_TRACE_IRQFLAGS 1
#define DEBUG_WW_MUTEXES 1
#define IS_ENABLED(option) (option)

#define __init
#define noinline __attribute__((noinline))
#define __maybe_unused __attribute__((unused))
#define _THIS_IP_ ((unsigned long)__builtin_return_address(0))

/* ---- lockdep: what it is handed, and its functions ---- */

enum { LD_WAIT_INV, LD_WAIT_FREE, LD_WAIT_SPIN, LD_WAIT_CONFIG, LD_WAIT_SLEEP };
enum { LD_LOCK_NORMAL, LD_LOCK_PERCPU, LD_LOCK_WAIT_OVERRIDE };

struct lock_class_key { void *space[2]; };

struct lockdep_map {
	struct lock_class_key *key;
	void *class_cache[2];
	const char *name;
	uint8_t wait_type_outer, wait_type_inner, lock_type;
};

struct task_struct {
	char comm[16];
	int pid;
	unsigned int flags;
	unsigned int hardirq_threaded, irq_config;
	int softirqs_enabled, softirq_context;
	uint64_t lockdep[2048];
};

void lockdep_init(void);
void lockdep_init_task(struct task_struct *task);
void lockdep_init_map_type(struct lockdep_map *map, const char *name, struct lock_class_key *key,
			   int subclass, uint8_t inner, uint8_t outer, uint8_t type);
void lock_acquire(struct lockdep_map *map, unsigned int subclass, int trylock, int read, int check,
		  struct lockdep_map *nest, unsigned long ip);
void lock_release(struct lockdep_map *map, unsigned long ip);
int lock_is_held_type(const struct lockdep_map *map, int read);
void lockdep_hardirqs_on_prepare(void);
void lockdep_hardirqs_on(unsigned long ip);
void lockdep_hardirqs_off(unsigned long ip);
void lockdep_softirqs_on(unsigned long ip);
void lockdep_softirqs_off(unsigned long ip);
void debug_check_no_locks_freed(const void *from, unsigned long length);
void lockdep_set_selftest_task(struct task_struct *task);
void lockdep_free_key_range(void *start, unsigned long size);
void lockdep_reset_lock(struct lockdep_map *map);
void lockdep_reset(void);

/* ---- what it asks for ---- */

extern struct task_struct *lst_current;
extern int lst_irqs_off, hardirqs_enabled, hardirq_context;
extern int debug_locks, debug_locks_silent;
int debug_locks_off(void);
int lst_printk(int fresh_line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the console ---- */

#define printk(...) lst_printk(1, __VA_ARGS__)
#define pr_cont(...) lst_printk(0, __VA_ARGS__)
int warn_on(bool condition, int line, const char *text);
#define WARN_ON(condition) warn_on(condition, __LINE__, #condition)
int misuse_if(bool condition, int line, const char *text);
#define DEBUG_LOCKS_WARN_ON(condition) misuse_if(condition, __LINE__, #condition)

/* The test has one option. */
extern int (*option)(char *value);
#define __setup(name, function) \
	static void __attribute__((constructor)) set_option(void) { option = function; }
int get_option(char **text, unsigned int *value);

void locking_selftest(void);

/* ---- contexts ---- */

#define current lst_current
extern int preemption;
enum { SOFTIRQ_UNIT = 0x100, SOFTIRQ_BITS = 0xff00, HARDIRQ_UNIT = 0x10000, HARDIRQ_BITS = 0xf0000 };
#define preempt_count() preemption
#define preempt_count_set(count) ((void)(preemption = (count)))
#define softirq_count() (preemption & SOFTIRQ_BITS)
#define in_softirq() (softirq_count() != 0)
#define in_hardirq() ((preemption & HARDIRQ_BITS) != 0)
#define in_interrupt() (in_softirq() || in_hardirq())
#define irqs_disabled() lst_irqs_off
void local_irq_disable(void);
void local_irq_enable(void);
void local_bh_disable(void);
void local_bh_enable(void);
void __irq_enter(void);
void __irq_exit(void);
#define lockdep_hardirq_threaded() ((void)(current->hardirq_threaded = 1))
#define lockdep_softirq_enter() ((void)current->softirq_context++)
#define lockdep_softirq_exit() ((void)current->softirq_context--)

/* ---- all locks ---- */

/* How a lock is taken: as reader, recursively, if it is free, without checks. */
enum { WRITE = 0, READ = 1, RECURSIVE = 2, TRY = 4, UNCHECKED = 8 };

void take(struct lockdep_map *map, int how, struct lockdep_map *nest);
void give(struct lockdep_map *map);
void init_lock(void *lock, size_t size, struct lockdep_map *map, const char *name,
	       struct lock_class_key *key, uint8_t inner, uint8_t type);

/* A lock in a static variable names its own class; one that is initialised is of its place's. */
#define STATIC_LOCK(type, lock, inner) \
	type lock = { .dep_map = { .name = #lock, .wait_type_inner = inner } }
#define INIT_LOCK(lock, inner, type) do { \
	static struct lock_class_key key; \
	init_lock(lock, sizeof(*(lock)), &(lock)->dep_map, #lock, &key, inner, type); \
} while (0)
#define TAKE(lock, how) take(&(lock)->dep_map, how, NULL)
#define GIVE(lock) give(&(lock)->dep_map)

typedef struct { struct lockdep_map dep_map; } raw_spinlock_t, spinlock_t, rwlock_t, local_lock_t;
struct rw_semaphore { struct lockdep_map dep_map; };
struct rt_mutex { struct lockdep_map dep_map; };
struct mutex { struct lockdep_map dep_map; bool locked; };

#define DEFINE_RAW_SPINLOCK(lock) STATIC_LOCK(raw_spinlock_t, lock, LD_WAIT_SPIN)
#define raw_spin_lock_init(lock) INIT_LOCK(lock, LD_WAIT_SPIN, LD_LOCK_NORMAL)
#define raw_spin_lock(lock) TAKE(lock, WRITE)
#define raw_spin_unlock(lock) GIVE(lock)

#define DEFINE_SPINLOCK(lock) STATIC_LOCK(spinlock_t, lock, LD_WAIT_CONFIG)
#define spin_lock_init(lock) INIT_LOCK(lock, LD_WAIT_CONFIG, LD_LOCK_NORMAL)
#define spin_lock(lock) TAKE(lock, WRITE)
#define spin_lock_nest_lock(lock, nest) take(&(lock)->dep_map, WRITE, &(nest)->dep_map)
#define spin_unlock(lock) GIVE(lock)

extern unsigned int force_read_lock_recursive;
#define DEFINE_RWLOCK(lock) STATIC_LOCK(rwlock_t, lock, LD_WAIT_CONFIG)
#define rwlock_init(lock) INIT_LOCK(lock, LD_WAIT_CONFIG, LD_LOCK_NORMAL)
#define write_lock(lock) TAKE(lock, WRITE)
#define write_unlock(lock) GIVE(lock)
/* A queued reader waits behind a writer that waits, unless an interrupt handler is one. */
#define read_lock(lock) TAKE(lock, force_read_lock_recursive || in_interrupt() ? RECURSIVE : READ)
#define read_unlock(lock) GIVE(lock)

#define DEFINE_PER_CPU(type, name) type name
#define this_cpu_ptr(pointer) (pointer)
#define local_lock_init(lock) INIT_LOCK(lock, LD_WAIT_CONFIG, LD_LOCK_PERCPU)
#define local_lock(lock) TAKE(lock, WRITE)
#define local_unlock(lock) GIVE(lock)

#define DECLARE_RWSEM(lock) STATIC_LOCK(struct rw_semaphore, lock, LD_WAIT_SLEEP)
#define init_rwsem(lock) INIT_LOCK(lock, LD_WAIT_SLEEP, LD_LOCK_NORMAL)
#define down_write(lock) TAKE(lock, WRITE)
#define up_write(lock) GIVE(lock)
#define down_read(lock) TAKE(lock, READ)
#define up_read(lock) GIVE(lock)

#define DEFINE_RT_MUTEX(lock) STATIC_LOCK(struct rt_mutex, lock, LD_WAIT_SLEEP)
#define rt_mutex_init(lock) INIT_LOCK(lock, LD_WAIT_SLEEP, LD_LOCK_NORMAL)
#define __rt_mutex_init(lock, name, key) \
	init_lock(lock, sizeof(*(lock)), &(lock)->dep_map, name, key, LD_WAIT_SLEEP, LD_LOCK_NORMAL)
#define rt_mutex_lock(lock) TAKE(lock, WRITE)
#define rt_mutex_unlock(lock) GIVE(lock)

#define DEFINE_MUTEX(lock) STATIC_LOCK(struct mutex, lock, LD_WAIT_SLEEP)
#define mutex_init(lock) do { \
	INIT_LOCK(lock, LD_WAIT_SLEEP, LD_LOCK_NORMAL); \
	(lock)->locked = false; \
} while (0)
int mutex_lock_nested_in(struct mutex *lock, struct lockdep_map *nest);
#define mutex_lock(lock) ((void)mutex_lock_nested_in(lock, NULL))
#define mutex_lock_nest_lock(lock, nest) ((void)mutex_lock_nested_in(lock, &(nest)->dep_map))
#define mutex_lock_interruptible(lock) mutex_lock_nested_in(lock, NULL)
#define mutex_lock_killable(lock) mutex_lock_nested_in(lock, NULL)
int mutex_trylock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);

#define mutex_acquire(map, subclass, trylock, ip) lock_acquire(map, subclass, trylock, 0, 1, NULL, ip)
#define mutex_release(map, ip) lock_release(map, ip)
#define lockdep_set_subclass(lock, subclass) do { \
	struct lockdep_map *map = &(lock)->dep_map; \
	lockdep_init_map_type(map, map->name, map->key, subclass, map->wait_type_inner, \
			      map->wait_type_outer, map->lock_type); \
} while (0)

/* ---- wound/wait mutexes, of the kind in which the younger dies ---- */

struct ww_class {
	const char *acquire_name, *mutex_name;
	struct lock_class_key acquire_key, mutex_key;
	unsigned long stamp;
};
#define DEFINE_WD_CLASS(class) \
	struct ww_class class = { .acquire_name = #class "_acquire", .mutex_name = #class "_mutex" }

struct ww_acquire_ctx {
	struct ww_class *ww_class;
	unsigned long stamp;
	unsigned int acquired;
	bool done;
	/* The one for which it has backed off. */
	struct ww_mutex *contended;
	struct lockdep_map dep_map, first_map;
};
struct ww_mutex {
	struct mutex base;
	struct ww_acquire_ctx *ctx;
	struct ww_class *ww_class;
};

void ww_mutex_init(struct ww_mutex *lock, struct ww_class *class);
void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *class);
void ww_acquire_done(struct ww_acquire_ctx *ctx);
void ww_acquire_fini(struct ww_acquire_ctx *ctx);
int ww_mutex_lock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
void ww_mutex_lock_slow(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
int ww_mutex_trylock(struct ww_mutex *lock, struct ww_acquire_ctx *ctx);
void ww_mutex_unlock(struct ww_mutex *lock);

/* ---- RCU and reclaim ---- */

extern struct lockdep_map rcu_map, rcu_bh_map, rcu_sched_map;
#define rcu_read_lock() take(&rcu_map, RECURSIVE | UNCHECKED, NULL)
#define rcu_read_unlock() give(&rcu_map)
#define rcu_read_lock_bh() (local_bh_disable(), take(&rcu_bh_map, RECURSIVE | UNCHECKED, NULL))
#define rcu_read_unlock_bh() (give(&rcu_bh_map), local_bh_enable())
#define rcu_read_lock_sched() take(&rcu_sched_map, RECURSIVE | UNCHECKED, NULL)
#define rcu_read_unlock_sched() give(&rcu_sched_map)

/* Reclaim, without and with file systems. */
enum { GFP_NOFS = 1, GFP_KERNEL = 3 };
void fs_reclaim_acquire(unsigned int gfp);
void fs_reclaim_release(unsigned int gfp);
#define might_alloc(gfp) (fs_reclaim_acquire(gfp), fs_reclaim_release(gfp))
unsigned int memalloc_nofs_save(void);
void memalloc_nofs_restore(unsigned int flags);

/* ---- guards: what is done at the end of a block, the last first ---- */

#define GLUE(a, b) a##b
#define UNIQUE(name, line) GLUE(name, line)
#define guard(name) \
	void *UNIQUE(name##_, __COUNTER__) __attribute__((cleanup(leave_##name))) = enter_##name
#define DEFINE_LOCK_GUARD_0(name, enter, leave) \
	static inline void *enter_##name(void) { enter; return NULL; } \
	static inline void leave_##name(void **guard) { leave; }
#define LOCK_GUARD(name, type, lock, unlock) \
	static inline void *enter_##name(type *it) { lock(it); return it; } \
	static inline void leave_##name(void **guard) { unlock((type *)*guard); }
LOCK_GUARD(raw_spinlock, raw_spinlock_t, raw_spin_lock, raw_spin_unlock)
LOCK_GUARD(spinlock, spinlock_t, spin_lock, spin_unlock)
LOCK_GUARD(mutex, struct mutex, mutex_lock, mutex_unlock)

#endif
