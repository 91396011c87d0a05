// SPDX-License-Identifier: GPL-2.0-only
/* Commands: signalling. */
#include "record.h"

void cmd_enable_signaling(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad && lockable(c, f))
		dma_fence_enable_signaling(f);
}

void cmd_signal(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);

	if (!c->bad && lockable(c, f))
		dma_fence_signal(f);
}

void cmd_signal_timestamp(struct call *c)
{
	struct dma_fence *f = fence_or_null(c, c->argv[1]);
	u64 ns = u64_arg(c, c->argv[2]);

	if (!c->bad && lockable(c, f))
		dma_fence_signal_timestamp(f, ns_to_ktime(ns));
}

void cmd_check_and_signal(struct call *c)
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);

	if (!c->bad && lockable(c, f))
		say_bool(c, dma_fence_check_and_signal(f));
}

/*
 * The _locked calls: take the lock around the call, except where it is held
 * already because the command runs in a callback.
 */
static void locked_call(struct call *c, void (*fn)(struct call *, struct dma_fence *))
{
	struct dma_fence *f = fence_arg(c, c->argv[1]);
	unsigned long flags;
	spinlock_t *lock;

	if (c->bad)
		return;
	if (locked(f)) {
		fn(c, f);
		return;
	}
	lock = dma_fence_spinlock(f);
	spin_lock_irqsave(lock, flags);
	fn(c, f);
	spin_unlock_irqrestore(lock, flags);
}

static void do_signal_locked(struct call *c, struct dma_fence *f)
{
	dma_fence_signal_locked(f);
}

void cmd_signal_locked(struct call *c)
{
	locked_call(c, do_signal_locked);
}

static void do_signal_timestamp_locked(struct call *c, struct dma_fence *f)
{
	u64 ns = u64_arg(c, c->argv[2]);

	if (!c->bad)
		dma_fence_signal_timestamp_locked(f, ns_to_ktime(ns));
}

void cmd_signal_timestamp_locked(struct call *c)
{
	locked_call(c, do_signal_timestamp_locked);
}

static void do_check_and_signal_locked(struct call *c, struct dma_fence *f)
{
	say_bool(c, dma_fence_check_and_signal_locked(f));
}

void cmd_check_and_signal_locked(struct call *c)
{
	locked_call(c, do_check_and_signal_locked);
}

static void do_is_signaled_locked(struct call *c, struct dma_fence *f)
{
	say_bool(c, dma_fence_is_signaled_locked(f));
}

void cmd_is_signaled_locked(struct call *c)
{
	locked_call(c, do_is_signaled_locked);
}

static void do_get_status_locked(struct call *c, struct dma_fence *f)
{
	say_num(c, dma_fence_get_status_locked(f));
}

void cmd_get_status_locked(struct call *c)
{
	locked_call(c, do_get_status_locked);
}
