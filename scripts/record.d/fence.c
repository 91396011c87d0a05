// SPDX-License-Identifier: GPL-2.0-only
/* The fences of a scenario, each with the ops that it asks for. */
#include "record.h"

enum { OP_ENABLE = 1, OP_SIGNALED = 2, OP_WAIT = 4, OP_RELEASE = 8, OP_DEADLINE = 16 };

static spinlock_t locks[MAX_LOCKS];
static int n_locks;

struct test_fence {
	struct dma_fence base;	/* first: dma_fence_free() frees this pointer */
	char name[NAME_LEN], driver[NAME_LEN], timeline[NAME_LEN];
	bool enable_false;
	int enable_error;
	int signaled_error;
	bool complete;
	unsigned long polls_left;
	bool wait_fixed;
	long wait_value;
};

static struct test_fence *tf(struct dma_fence *f)
{
	return container_of(f, struct test_fence, base);
}

static const char *tf_driver(struct dma_fence *f)
{
	return tf(f)->driver;
}

static const char *tf_timeline(struct dma_fence *f)
{
	return tf(f)->timeline;
}

static bool tf_enable(struct dma_fence *f)
{
	bool ret = !tf(f)->enable_false;

	note("! op enable_signaling %s%s = %s", tf(f)->name, locked_str(f),
	     ret ? "true" : "false");
	if (tf(f)->enable_error)
		dma_fence_set_error(f, tf(f)->enable_error);
	return ret;
}

static bool tf_signaled(struct dma_fence *f)
{
	struct test_fence *t = tf(f);
	bool ret = false;

	if (t->complete) {
		if (t->polls_left)
			t->polls_left--;
		else
			ret = true;
	}
	note("! op signaled %s%s = %s", t->name, locked_str(f), ret ? "true" : "false");
	if (ret && t->signaled_error)
		dma_fence_set_error(f, t->signaled_error);
	return ret;
}

static signed long tf_wait(struct dma_fence *f, bool intr, signed long timeout)
{
	struct test_fence *t = tf(f);

	if (timeout == MAX_SCHEDULE_TIMEOUT)
		note("! op wait %s%s max%s", t->name, locked_str(f), intr ? " intr" : "");
	else
		note("! op wait %s%s %ld%s", t->name, locked_str(f), timeout,
		     intr ? " intr" : "");
	return t->wait_fixed ? t->wait_value : dma_fence_default_wait(f, intr, timeout);
}

static void tf_release(struct dma_fence *f)
{
	note("! op release %s%s", tf(f)->name, locked_str(f));
	dma_fence_free(f);
}

static void tf_deadline(struct dma_fence *f, ktime_t deadline)
{
	note("! op set_deadline %s%s %lld", tf(f)->name, locked_str(f),
	     ktime_to_ns(deadline));
}

static struct dma_fence_ops tf_ops[32];

void make_ops(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(tf_ops); i++) {
		tf_ops[i].get_driver_name = tf_driver;
		tf_ops[i].get_timeline_name = tf_timeline;
		if (i & OP_ENABLE)
			tf_ops[i].enable_signaling = tf_enable;
		if (i & OP_SIGNALED)
			tf_ops[i].signaled = tf_signaled;
		if (i & OP_WAIT)
			tf_ops[i].wait = tf_wait;
		if (i & OP_RELEASE)
			tf_ops[i].release = tf_release;
		if (i & OP_DEADLINE)
			tf_ops[i].set_deadline = tf_deadline;
	}
}

static bool is_test_fence(struct dma_fence *f)
{
	const struct dma_fence_ops *ops = rcu_access_pointer(f->ops);

	return ops >= tf_ops && ops < tf_ops + ARRAY_SIZE(tf_ops);
}

void cmd_context(struct call *c)
{
	u64 first;
	int i;

	for (i = 1; i < c->argc; i++)
		if (!name_ok(c, K_CONTEXT, c->argv[i]))
			return;
	first = dma_fence_context_alloc(c->argc - 1);
	for (i = 1; i < c->argc; i++) {
		name_add(K_CONTEXT, c->argv[i], first + i - 1);
		note("@ctx %llu %s", first + i - 1, c->argv[i]);
	}
}

void cmd_lock(struct call *c)
{
	if (!name_ok(c, K_LOCK, c->argv[1]))
		return;
	if (n_locks == MAX_LOCKS) {
		fail(c, "too many locks");
		return;
	}
	spin_lock_init(&locks[n_locks]);
	name_add(K_LOCK, c->argv[1], n_locks++);
}

/* NAME=VALUE or NAME: the value, "" for none, NULL if this is another word */
const char *option(const char *arg, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n))
		return NULL;
	if (!arg[n])
		return arg + n;
	return arg[n] == '=' ? arg + n + 1 : NULL;
}

void cmd_fence(struct call *c)
{
	const char *name = c->argv[1], *v, *a;
	spinlock_t *lock = NULL;
	struct test_fence *t;
	bool seqno64 = false;
	struct name *n;
	u64 context, seqno;
	int ops = 0, i;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	context = context_arg(c, c->argv[2]);
	seqno = u64_arg(c, c->argv[3]);
	if (c->bad)
		return;

	t = kzalloc_obj(*t, GFP_KERNEL);
	if (!t) {
		fail(c, "no memory");
		return;
	}
	strscpy(t->name, name);
	strscpy(t->driver, "oracle");
	strscpy(t->timeline, c->argv[2]);

	for (i = 4; i < c->argc; i++) {
		a = c->argv[i];
		if (!strcmp(a, "seqno64")) {
			seqno64 = true;
		} else if ((v = option(a, "lock")) && *v) {
			n = name_arg(c, K_LOCK, v);
			lock = n ? &locks[n->value] : NULL;
		} else if ((v = option(a, "driver")) && *v) {
			strscpy(t->driver, v);
		} else if ((v = option(a, "timeline")) && *v) {
			strscpy(t->timeline, v);
		} else if ((v = option(a, "enable_signaling"))) {
			ops |= OP_ENABLE;
			if (!strcmp(v, "false")) {
				t->enable_false = true;
			} else if (*v == '-') {
				t->enable_false = true;
				t->enable_error = num_arg(c, v);
			} else if (*v && strcmp(v, "true")) {
				fail(c, "bad option: %s", a);
			}
		} else if ((v = option(a, "signaled"))) {
			ops |= OP_SIGNALED;
			if (*v)
				t->signaled_error = num_arg(c, v);
		} else if ((v = option(a, "wait"))) {
			ops |= OP_WAIT;
			if (*v) {
				t->wait_fixed = true;
				t->wait_value = num_arg(c, v);
			}
		} else if (!strcmp(a, "release")) {
			ops |= OP_RELEASE;
		} else if (!strcmp(a, "set_deadline")) {
			ops |= OP_DEADLINE;
		} else {
			fail(c, "bad option: %s", a);
		}
	}
	if (c->bad) {
		kfree(t);
		return;
	}
	obj_add(name, &t->base);
	if (seqno64)
		dma_fence_init64(&t->base, &tf_ops[ops], lock, context, seqno);
	else
		dma_fence_init(&t->base, &tf_ops[ops], lock, context, seqno);
}

void cmd_complete(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	unsigned long polls = c->argc > 2 ? u64_arg(c, c->argv[2]) : 0;

	if (c->bad)
		return;
	if (!is_test_fence(f)) {
		fail(c, "%s has no ops of the scenario", c->argv[1]);
		return;
	}
	tf(f)->complete = true;
	tf(f)->polls_left = polls;
}

void forget_locks(void)
{
	n_locks = 0;
}
