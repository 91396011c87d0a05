/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KTHREAD_H
#define _LINUX_KTHREAD_H

#include <linux/sched.h>

struct task_struct *kthread_create(int (*threadfn)(void *data), void *data, const char *name);
int kthread_stop(struct task_struct *t);
bool kthread_should_stop(void);

struct kthread_begin {
	int (*threadfn)(void *data);
	void *data;
	bool begun;
};

static inline int kthread_begins(void *data)
{
	struct kthread_begin begin = *(struct kthread_begin *)data;

	__atomic_store_n(&((struct kthread_begin *)data)->begun, true, __ATOMIC_RELEASE);
	return begin.threadfn(begin.data);
}

/*
 * Returns when the thread has begun: one that is asked to stop before that never does, and on a busy
 * machine that may be long after.
 */
static inline struct task_struct *kthread_run_begin(struct kthread_begin begin, const char *name)
{
	struct task_struct *t = kthread_create(kthread_begins, &begin, name);

	if (IS_ERR(t))
		return t;
	wake_up_process(t);
	while (!__atomic_load_n(&begin.begun, __ATOMIC_ACQUIRE))
		sched_yield();
	return t;
}

#define kthread_run(fn, arg, fmt, ...) ({ \
	char __comm[64]; \
	snprintf(__comm, sizeof(__comm), fmt, ##__VA_ARGS__); \
	kthread_run_begin((struct kthread_begin){ .threadfn = (fn), .data = (arg) }, __comm); \
})

static inline int kthread_stop_put(struct task_struct *t)
{
	int ret = kthread_stop(t);

	put_task_struct(t);
	return ret;
}

#endif
