// SPDX-License-Identifier: GPL-2.0-only
/* Callbacks, and the commands that run in them. */
#include "record.h"

struct cb_obj {
	struct dma_fence_cb base;
	char name[NAME_LEN];
	struct dma_fence *target;	/* fence it was last offered to */
	bool pending;
	int n_actions;		/* the commands that it runs */
	char action[MAX_ACTIONS][LINE_LEN];
};

static struct cb_obj cbs[MAX_CALLBACKS];
static int n_cbs;

/*
 * The callback of every callback object. Its commands run here, in the context
 * in which the kernel runs callbacks: interrupts off, the lock of the fence held.
 */
static void cb_func(struct dma_fence *f, struct dma_fence_cb *base)
{
	struct cb_obj *cb = container_of(base, struct cb_obj, base);
	struct call *c;
	char num[24];
	int i;

	cb->pending = false;
	if (muted)
		return;
	if (f->error)
		note("! cb %s%s error=%s", cb->name, locked(f) ? "" : " unlocked",
		     num_str(num, sizeof(num), f->error));
	else
		note("! cb %s%s", cb->name, locked(f) ? "" : " unlocked");
	if (!cb->n_actions)
		return;

	c = kmalloc_obj(*c, GFP_ATOMIC);
	if (!c)
		note("! %s: ? no memory", cb->name);
	for (i = 0; c && i < cb->n_actions; i++) {
		note("! %s: %s", cb->name, cb->action[i]);
		run_line(c, IN_CALLBACK, cb->action[i]);
		note("! %s: %s %s", cb->name, c->bad ? "?" : "=", c->res);
	}
	kfree(c);
}

static struct cb_obj *cb_get(struct call *c, const char *name)
{
	struct name *n = name_find(K_CALLBACK, name);

	if (n)
		return &cbs[n->value];
	if (!name_ok(c, K_CALLBACK, name))
		return NULL;
	if (n_cbs == MAX_CALLBACKS) {
		fail(c, "too many callbacks");
		return NULL;
	}
	memset(&cbs[n_cbs], 0, sizeof(cbs[0]));
	strscpy(cbs[n_cbs].name, name);
	name_add(K_CALLBACK, name, n_cbs);
	return &cbs[n_cbs++];
}

void cmd_callback(struct call *c)
{
	struct cb_obj *cb;

	if (c->argc > 2 && !allowed_in(c->argv[2], IN_CALLBACK)) {
		fail(c, "%s cannot run in a callback", c->argv[2]);
		return;
	}
	cb = cb_get(c, c->argv[1]);
	if (!cb || c->argc == 2)
		return;
	if (cb->n_actions == MAX_ACTIONS) {
		fail(c, "too many commands");
		return;
	}
	join(cb->action[cb->n_actions++], c, 2);
}

void cmd_add_callback(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);
	struct cb_obj *cb;
	int ret;

	if (c->bad || (f && !lockable_unless_signaled(c, f)))
		return;
	cb = cb_get(c, c->argv[2]);
	if (!cb)
		return;
	if (cb->pending) {
		fail(c, "callback %s is pending", cb->name);
		return;
	}
	/* Before the call, since the call itself may run the callback. */
	cb->target = f;
	cb->pending = true;
	ret = dma_fence_add_callback(f, &cb->base, cb_func);
	if (ret)
		cb->pending = false;
	say_num(c, ret);
}

void cmd_remove_callback(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	struct name *n = name_arg(c, K_CALLBACK, c->argv[2]);
	struct cb_obj *cb;
	bool ret;

	if (c->bad)
		return;
	cb = &cbs[n->value];
	if (cb->target != f) {
		fail(c, "callback %s was not added to %s", cb->name, c->argv[1]);
		return;
	}
	if (!lockable(c, f))
		return;
	ret = dma_fence_remove_callback(f, &cb->base);
	if (ret)
		cb->pending = false;
	say_bool(c, ret);
}

void forget_callbacks(void)
{
	n_cbs = 0;
}
