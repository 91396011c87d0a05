/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KTHREAD_H
#define _LINUX_KTHREAD_H

#include <linux/sched.h>

struct task_struct *kthread_create(int (*threadfn)(void *data), void *data, const char *name);
int kthread_stop(struct task_struct *t);
bool kthread_should_stop(void);

#define kthread_run(threadfn, data, fmt, ...) ({ \
	char __comm[16]; \
	snprintf(__comm, sizeof(__comm), fmt, ##__VA_ARGS__); \
	struct task_struct *__t = kthread_create(threadfn, data, __comm); \
	if (!IS_ERR(__t)) \
		wake_up_process(__t); \
	__t; \
})

static inline int kthread_stop_put(struct task_struct *t)
{
	int ret = kthread_stop(t);

	put_task_struct(t);
	return ret;
}

#endif
