// SPDX-License-Identifier: GPL-2.0-only
/* Commands: reservation objects. */
#include "record.h"

struct resv_obj {
	struct dma_resv r;
	char name[NAME_LEN];
	bool held, dead;
	unsigned int slots;	/* reserved since the lock was taken */
};

static struct resv_obj resvs[MAX_RESVS];
static int n_resvs;

static const char * const usage_name[] = { "kernel", "write", "read", "bookkeep" };

static enum dma_resv_usage usage_arg(struct call *c, const char *text)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(usage_name); i++)
		if (!strcmp(text, usage_name[i]))
			return i;
	fail(c, "not a usage: %s", text);
	return 0;
}

static struct resv_obj *resv_arg(struct call *c, const char *text, bool need_lock)
{
	struct name *n = name_arg(c, K_RESV, text);
	struct resv_obj *r = n ? &resvs[n->value] : NULL;

	if (r && r->dead)
		fail(c, "resv %s is gone", text);
	else if (r && need_lock && !r->held)
		fail(c, "resv %s is not locked", text);
	return c->bad ? NULL : r;
}

void cmd_resv(struct call *c)
{
	struct resv_obj *r = &resvs[n_resvs];

	if (!name_ok(c, K_RESV, c->argv[1]))
		return;
	if (n_resvs == MAX_RESVS) {
		fail(c, "too many resvs");
		return;
	}
	memset(r, 0, sizeof(*r));
	strscpy(r->name, c->argv[1]);
	dma_resv_init(&r->r);
	name_add(K_RESV, r->name, n_resvs++);
}

void cmd_resv_fini(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);

	if (!r)
		return;
	if (r->held) {
		fail(c, "resv %s is locked", r->name);
		return;
	}
	r->dead = true;
	dma_resv_fini(&r->r);
}

void cmd_resv_lock(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);

	if (!r)
		return;
	if (r->held) {
		fail(c, "resv %s is locked", r->name);
		return;
	}
	say_num(c, dma_resv_lock(&r->r, NULL));
	r->held = true;
	r->slots = 0;
}

void cmd_resv_unlock(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], true);

	if (!r)
		return;
	dma_resv_unlock(&r->r);
	r->held = false;
}

void cmd_resv_reserve_fences(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], true);
	u64 n = u64_arg(c, c->argv[2]);
	int ret;

	if (c->bad)
		return;
	ret = dma_resv_reserve_fences(&r->r, n);
	if (!ret)
		r->slots = n;
	say_num(c, ret);
}

void cmd_resv_add_fence(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], true);
	struct dma_fence *f = fence_arg(c, c->argv[2]);
	enum dma_resv_usage usage = usage_arg(c, c->argv[3]);

	if (c->bad)
		return;
	if (!r->slots) {
		fail(c, "no slot reserved in %s", r->name);
		return;
	}
	r->slots--;
	dma_resv_add_fence(&r->r, f, usage);
}

void cmd_resv_replace_fences(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], true);
	u64 context = context_arg(c, c->argv[2]);
	struct dma_fence *f = fence_arg(c, c->argv[3]);
	enum dma_resv_usage usage = usage_arg(c, c->argv[4]);

	if (!c->bad)
		dma_resv_replace_fences(&r->r, context, f, usage);
}

void cmd_resv_test_signaled(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);

	if (!c->bad)
		say_bool(c, dma_resv_test_signaled(&r->r, usage));
}

void cmd_resv_for_each_fence(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], true);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);
	struct dma_resv_iter cursor;
	struct dma_fence *f;

	if (c->bad)
		return;
	list_open(c);
	dma_resv_for_each_fence(&cursor, &r->r, usage, f)
		list_item(c, "%s:%s", fence_str(f), usage_name[dma_resv_iter_usage(&cursor)]);
	list_close(c);
}

void cmd_resv_for_each_fence_unlocked(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);
	struct dma_resv_iter cursor;
	struct dma_fence *f;

	if (c->bad)
		return;
	list_open(c);
	dma_resv_iter_begin(&cursor, &r->r, usage);
	dma_resv_for_each_fence_unlocked(&cursor, f)
		list_item(c, "%s:%s", fence_str(f), usage_name[dma_resv_iter_usage(&cursor)]);
	dma_resv_iter_end(&cursor);
	list_close(c);
}

void cmd_resv_get_fences(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);
	struct dma_fence **list;
	unsigned int n, i;
	int ret;

	if (c->bad)
		return;
	ret = dma_resv_get_fences(&r->r, usage, &n, &list);
	if (ret) {
		say_num(c, ret);
		return;
	}
	list_open(c);
	for (i = 0; i < n; i++) {
		list_item(c, "%s", fence_str(list[i]));
		dma_fence_put(list[i]);
	}
	list_close(c);
	kfree(list);
}

void cmd_resv_get_singleton(struct call *c)
{
	const char *name = c->argv[1];
	struct resv_obj *r = resv_arg(c, c->argv[2], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[3]);
	struct dma_fence *f;
	int ret;

	if (!name_ok(c, K_FENCE, name) || !room_for_fence(c))
		return;
	ret = dma_resv_get_singleton(&r->r, usage, &f);
	if (ret)
		say_num(c, ret);
	else
		say_new_fence(c, name, f);
}

void cmd_resv_wait_timeout(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);
	long timeout = num_arg(c, c->argv[3]);
	bool intr = c->argc > 4 && word(c, c->argv[4], "intr");

	if (!c->bad)
		say_wait(c, dma_resv_wait_timeout(&r->r, usage, intr, timeout));
}

void cmd_resv_set_deadline(struct call *c)
{
	struct resv_obj *r = resv_arg(c, c->argv[1], false);
	enum dma_resv_usage usage = usage_arg(c, c->argv[2]);
	u64 ns = u64_arg(c, c->argv[3]);

	if (!c->bad)
		dma_resv_set_deadline(&r->r, usage, ns_to_ktime(ns));
}

void cmd_resv_copy_fences(struct call *c)
{
	struct resv_obj *dst = resv_arg(c, c->argv[1], true);
	struct resv_obj *src = resv_arg(c, c->argv[2], false);

	if (!c->bad)
		say_num(c, dma_resv_copy_fences(&dst->r, &src->r));
}

/* Nor while it holds the lock of a reservation object. */
void refuse_locked(struct call *c)
{
	int i;

	for (i = 0; i < n_resvs; i++)
		if (resvs[i].held)
			fail(c, "resv %s is locked", resvs[i].name);
}

void end_resvs(void)
{
	int i;

	for (i = 0; i < n_resvs; i++) {
		if (resvs[i].held)
			dma_resv_unlock(&resvs[i].r);
		if (!resvs[i].dead)
			dma_resv_fini(&resvs[i].r);
	}
	n_resvs = 0;
}
