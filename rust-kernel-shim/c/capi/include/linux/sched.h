/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/kernel.h>
#include <sched.h>

struct task_struct;

#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_NORMAL (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

struct task_struct *get_current(void);
#define current get_current()
struct task_struct *get_task_struct(struct task_struct *t);
void put_task_struct(struct task_struct *t);

void set_current_state(unsigned int state);
void __set_current_state(unsigned int state);
int wake_up_state(struct task_struct *t, unsigned int state);
int wake_up_process(struct task_struct *t);
int signal_pending(struct task_struct *t);
void schedule(void);
long schedule_timeout(long timeout);
void might_sleep(void);
void cpu_relax(void);

#define cond_resched() sched_yield()
#define yield_to(t, preempt) ((void)(t), sched_yield())

#endif
