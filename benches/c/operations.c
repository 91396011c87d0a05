// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations that are measured, on the kernel's own C: each is done so many times, and returns
 * what that took, in nanoseconds. Those of src/mirror.rs with the same names do the same.
 */
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>

__thread struct task_struct this_task;

void free_fence(struct rcu_head *head)
{
	kfree(container_of(head, struct dma_fence, rcu));
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static const char *name(struct dma_fence *f) { (void)f; return "bench"; }
static void called(struct dma_fence *f, struct dma_fence_cb *cb) { (void)f; (void)cb; }
static bool asked(struct dma_fence *f) { (void)f; return false; }
#define USE(x) __asm__ volatile("" ::"r"(x) : "memory")
static void told(struct dma_fence *f, ktime_t deadline) { (void)f; USE(deadline); }

#define NAMES .get_driver_name = name, .get_timeline_name = name
static const struct dma_fence_ops plain = { NAMES };
static const struct dma_fence_ops with_signaled = { NAMES, .signaled = asked };
static const struct dma_fence_ops with_deadline = { NAMES, .set_deadline = told };

static struct dma_fence *make(u64 seqno)
{
	struct dma_fence *f = peer_alloc(sizeof(*f));

	dma_fence_init(f, &plain, NULL, 1, seqno);
	return f;
}

#define OPERATION(name, before, each, after) \
	static double name(long n) \
	{ \
		double t; \
		before; \
		t = now(); \
		for (long i = 0; i < n; i++) { each; } \
		t = now() - t; \
		after; \
		return t; \
	}
#define PENDING(ops) struct dma_fence st; dma_fence_init(&st, &ops, NULL, 1, 1)
#define SIGNALLED PENDING(plain); dma_fence_signal(&st)
#define CALLBACK struct dma_fence_cb cb

OPERATION(rcu, , rcu_read_lock(); USE(0); rcu_read_unlock(), )
OPERATION(init_signal, struct dma_fence st,
	  dma_fence_init(&st, &plain, NULL, 1, i); dma_fence_signal(&st), )
OPERATION(alloc_signal_put, , struct dma_fence *f = make(i); dma_fence_signal(f); dma_fence_put(f), )
OPERATION(alloc_signal_free, , struct dma_fence *f = make(i); dma_fence_signal(f); dma_fence_put(f);
	  if (i == n - 1) rcu_barrier(), )
OPERATION(init_add_signal, struct dma_fence st; CALLBACK,
	  dma_fence_init(&st, &plain, NULL, 1, i); dma_fence_add_callback(&st, &cb, called);
	  dma_fence_signal(&st), )
OPERATION(alloc_add_signal_put, CALLBACK,
	  struct dma_fence *f = make(i); dma_fence_get(f); dma_fence_add_callback(f, &cb, called);
	  dma_fence_signal(f); dma_fence_put(f); dma_fence_remove_callback(f, &cb); dma_fence_put(f), )
OPERATION(add_remove, PENDING(plain); CALLBACK,
	  dma_fence_add_callback(&st, &cb, called); dma_fence_remove_callback(&st, &cb), )
OPERATION(is_signaled_pending, PENDING(plain), USE(dma_fence_is_signaled(&st)), )
OPERATION(is_signaled_op, PENDING(with_signaled), USE(dma_fence_is_signaled(&st)), )
OPERATION(is_signaled, SIGNALLED, USE(dma_fence_is_signaled(&st)), )
OPERATION(status, SIGNALLED, USE(dma_fence_get_status(&st)), )
OPERATION(get_put, PENDING(plain), dma_fence_get(&st); USE(&st); dma_fence_put(&st), )
OPERATION(driver_name, PENDING(plain),
	  rcu_read_lock(); USE(dma_fence_driver_name(&st)); rcu_read_unlock(), )
OPERATION(timeline_name, PENDING(plain),
	  rcu_read_lock(); USE(dma_fence_timeline_name(&st)); rcu_read_unlock(), )
OPERATION(wait_signaled, SIGNALLED, USE(dma_fence_wait_timeout(&st, false, MAX_SCHEDULE_TIMEOUT)), )
OPERATION(describe, PENDING(plain); char buf[256]; struct seq_file s; s.buf = buf; s.size = 256,
	  s.count = 0; dma_fence_describe(&st, &s), )
OPERATION(deadline, PENDING(plain), dma_fence_set_deadline(&st, i), )
OPERATION(deadline_op, PENDING(with_deadline), dma_fence_set_deadline(&st, i), )

/* What is there, in the order of the names. */
static const struct operation {
	const char *name;
	double (*run)(long n);
} operations[] = {
#define IS(name) { #name, name }
	IS(rcu), IS(init_signal), IS(alloc_signal_put), IS(alloc_signal_free), IS(init_add_signal),
	IS(alloc_add_signal_put), IS(add_remove), IS(is_signaled_pending), IS(is_signaled_op),
	IS(is_signaled), IS(status), IS(get_put), IS(driver_name), IS(timeline_name), IS(wait_signaled),
	IS(describe), IS(deadline), IS(deadline_op), { "busted", get_put },
};

/* The operation of that name, or null. */
double (*PEER(find)(const char *wanted))(long)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, wanted))
			return operations[i].run;
	return NULL;
}

/* Each thread that runs operations is one that RCU knows. */
void PEER(attach)(void) { attach_thread(); }
void PEER(detach)(void) { detach_thread(); }
void PEER(barrier)(void) { rcu_barrier(); }
