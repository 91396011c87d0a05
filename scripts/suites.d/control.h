/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's own dma-fence wants of the kernel, beyond what our headers have: see
 * scripts/suites. It stands in the place of each header that we lack.
 */
#ifndef SUITES_CONTROL_H
#define SUITES_CONTROL_H

#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <stdlib.h>

#define IS_ENABLED(option) 0
#define EXPORT_SYMBOL(name) _Static_assert(1, #name)
#define EXPORT_SYMBOL_GPL(name) _Static_assert(1, #name)
#define EXPORT_TRACEPOINT_SYMBOL(name) _Static_assert(1, #name)
#define subsys_initcall(function) \
static void __attribute__((constructor)) __initcall_##function(void) { function(); }

#define BUG_ON(condition) do { if (condition) abort(); } while (0)
#define WARN_ON_ONCE WARN_ON
#define lockdep_is_held(lock) ((void)(lock), 1)
#define lockdep_assert_held(lock) ((void)(lock))

typedef struct { s64 counter; } atomic64_t;

#define ATOMIC64_INIT(value) { value }
#define atomic64_fetch_add(n, v) __atomic_fetch_add(&(v)->counter, n, __ATOMIC_SEQ_CST)
#define atomic_read_acquire(v) __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)
#define set_bit(n, word) ((void)__atomic_fetch_or(word, BIT(n), __ATOMIC_RELAXED))
#define test_and_set_bit(n, word) \
	!!(__atomic_fetch_or(word, BIT(n), __ATOMIC_SEQ_CST) & BIT(n))
#define cmpxchg(ptr, old, new) ({ \
	typeof(*(ptr)) __old = (old); \
	__atomic_compare_exchange_n(ptr, &__old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	__old; \
})

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

#define list_for_each_entry_safe(pos, n, head, member) \
	for (pos = list_entry((head)->next, typeof(*pos), member), \
	     n = list_entry(pos->member.next, typeof(*pos), member); &pos->member != (head); \
	     pos = n, n = list_entry(n->member.next, typeof(*n), member))

#define rcu_replace_pointer(p, v, condition) ({ \
	typeof(p) __former = (p); \
	rcu_assign_pointer(p, v); \
	__former; \
})

#define sort(base, n, size, compare, swap) qsort(base, n, size, compare)
#define struct_size(p, member, n) (sizeof(*(p)) + sizeof((p)->member[0]) * (n))
#define kzalloc_flex(type, member, n) \
	((typeof(type) *)kzalloc(struct_size((typeof(type) *)NULL, member, n), GFP_KERNEL))
#define krealloc_array(p, n, size, flags) krealloc(p, (size_t)(n) * (size), flags)
#define kmalloc_size_roundup(size) (size)
#define roundup_pow_of_two(n) ((n) < 2 ? 1UL : 1UL << (64 - __builtin_clzl((n) - 1)))

#define seq_printf(seq, fmt, ...) do { \
	char __text[512]; \
	snprintf(__text, sizeof(__text), fmt, ##__VA_ARGS__); \
	seq_puts(seq, __text); \
} while (0)

#define NO_EVENT(name) \
static inline void trace_dma_fence_##name(void *fence) { (void)fence; } \
static inline bool trace_dma_fence_##name##_enabled(void) { return false; }
NO_EVENT(init)
NO_EVENT(destroy)
NO_EVENT(enable_signal)
NO_EVENT(signaled)
NO_EVENT(wait_start)
NO_EVENT(wait_end)

#endif
