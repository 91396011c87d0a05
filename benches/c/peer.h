/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's dma-fence*.c use of the rest of Linux, for a program: over liburcu and malloc, or
 * with ENGINE over the grace periods and the allocator that are measured beside them.
 *
 * Each header that those files include is this one, but for those of dma-fence itself. As in a kernel
 * without debugging, WARN_ON() and the like are a test and a jump; tracepoints are off.
 */
#ifndef PEER_H
#define PEER_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _LGPL_SOURCE /* liburcu's readers inline */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifndef ENGINE
#include <urcu/urcu-memb.h>
#endif
#undef container_of
#undef likely
#undef unlikely
#undef cmpxchg
#undef __always_inline
#undef rcu_assign_pointer
#undef rcu_dereference

typedef unsigned long long u64;
typedef unsigned int u32;
typedef long long s64;
typedef s64 ktime_t;

#define ERESTARTSYS 512
#define __rcu
#define __counted_by(x)
#define __init
#define __must_check
#define IS_ENABLED(option) 0
#define __always_inline inline __attribute__((always_inline))
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_TRACEPOINT_SYMBOL(x)
#define subsys_initcall(f) \
	static void __attribute__((constructor)) initcall_##f(void) { f(); }
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define swap(a, b) do { __typeof__(a) t_ = (a); (a) = (b); (b) = t_; } while (0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1UL << (n))
#define MAX_ERRNO 4095
#define lower_32_bits(n) ((u32)(n))
#define WARN(c, ...) ({ int c_ = !!(c); if (unlikely(c_)) fprintf(stderr, __VA_ARGS__); c_; })
#define WARN_ON(c) WARN(c, "%s:%d\n", __FILE__, __LINE__)
#define WARN_ON_ONCE WARN_ON
#define BUG_ON(c) do { if (unlikely(c)) abort(); } while (0)
#define lockdep_assert_held(x) do { } while (0)
#define lockdep_set_class(lock, key) do { } while (0)
struct lock_class_key { };

/* Atomics: relaxed where the kernel's are not ordered. */
typedef struct { int v; } atomic_t;
typedef struct { s64 v; } atomic64_t;
#define ATOMIC64_INIT(x) { x }
static inline s64 atomic64_fetch_add(s64 n, atomic64_t *a) { return __atomic_fetch_add(&a->v, n, __ATOMIC_SEQ_CST); }
static inline int atomic_dec_and_test(atomic_t *a) { return !__atomic_sub_fetch(&a->v, 1, __ATOMIC_SEQ_CST); }
static inline void atomic_set(atomic_t *a, int v) { __atomic_store_n(&a->v, v, __ATOMIC_RELAXED); }
static inline int atomic_read(atomic_t *a) { return __atomic_load_n(&a->v, __ATOMIC_RELAXED); }
static inline int atomic_read_acquire(atomic_t *a) { return __atomic_load_n(&a->v, __ATOMIC_ACQUIRE); }
static inline int test_bit(int n, const unsigned long *a) { return __atomic_load_n(a, __ATOMIC_RELAXED) >> n & 1; }
static inline void set_bit(int n, unsigned long *a) { __atomic_fetch_or(a, BIT(n), __ATOMIC_RELAXED); }
static inline int test_and_set_bit(int n, unsigned long *a)
{
	return __atomic_fetch_or(a, BIT(n), __ATOMIC_SEQ_CST) >> n & 1;
}
#define cmpxchg(p, old, new) ({ \
	__typeof__(*(p)) old_ = (old); \
	__atomic_compare_exchange_n((p), &old_, (new), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	old_; })
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << (64 - __builtin_clzl(n - 1));
}
#if defined(__x86_64__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() __asm__ volatile("" ::: "memory")
#endif

/* References: a count that leaves what it may be is not moved again, as in the kernel. */
struct kref { int refs; };
static inline void kref_init(struct kref *k) { k->refs = 1; }
static inline int kref_read(const struct kref *k) { return __atomic_load_n(&k->refs, __ATOMIC_RELAXED); }
static __attribute__((cold, noinline, unused)) void kref_broken(struct kref *k)
{
	__atomic_store_n(&k->refs, INT_MIN / 2, __ATOMIC_RELAXED);
	fprintf(stderr, "a count of references is broken\n");
}
static inline void kref_get(struct kref *k)
{
	int old = __atomic_fetch_add(&k->refs, 1, __ATOMIC_RELAXED);

	if (unlikely(old <= 0 || old == INT_MAX))
		kref_broken(k);
}
static inline int kref_put(struct kref *k, void (*release)(struct kref *))
{
	int old = __atomic_fetch_sub(&k->refs, 1, __ATOMIC_RELEASE);

	if (old == 1) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		release(k);
		return 1;
	}
	if (unlikely(old <= 0))
		kref_broken(k);
	return 0;
}
static inline int kref_get_unless_zero(struct kref *k)
{
	int old = kref_read(k);

	do {
		if (!old)
			return 0;
	} while (!__atomic_compare_exchange_n(&k->refs, &old, old + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	if (unlikely(old < 0 || old == INT_MAX))
		kref_broken(k);
	return 1;
}

/* Spinlocks: test and set, as there are no more threads than processors for long. */
typedef struct { int held; } spinlock_t;
static inline void spin_lock_init(spinlock_t *l) { l->held = 0; }
static inline void spin_lock(spinlock_t *l)
{
	int n = 0;

	while (unlikely(__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)))
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED)) {
			cpu_relax();
			if (++n % 200 == 0)
				sched_yield();
		}
}
static inline void spin_unlock(spinlock_t *l) { __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE); }
#define spin_lock_irqsave(l, flags) do { (flags) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, flags) do { (void)(flags); spin_unlock(l); } while (0)

