// SPDX-License-Identifier: GPL-2.0-only
/* Commands: arrays, chains, what is in both, stubs. */
#include "record.h"

void cmd_array(struct call *c)
{
	struct dma_fence *member[MAX_ARGS], **heap;
	struct dma_fence_array *array;
	const char *name = c->argv[1], *v;
	bool own_context = true;
	u64 context = 0, seqno = 1;
	int i, n = 0;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	for (i = 2; i < c->argc; i++) {
		if ((v = option(c->argv[i], "context")) && *v) {
			context = context_arg(c, v);
			own_context = false;
		} else if ((v = option(c->argv[i], "seqno")) && *v) {
			seqno = u64_arg(c, v);
		} else {
			member[n++] = fence_arg(c, c->argv[i]);
		}
		if (c->bad)
			return;
	}
	heap = kmalloc_array(n, sizeof(*heap), GFP_KERNEL);
	if (!heap) {
		fail(c, "no memory");
		return;
	}
	for (i = 0; i < n; i++)
		heap[i] = dma_fence_get(member[i]);
	if (own_context)
		context = dma_fence_context_alloc(1);
	array = dma_fence_array_create(n, heap, context, seqno);
	if (!array)
		fail(c, "no memory");
	else
		obj_add(name, &array->base);
}

void cmd_array_first(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);

	if (!c->bad)
		say(c, "%s", fence_str(dma_fence_array_first(f)));
}

void cmd_array_next(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);
	u64 i = u64_arg(c, c->argv[2]);

	if (!c->bad)
		say(c, "%s", fence_str(dma_fence_array_next(f, i)));
}

void cmd_array_for_each(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]), *m;
	unsigned int i;

	if (c->bad)
		return;
	list_open(c);
	dma_fence_array_for_each(m, i, f)
		list_item(c, "%s", fence_str(m));
	list_close(c);
}

void cmd_match_context(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	u64 context = context_arg(c, c->argv[2]);

	if (!c->bad)
		say_bool(c, dma_fence_match_context(f, context));
}

void cmd_is_array(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad)
		say_bool(c, dma_fence_is_array(f));
}

void cmd_is_chain(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad)
		say_bool(c, dma_fence_is_chain(f));
}

void cmd_is_container(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad)
		say_bool(c, dma_fence_is_container(f));
}

void cmd_chain(struct call *c)
{
	const char *name = c->argv[1];
	struct dma_fence_chain *chain;
	struct dma_fence *prev, *f;
	u64 seqno;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	prev = fence_or_null(c, c->argv[2]);
	f = fence_arg(c, c->argv[3]);
	seqno = u64_arg(c, c->argv[4]);
	if (c->bad)
		return;
	chain = dma_fence_chain_alloc();
	if (!chain) {
		fail(c, "no memory");
		return;
	}
	obj_add(name, &chain->base);
	dma_fence_chain_init(chain, dma_fence_get(prev), dma_fence_get(f), seqno);
}

void cmd_chain_walk(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]), *next;

	if (c->bad || !walkable(c))
		return;
	next = dma_fence_chain_walk(dma_fence_get(f));
	say(c, "%s", fence_str(next));
	dma_fence_put(next);
}

void cmd_chain_for_each(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]), *iter;

	if (c->bad || !walkable(c))
		return;
	list_open(c);
	dma_fence_chain_for_each(iter, f)
		list_item(c, "%s", fence_str(iter));
	list_close(c);
}

void cmd_chain_find_seqno(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	u64 seqno = u64_arg(c, c->argv[2]);
	char num[24];
	int ret;

	if (c->bad || !walkable(c))
		return;
	dma_fence_get(f);
	ret = dma_fence_chain_find_seqno(&f, seqno);
	if (ret)
		say_num(c, ret);
	else
		say(c, "%s %s", num_str(num, sizeof(num), ret), fence_str(f));
	dma_fence_put(f);
}

void cmd_chain_contained(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);

	if (!c->bad)
		say(c, "%s", fence_str(dma_fence_chain_contained(f)));
}

static struct dma_fence_chain *chain_arg(struct call *c, const char *text)
{
	struct dma_fence *f = fence_arg(c, text);
	struct dma_fence_chain *chain = f ? to_dma_fence_chain(f) : NULL;

	if (!chain)
		fail(c, "%s is not a chain", text);
	return chain;
}

void cmd_chain_prev(struct call *c)
{
	struct dma_fence_chain *chain = chain_arg(c, c->argv[1]);

	if (chain)
		say(c, "%s", fence_str(rcu_access_pointer(chain->prev)));
}

void cmd_chain_prev_seqno(struct call *c)
{
	struct dma_fence_chain *chain = chain_arg(c, c->argv[1]);

	if (chain)
		say(c, "%llu", chain->prev_seqno);
}

void cmd_unwrap_for_each(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]), *iter;
	struct dma_fence_unwrap cursor;

	if (c->bad || !walkable(c))
		return;
	list_open(c);
	dma_fence_unwrap_for_each(iter, &cursor, f)
		list_item(c, "%s", fence_str(iter));
	list_close(c);
}

void cmd_unwrap_merge(struct call *c)
{
	struct dma_fence_unwrap cursor[MAX_ARGS];
	struct dma_fence *list[MAX_ARGS];
	const char *name = c->argv[1];
	int i, n = 0;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	for (i = 2; i < c->argc; i++)
		list[n++] = fence_or_null(c, c->argv[i]);
	if (!c->bad)
		say_new_fence(c, name, __dma_fence_unwrap_merge(n, list, cursor));
}

void cmd_dedup_array(struct call *c)
{
	struct dma_fence *list[MAX_ARGS];
	int i, n = 0;
	size_t left;

	for (i = 1; i < c->argc; i++)
		list[n++] = fence_arg(c, c->argv[i]);
	if (c->bad)
		return;
	for (i = 0; i < n; i++)
		dma_fence_get(list[i]);
	left = dma_fence_dedup_array(list, n);
	if (left > n) {
		say(c, "%zu fences out of %d", left, n);
		return;
	}
	list_open(c);
	for (i = 0; i < left; i++) {
		list_item(c, "%s", fence_str(list[i]));
		dma_fence_put(list[i]);
	}
	list_close(c);
}

void cmd_get_stub(struct call *c)
{
	const char *name = c->argv[1];
	struct dma_fence *f;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	f = dma_fence_get_stub();
	say_new_fence(c, name, f);
	obj_of(f)->shared_stub = true;
}

void cmd_allocate_private_stub(struct call *c)
{
	const char *name = c->argv[1];
	u64 ns = u64_arg(c, c->argv[2]);

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	say_new_fence(c, name, dma_fence_allocate_private_stub(ns_to_ktime(ns)));
}
