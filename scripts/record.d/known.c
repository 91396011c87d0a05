// SPDX-License-Identifier: GPL-2.0-only
/* The fences that the scenario knows, and which of them a call can take. */
#include "record.h"

static struct obj objs[MAX_FENCES];
static int n_objs;

/* All fences that live, which the kernel's tracepoints tell. */
static atomic_t live;

struct obj *obj_of(struct dma_fence *f)
{
	int i;

	for (i = n_objs - 1; i >= 0; i--)
		if (objs[i].f == f && !objs[i].gone)
			return &objs[i];
	return NULL;
}

const char *fence_str(struct dma_fence *f)
{
	struct obj *o;

	if (!f)
		return "NULL";
	o = obj_of(f);
	return o ? o->name : "(unnamed)";
}

bool room_for_fence(struct call *c)
{
	if (n_objs == MAX_FENCES)
		fail(c, "too many fences");
	return !c->bad;
}

struct obj *obj_add(const char *name, struct dma_fence *f)
{
	struct obj *o = &objs[n_objs];

	memset(o, 0, sizeof(*o));
	o->f = f;
	o->held = 1;
	strscpy(o->name, name);
	name_add(K_FENCE, name, n_objs);
	n_objs++;
	return o;
}

/* A fence to look at: it must exist. */
struct obj *peek_arg(struct call *c, const char *text)
{
	struct name *n = name_arg(c, K_FENCE, text);
	struct obj *o;

	if (!n)
		return NULL;
	o = &objs[n->value];
	if (o->gone) {
		fail(c, "fence %s is gone", text);
		return NULL;
	}
	return o;
}

/*
 * A fence to call something with: the caller must hold a reference, and keep
 * it until the call is over.
 */
struct obj *obj_arg(struct call *c, const char *text)
{
	struct obj *o = peek_arg(c, text);

	if (!o)
		return NULL;
	if (!o->held) {
		fail(c, "the scenario holds no reference to %s", text);
		return NULL;
	}
	o->busy++;
	c->used[c->n_used++] = o;
	return o;
}

struct dma_fence *fence_arg(struct call *c, const char *text)
{
	struct obj *o = obj_arg(c, text);

	return o ? o->f : NULL;
}

struct dma_fence *fence_peek(struct call *c, const char *text)
{
	struct obj *o = peek_arg(c, text);

	return o ? o->f : NULL;
}

struct dma_fence *fence_or_null(struct call *c, const char *text)
{
	return strcmp(text, "NULL") ? fence_arg(c, text) : NULL;
}

/* With one CPU a lock that is taken was taken further up in this call. */
bool locked(struct dma_fence *f)
{
	return spin_is_locked(dma_fence_spinlock(f));
}

const char *locked_str(struct dma_fence *f)
{
	return locked(f) ? " locked" : "";
}

/*
 * Refuses a call that goes from fence to fence, in a callback, while it might
 * come to one that is locked and not signalled.
 */
bool walkable(struct call *c)
{
	int i;

	if (c->place != IN_CALLBACK)
		return !c->bad;
	for (i = 0; i < n_objs; i++)
		if (!objs[i].gone && !dma_fence_test_signaled_flag(objs[i].f) &&
		    locked(objs[i].f))
			fail(c, "deadlock: the lock of %s is held", objs[i].name);
	return !c->bad;
}

/* Refuses a call that would take the lock of @f while it is held. */
bool lockable(struct call *c, struct dma_fence *f)
{
	if (f && locked(f))
		fail(c, "deadlock: the lock of %s is held", fence_str(f));
	if (f && dma_fence_is_container(f))
		walkable(c);
	return !c->bad;
}

/* May this call, which takes no lock once @f is signalled, be made here? */
bool lockable_unless_signaled(struct call *c, struct dma_fence *f)
{
	return !c->bad && (dma_fence_test_signaled_flag(f) || lockable(c, f));
}

/*
 * A fence that comes out of a call and belongs to the scenario from now on:
 * known already, or new and then called @name.
 */
void say_new_fence(struct call *c, const char *name, struct dma_fence *f)
{
	struct obj *o = f ? obj_of(f) : NULL;
	struct dma_fence *member;
	unsigned int i;

	if (!f) {
		say(c, "NULL");
		return;
	}
	if (o) {
		o->held++;
		name_add(K_FENCE, name, o - objs);
		say(c, "same %s", o->name);
		return;
	}
	obj_add(name, f);
	if (dma_fence_is_array(f)) {
		say(c, "array [");
		dma_fence_array_for_each(member, i, f)
			list_item(c, "%s", fence_str(member));
		list_close(c);
	} else if (dma_fence_is_chain(f)) {
		say(c, "chain");
	} else {
		say(c, "stub");
	}
}

/* The result of "end". */
void say_live(struct call *c)
{
	int i, n = atomic_read(&live);

	say(c, "live %d", n);
	if (!n)
		return;
	say_more(c, " [");
	for (i = 0; i < n_objs; i++)
		if (!objs[i].gone && !objs[i].shared_stub)
			list_item(c, "%s", objs[i].name);
	list_close(c);
}

void fence_born(void)
{
	atomic_inc(&live);
}

void fence_dies(struct dma_fence *f)
{
	struct obj *o = obj_of(f);

	atomic_dec(&live);
	if (o)
		o->gone = true;
}

/* At the end of a scenario nothing waits for its fences any more. */
void signal_fences(void)
{
	int i;

	for (i = 0; i < n_objs; i++)
		if (!objs[i].gone && !dma_fence_test_signaled_flag(objs[i].f))
			dma_fence_signal(objs[i].f);
}

void put_fences(void)
{
	int i;

	for (i = 0; i < n_objs; i++)
		while (!objs[i].gone && objs[i].held) {
			objs[i].held--;
			dma_fence_put(objs[i].f);
		}
}

void forget_fences(void)
{
	if (atomic_read(&live))
		pr_err("fence_record: %d fences are left\n", atomic_read(&live));
	n_objs = 0;
	atomic_set(&live, 0);
}