struct list_head { struct list_head *next, *prev; };
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline int list_empty(const struct list_head *l) { return l->next == l; }
static inline void list_add_tail(struct list_head *new, struct list_head *head)
{
	new->next = head;
	new->prev = head->prev;
	head->prev->next = new;
	head->prev = new;
}
static inline void list_add(struct list_head *new, struct list_head *head) { list_add_tail(new, head->next); }
static inline void list_del(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
}
static inline void list_del_init(struct list_head *e)
{
	list_del(e);
	INIT_LIST_HEAD(e);
}
static inline void list_replace(struct list_head *old, struct list_head *new)
{
	new->next = old->next;
	new->next->prev = new;
	new->prev = old->prev;
	new->prev->next = new;
}
#define list_entry(p, type, member) container_of(p, type, member)
#define list_for_each_entry_safe(pos, n, head, member) \
	for (pos = list_entry((head)->next, __typeof__(*pos), member), \
	     n = list_entry(pos->member.next, __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = n, n = list_entry(n->member.next, __typeof__(*n), member))

/* RCU, and memory. */
#ifdef ENGINE
struct rcu_head { struct rcu_head *next; void (*func)(struct rcu_head *); };
void engine_read_lock(void), engine_read_unlock(void);
void engine_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *));
void engine_synchronize_rcu(void), engine_rcu_barrier(void);
void *engine_alloc(size_t size, bool zeroed);
void *engine_realloc(const void *p, size_t size);
void engine_free(const void *p);
#define rcu_read_lock engine_read_lock
#define rcu_read_unlock engine_read_unlock
#define call_rcu engine_call_rcu
#define synchronize_rcu engine_synchronize_rcu
#define rcu_barrier engine_rcu_barrier
#define attach_thread() do { } while (0)
#define detach_thread() do { } while (0)
#define peer_alloc(size) engine_alloc(size, false)
#define peer_zalloc(size) engine_alloc(size, true)
#define peer_realloc(p, size) engine_realloc(p, size)
#define kfree(p) engine_free(p)
#else
#define rcu_read_lock urcu_memb_read_lock
#define rcu_read_unlock urcu_memb_read_unlock
#define call_rcu urcu_memb_call_rcu
#define synchronize_rcu urcu_memb_synchronize_rcu
#define rcu_barrier urcu_memb_barrier
#define attach_thread urcu_memb_register_thread
#define detach_thread urcu_memb_unregister_thread
#define peer_alloc(size) malloc(size)
#define peer_zalloc(size) calloc(1, size)
#define peer_realloc(p, size) realloc(p, size)
#define kfree(p) free((void *)(p))
#endif
#define RCU_INIT_POINTER(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELAXED)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_dereference_check(p, c) rcu_dereference(p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_replace_pointer(p, v, c) ({ __typeof__(p) p_ = (p); rcu_assign_pointer(p, v); p_; })
#define rcu_access_pointer(p) __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define rcu_pointer_handoff(p) (p)
#define unrcu_pointer(p) (p)
#define RCU_INITIALIZER(p) (p)
typedef unsigned int gfp_t;
#define GFP_KERNEL 0
#define kmalloc_obj(object, ...) peer_alloc(sizeof(object))
#define kzalloc_obj(object, ...) peer_zalloc(sizeof(object))
#define kmalloc_objs(object, n, ...) peer_alloc(sizeof(object) * (n))
#define kzalloc_objs(object, n, ...) peer_zalloc(sizeof(object) * (n))
#define kzalloc_flex(object, member, n, ...) peer_zalloc(sizeof(object) + sizeof((object).member[0]) * (n))
#define kmalloc(size, flags) peer_alloc(size)
#define kmalloc_size_roundup(size) (((size) + 15) & ~15UL)
#define struct_size(p, member, n) (sizeof(*(p)) + sizeof((p)->member[0]) * (n))
#define krealloc_array(p, n, size, flags) peer_realloc(p, (n) * (size))
/* A list of fences begins with its head; a fence has it behind the first 16 bytes. */
void free_at_0(struct rcu_head *head), free_at_16(struct rcu_head *head);
#define kfree_rcu(p, member) do { \
	_Static_assert(offsetof(__typeof__(*(p)), member) % 16 == 0, "at 0 or 16"); \
	call_rcu(&(p)->member, offsetof(__typeof__(*(p)), member) ? free_at_16 : free_at_0); \
} while (0)

