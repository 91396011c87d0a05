/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H

#include <linux/kernel.h>

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
int rcu_read_lock_held(void);
void synchronize_rcu(void);
void rcu_barrier(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

/* The head is within the first 256 bytes of the block. */
void kvfree_call_rcu(struct rcu_head *head, void *ptr);
#define kfree_rcu(ptr, member) kvfree_call_rcu(&(ptr)->member, (ptr))

#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (typeof(p))(v), __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v) __atomic_store_n(&(p), (typeof(p))(v), __ATOMIC_RELAXED)
#define RCU_INITIALIZER(v) (v)
#define rcu_access_pointer(p) __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_dereference_check(p, condition) rcu_dereference(p)
#define rcu_dereference_protected(p, condition) rcu_access_pointer(p)
#define rcu_pointer_handoff(p) (p)
#define unrcu_pointer(p) (p)

#endif
