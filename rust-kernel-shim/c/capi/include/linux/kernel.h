/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernel code takes for granted: types, errors as pointers, accesses, the log.
 */
#ifndef _LINUX_KERNEL_H
#define _LINUX_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;

#define ERESTARTSYS 512
#define MAX_ERRNO 4095

#define __rcu
#define __init
#define __must_check
#define __counted_by(member)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define min(a, b) ({ typeof(a) __a = (a); typeof(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b) ({ typeof(a) __a = (a); typeof(b) __b = (b); __a > __b ? __a : __b; })
#define swap(a, b) do { typeof(a) __a = (a); (a) = (b); (b) = __a; } while (0)
#define lower_32_bits(n) ((u32)(n))
#define BIT(n) (1UL << (n))

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_store_mb(x, value) do { WRITE_ONCE(x, value); smp_mb(); } while (0)

static inline bool test_bit(long n, const unsigned long *addr)
{
	return __atomic_load_n(addr, __ATOMIC_ACQUIRE) >> n & 1;
}

typedef struct {
	int counter;
} atomic_t;

#define atomic_set(v, n) __atomic_store_n(&(v)->counter, n, __ATOMIC_RELAXED)
#define atomic_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_inc(v) ((void)__atomic_fetch_add(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_dec_and_test(v) (__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST) == 0)

#define ERR_PTR(error) ((void *)(long)(error))
#define PTR_ERR(ptr) ((long)(ptr))
#define IS_ERR(ptr) ((unsigned long)(ptr) >= -(unsigned long)MAX_ERRNO)

/* In the log of a test, which is its output, these are remarks. */
#define pr_info(fmt, ...) printf("# " fmt, ##__VA_ARGS__)
#define pr_err pr_info

#define WARN(condition, fmt, ...) ({ \
	bool __warn = !!(condition); \
	if (unlikely(__warn)) \
		pr_info("WARNING: %s:%d " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__); \
	__warn; \
})
#define WARN_ON(condition) WARN(condition, "%s", #condition)

#define MODULE_DESCRIPTION(text) _Static_assert(1, text)
#define MODULE_LICENSE(name) _Static_assert(1, name)

#define num_online_cpus() ((unsigned int)sysconf(_SC_NPROCESSORS_ONLN))

#endif
