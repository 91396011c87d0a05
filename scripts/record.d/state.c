// SPDX-License-Identifier: GPL-2.0-only
/* Commands: references, state, names, order, deadlines. */
#include <trace/events/dma_fence.h>

#include "record.h"

void cmd_get(struct call *c)
{
	struct obj *o;

	if (!strcmp(c->argv[1], "NULL")) {
		say(c, "%s", fence_str(dma_fence_get(NULL)));
		return;
	}
	o = obj_arg(c, c->argv[1]);
	if (!o)
		return;
	dma_fence_get(o->f);
	o->held++;
}

void cmd_put(struct call *c)
{
	struct obj *o;

	if (!strcmp(c->argv[1], "NULL")) {
		dma_fence_put(NULL);
		return;
	}
	o = obj_arg(c, c->argv[1]);
	if (!o)
		return;
	if (o->held == 1 && o->busy > 1) {
		fail(c, "fence %s is in use", o->name);
		return;
	}
	if (kref_read(&o->f->refcount) == 1 && !lockable(c, o->f))
		return;
	o->held--;
	dma_fence_put(o->f);
}

void cmd_refs(struct call *c)
{
	struct obj *o = peek_arg(c, c->argv[1]);

	if (!o)
		return;
	if (o->shared_stub)
		fail(c, "the shared stub has no count of its own");
	else
		say(c, "%u", kref_read(&o->f->refcount));
}

void cmd_flags(struct call *c)
{
	static const char * const bit[] = {
		"initialized", "inline_lock", "seqno64", "signaled",
		"timestamp", "enable_signal",
	};
	struct dma_fence *f = fence_peek(c, c->argv[1]);
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(bit) != DMA_FENCE_FLAG_USER_BITS);
	if (c->bad)
		return;
	list_open(c);
	for (i = 0; i < ARRAY_SIZE(bit); i++)
		if (test_bit(i, &f->flags))
			list_item(c, "%s", bit[i]);
	list_close(c);
}

void cmd_ops(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say(c, "%s", rcu_access_pointer(f->ops) ? "attached" : "detached");
}

void cmd_error(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say_num(c, f->error);
}

void cmd_seqno(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say(c, "%llu", f->seqno);
}

void cmd_context_of(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say(c, "{%llu}", f->context);
}

void cmd_lock_held(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say_bool(c, locked(f));
}

void cmd_test_signaled_flag(struct call *c)
{
	struct dma_fence *f = fence_peek(c, c->argv[1]);

	if (!c->bad)
		say_bool(c, dma_fence_test_signaled_flag(f));
}

void cmd_is_signaled(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (lockable_unless_signaled(c, f))
		say_bool(c, dma_fence_is_signaled(f));
}

void cmd_get_status(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad && lockable(c, f))
		say_num(c, dma_fence_get_status(f));
}

void cmd_set_error(struct call *c)
{
	struct obj *o = obj_arg(c, c->argv[1]);
	long error = num_arg(c, c->argv[2]);

	if (c->bad)
		return;
	if (o->shared_stub)
		fail(c, "the shared stub belongs to all scenarios");
	else
		dma_fence_set_error(o->f, error);
}

void cmd_timestamp(struct call *c)
{
	struct obj *o = obj_arg(c, c->argv[1]);
	s64 ns;

	if (!o)
		return;
	ns = ktime_to_ns(dma_fence_timestamp(o->f));
	if (o->shared_stub || ns >= NSEC_PER_SEC)
		say(c, "clock");
	else
		say(c, "%lld", ns);
}

void cmd_emit(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (c->bad)
		return;
	rcu_read_lock();
	trace_dma_fence_emit(f);
	rcu_read_unlock();
}

void cmd_driver_name(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (c->bad)
		return;
	rcu_read_lock();
	say(c, "%s", (const char __force *)dma_fence_driver_name(f));
	rcu_read_unlock();
}

void cmd_timeline_name(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (c->bad)
		return;
	rcu_read_lock();
	say(c, "%s", (const char __force *)dma_fence_timeline_name(f));
	rcu_read_unlock();
}

void cmd_describe(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	struct seq_file *m;
	char *rest;

	if (!lockable_unless_signaled(c, f))
		return;
	m = kzalloc_obj(*m, GFP_ATOMIC);
	if (!m)
		return;
	m->size = 256;
	m->buf = kzalloc(m->size, GFP_ATOMIC);
	if (m->buf) {
		dma_fence_describe(f, m);
		m->buf[m->size - 1] = 0;
		strim(m->buf);
		/* the context number is the text before the first colon */
		rest = strchr(m->buf, ':');
		if (rest) {
			*rest++ = 0;
			say(c, "{%s}:%s", m->buf, rest);
		}
	}
	kfree(m->buf);
	kfree(m);
}

void cmd_is_later(struct call *c)
{
	struct dma_fence *a = fence_arg(c, c->argv[1]), *b = fence_arg(c, c->argv[2]);

	if (!c->bad)
		say_bool(c, dma_fence_is_later(a, b));
}

void cmd_is_later_or_same(struct call *c)
{
	struct dma_fence *a = fence_arg(c, c->argv[1]), *b = fence_arg(c, c->argv[2]);

	if (!c->bad)
		say_bool(c, dma_fence_is_later_or_same(a, b));
}

void cmd_later(struct call *c)
{
	struct dma_fence *a = fence_arg(c, c->argv[1]), *b = fence_arg(c, c->argv[2]);

	if (lockable_unless_signaled(c, a) && lockable_unless_signaled(c, b))
		say(c, "%s", fence_str(dma_fence_later(a, b)));
}

void cmd_set_deadline(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	u64 ns = u64_arg(c, c->argv[2]);

	if (lockable_unless_signaled(c, f))
		dma_fence_set_deadline(f, ns_to_ktime(ns));
}
