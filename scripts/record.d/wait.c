// SPDX-License-Identifier: GPL-2.0-only
/* Commands: waiting, and the threads that wait. */
#include "record.h"

struct thread_obj {
	char name[NAME_LEN];
	struct task_struct *task;
	bool started, finished;
	struct call call;
};

static struct thread_obj threads[MAX_THREADS];
static int n_threads;

void say_wait(struct call *c, long ret)
{
	if (ret < 0)
		say_num(c, ret);
	else if (!ret)
		say(c, "timeout");
	else if (c->place == IN_THREAD)
		say(c, "done");
	else
		say(c, "%ld", ret);
}

bool word(struct call *c, const char *text, const char *expected)
{
	if (strcmp(text, expected))
		fail(c, "bad word: %s", text);
	return true;
}

void cmd_wait(struct call *c)
{
	struct obj *o = obj_arg(c, c->argv[1]);
	bool intr = c->argc > 2 && word(c, c->argv[2], "intr");

	if (c->bad)
		return;
	if (c->place != IN_THREAD && !dma_fence_test_signaled_flag(o->f)) {
		fail(c, "%s is not signalled: wait in a thread", o->name);
		return;
	}
	say_num(c, dma_fence_wait(o->f, intr));
}

static void wait_for(struct call *c, signed long (*fn)(struct dma_fence *, bool, signed long))
{
	struct obj *o = obj_arg(c, c->argv[1]);
	long timeout = num_arg(c, c->argv[2]);
	bool intr = c->argc > 3 && word(c, c->argv[3], "intr");

	if (c->bad)
		return;
	say_wait(c, fn(o->f, intr, timeout));
}

void cmd_wait_timeout(struct call *c)
{
	wait_for(c, dma_fence_wait_timeout);
}

void cmd_default_wait(struct call *c)
{
	wait_for(c, dma_fence_default_wait);
}

void cmd_wait_any_timeout(struct call *c)
{
	struct dma_fence *list[MAX_ARGS];
	long timeout = num_arg(c, c->argv[1]), ret;
	bool intr = false;
	u32 idx = 0;
	int i, n = 0;

	for (i = 2; i < c->argc; i++) {
		if (!strcmp(c->argv[i], "intr")) {
			intr = true;
			continue;
		}
		list[n++] = fence_arg(c, c->argv[i]);
	}
	if (c->bad)
		return;
	ret = dma_fence_wait_any_timeout(list, n, intr, timeout, &idx);
	say_wait(c, ret);
	if (ret > 0)
		say_more(c, " idx=%u", idx);
}

static int thread_main(void *arg)
{
	struct thread_obj *t = arg;
	char line[LINE_LEN];

	strscpy(line, t->call.line);
	allow_signal(SIGUSR1);
	WRITE_ONCE(t->started, true);
	run_line(&t->call, IN_THREAD, line);
	note("! thread %s %s %s", t->name, t->call.bad ? "?" : "=", t->call.res);
	WRITE_ONCE(t->finished, true);
	return 0;
}

static void nothing(struct irq_work *w)
{
}

static DEFINE_IRQ_WORK(barrier_work, nothing);

/*
 * Lets everything happen that the last call set off: irq_work, and threads
 * that were woken up, until each of them has ended or blocks again.
 */
void settle(void)
{
	bool again;
	int i;

	do {
		irq_work_queue(&barrier_work);
		irq_work_sync(&barrier_work);
		again = false;
		for (i = 0; i < n_threads; i++) {
			struct thread_obj *t = &threads[i];

			if (READ_ONCE(t->finished))
				continue;
			if (!READ_ONCE(t->started) ||
			    READ_ONCE(t->task->__state) == TASK_RUNNING) {
				again = true;
				schedule_timeout_uninterruptible(1);
			}
		}
	} while (again);
}

void cmd_thread(struct call *c)
{
	struct thread_obj *t;

	if (!name_ok(c, K_THREAD, c->argv[1]))
		return;
	if (!allowed_in(c->argv[2], IN_THREAD)) {
		fail(c, "%s cannot run in a thread", c->argv[2]);
		return;
	}
	if (n_threads == MAX_THREADS) {
		fail(c, "too many threads");
		return;
	}
	t = &threads[n_threads];
	memset(t, 0, sizeof(*t));
	strscpy(t->name, c->argv[1]);
	join(t->call.line, c, 2);
	t->task = kthread_create(thread_main, t, "record/%s", t->name);
	if (IS_ERR(t->task)) {
		fail(c, "no thread");
		return;
	}
	get_task_struct(t->task);
	/* Below the first process: threads run in the order of their wakeup */
	sched_set_fifo_low(t->task);
	name_add(K_THREAD, t->name, n_threads++);
	wake_up_process(t->task);
	settle();
	say(c, "%s", t->finished ? "finished" : "blocked");
}

void cmd_interrupt(struct call *c)
{
	struct name *n = name_arg(c, K_THREAD, c->argv[1]);

	if (!n)
		return;
	if (threads[n->value].finished)
		fail(c, "thread %s has finished", c->argv[1]);
	else
		send_sig(SIGUSR1, threads[n->value].task, 1);
}

/* A scenario cannot end while one of its threads is blocked. */
void refuse_blocked(struct call *c)
{
	int i;

	for (i = 0; i < n_threads; i++)
		if (!threads[i].finished)
			fail(c, "thread %s is blocked", threads[i].name);
}

void forget_threads(void)
{
	while (n_threads)
		put_task_struct(threads[--n_threads].task);
}