/* Mutexes, which are not contended. */
struct ww_class { };
struct ww_acquire_ctx { };
struct ww_mutex { spinlock_t base; struct ww_acquire_ctx *ctx; };
#define DEFINE_WD_CLASS(name) struct ww_class name
#define ww_mutex_init(m, class) do { spin_lock_init(&(m)->base); (m)->ctx = NULL; } while (0)
#define ww_mutex_destroy(m) do { } while (0)
static inline int ww_mutex_lock(struct ww_mutex *m, struct ww_acquire_ctx *ctx)
{
	spin_lock(&m->base);
	m->ctx = ctx;
	return 0;
}
#define ww_mutex_lock_interruptible ww_mutex_lock
#define ww_mutex_lock_slow(m, ctx) ((void)ww_mutex_lock(m, ctx))
#define ww_mutex_lock_slow_interruptible ww_mutex_lock
static inline bool ww_mutex_trylock(struct ww_mutex *m, struct ww_acquire_ctx *ctx)
{
	(void)ctx;
	return !__atomic_exchange_n(&m->base.held, 1, __ATOMIC_ACQUIRE);
}
#define ww_mutex_is_locked(m) __atomic_load_n(&(m)->base.held, __ATOMIC_RELAXED)
/* The kernel's has to look for waiters with one instruction. */
#define ww_mutex_unlock(m) ((void)__atomic_exchange_n(&(m)->base.held, 0, __ATOMIC_RELEASE))
#define lockdep_is_held(lock) 1

static inline ktime_t ktime_get(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
#define ktime_before(a, b) ((a) < (b))
#define ktime_after(a, b) ((a) > (b))
#define ktime_compare(a, b) ((a) < (b) ? -1 : (a) > (b))
#define ns_to_ktime(n) (n)
#define ktime_set(s, n) ((s) * 1000000000LL + (n))

struct seq_file { char *buf; size_t size, count; };
#define seq_printf(s, ...) do { \
	(s)->count += snprintf((s)->buf + (s)->count, (s)->size - (s)->count, __VA_ARGS__); \
} while (0)

/* Tasks: a word that a sleeper waits for.  <linux/futex.h> is not the program's here. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
struct task_struct { int state; };
extern __thread struct task_struct this_task;
#define current (&this_task)
#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_NORMAL 3
#define MAX_SCHEDULE_TIMEOUT LONG_MAX
#define might_sleep() do { } while (0)
static inline int signal_pending(struct task_struct *t) { (void)t; return 0; }
#define set_current_state(s) __atomic_store_n(&this_task.state, (s), __ATOMIC_SEQ_CST)
#define __set_current_state(s) __atomic_store_n(&this_task.state, (s), __ATOMIC_RELAXED)
static inline void wake_up_state(struct task_struct *t, int state)
{
	(void)state;
	if (__atomic_exchange_n(&t->state, TASK_RUNNING, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &t->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static inline long schedule_timeout(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	int state;

	while ((state = __atomic_load_n(&this_task.state, __ATOMIC_SEQ_CST)))
		if (syscall(SYS_futex, &this_task.state, FUTEX_WAIT_PRIVATE, state,
			    ms == MAX_SCHEDULE_TIMEOUT ? NULL : &t, NULL, 0) && errno == ETIMEDOUT)
			return 0;
	return ms;
}

/* Work in interrupt context is done at once. */
struct irq_work { void (*func)(struct irq_work *); };
static inline void init_irq_work(struct irq_work *w, void (*func)(struct irq_work *)) { w->func = func; }
static inline bool irq_work_queue(struct irq_work *w) { w->func(w); return true; }
static inline void sort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *), void *swapped)
{
	(void)swapped;
	qsort(base, n, size, compare);
}

#define TRACEPOINT(x) \
	static inline void trace_dma_fence_##x(void *f) { (void)f; } \
	static inline bool trace_dma_fence_##x##_enabled(void) { return false; }
TRACEPOINT(init) TRACEPOINT(signaled) TRACEPOINT(emit) TRACEPOINT(destroy)
TRACEPOINT(enable_signal) TRACEPOINT(wait_start) TRACEPOINT(wait_end)
#endif
