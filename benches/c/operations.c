// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations that are measured, on the kernel's own C: each is done so many times, and returns
 * what that took, in nanoseconds. Those of src/mirror.rs with the same names do the same.
 */
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>

__thread struct task_struct this_task;

void free_at_0(struct rcu_head *head) { kfree(head); }
void free_at_16(struct rcu_head *head) { kfree((char *)head - 16); }

/* The clock, which is read where what is timed begins, and where it ends. */
static bool stepping;
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
#if defined(__x86_64__)
	/* What is timed is counted as well. */
	if (unlikely(stepping))
		__asm__ volatile("int3");
#endif
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

/* A fence whose signal calls so many callbacks; each counts. */
static double callbacks(long n, long each)
{
	struct dma_fence st;
	struct dma_fence_cb *cb = malloc(sizeof(*cb) * each);
	double t = now();

	for (long i = 0; i < n; i += each) {
		dma_fence_init(&st, &plain, NULL, 1, i);
		for (long k = 0; k < each; k++)
			dma_fence_add_callback(&st, cb + k, called);
		dma_fence_signal(&st);
	}
	t = now() - t;
	free(cb);
	return t;
}
static double callbacks_1(long n) { return callbacks(n, 1); }
static double callbacks_16(long n) { return callbacks(n, 16); }
static double callbacks_1024(long n) { return callbacks(n, 1024); }

/* A thousand fences, of which the last has signalled. */
static double wait_any_of(long n, long timeout)
{
	static struct dma_fence fences[1000], *all[1000];
	u32 index;
	double t;

	if (!all[0])
		for (int i = 0; i < 1000; i++) {
			all[i] = &fences[i];
			dma_fence_init(all[i], &plain, NULL, 1, i);
		}
	dma_fence_signal(all[999]);
	t = now();
	for (long i = 0; i < n; i++)
		USE(dma_fence_wait_any_timeout(all, 1000, false, timeout, &index));
	return now() - t;
}
static double wait_any_poll(long n) { return wait_any_of(n, 0); }
static double wait_any(long n) { return wait_any_of(n, 100); }

/* Threads that begin at the same time; each adds and removes a callback n times. */
struct adder {
	struct dma_fence *fence;
	long n;
	int *go;
};
static void *adder(void *p)
{
	struct adder *a = p;
	struct dma_fence_cb cb;

	attach_thread();
	while (!__atomic_load_n(a->go, __ATOMIC_ACQUIRE))
		sched_yield();
	for (long i = 0; i < a->n; i++) {
		dma_fence_add_callback(a->fence, &cb, called);
		dma_fence_remove_callback(a->fence, &cb);
	}
	detach_thread();
	return NULL;
}
static double adders(long n, int threads, bool shared)
{
	struct { struct dma_fence fence; char apart[64]; } st[4];
	struct adder adders[4];
	pthread_t thread[4];
	int go = 0;
	double t;

	for (int i = 0; i < threads; i++) {
		dma_fence_init(&st[i].fence, &plain, NULL, 1, i);
		adders[i] = (struct adder){ &st[shared ? 0 : i].fence, n, &go };
		pthread_create(&thread[i], NULL, adder, &adders[i]);
	}
	t = now();
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return now() - t;
}
static double threads_1(long n) { return adders(n, 1, true); }
static double threads_2_own(long n) { return adders(n, 2, false); }
static double threads_2_one(long n) { return adders(n, 2, true); }
static double threads_4_own(long n) { return adders(n, 4, false); }
static double threads_4_one(long n) { return adders(n, 4, true); }

/* Puts the calling thread on a processor of its own. */
void on_the_second(void);

/* Two threads, each of which waits for the other. */
struct table {
	struct dma_fence **there, **back;
	long n;
};
static void *echo(void *p)
{
	struct table *a = p;

	attach_thread();
	on_the_second();
	for (long i = 0; i < a->n; i++) {
		dma_fence_wait(a->there[i], false);
		dma_fence_signal(a->back[i]);
	}
	detach_thread();
	return NULL;
}
static struct dma_fence **make_all(long n)
{
	struct dma_fence **all = malloc(sizeof(*all) * n);

	for (long i = 0; i < n; i++)
		all[i] = make(i);
	return all;
}
static double round_trip(long n)
{
	struct table a = { make_all(n), make_all(n), n };
	pthread_t thread;
	double t;

	pthread_create(&thread, NULL, echo, &a);
	t = now();
	for (long i = 0; i < n; i++) {
		dma_fence_signal(a.there[i]);
		dma_fence_wait(a.back[i], false);
	}
	t = now() - t;
	pthread_join(thread, NULL);
	for (long i = 0; i < n; i++) {
		dma_fence_put(a.there[i]);
		dma_fence_put(a.back[i]);
	}
	free(a.there);
	free(a.back);
	return t;
}

/* A chain of n nodes. */
static struct dma_fence *chain(long n, struct dma_fence *fence)
{
	struct dma_fence *last = NULL;

	for (long i = 1; i <= n; i++) {
		struct dma_fence_chain *node = dma_fence_chain_alloc();

		dma_fence_chain_init(node, last, dma_fence_get(fence), i);
		last = &node->base;
	}
	return last;
}
static double chain_walk(long n)
{
	struct dma_fence *fence = make(1), *last = chain(n, fence), *node;
	double t = now();

	dma_fence_chain_for_each(node, last)
		USE(node);
	t = now() - t;
	dma_fence_put(last);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return t;
}
static double chain_collect(long n)
{
	struct dma_fence *fence = make(1), *last = chain(n, fence), *node;
	double t;

	dma_fence_signal(fence);
	t = now();
	dma_fence_chain_for_each(node, last)
		USE(node);
	t = now() - t;
	dma_fence_put(last);
	dma_fence_put(fence);
	return t;
}

/* Arrays over so many of the fences, of as many contexts, in no order. */
static struct dma_fence *array(struct dma_fence **fences, long n)
{
	struct dma_fence **members = peer_alloc(sizeof(*members) * n);

	for (long i = 0; i < n; i++)
		members[i] = dma_fence_get(fences[i]);
	return &dma_fence_array_create(n, members, 1000, 1)->base;
}
static double array_complete(long n)
{
	double t = 0;

	for (long i = 0; i < n; i += 1024) {
		struct dma_fence **fences = make_all(1024), *all = array(fences, 1024);
		double begin;

		dma_fence_enable_signaling(all);
		begin = now();
		for (int k = 0; k < 1024; k++)
			dma_fence_signal(fences[k]);
		t += now() - begin;
		dma_fence_put(all);
		for (int k = 0; k < 1024; k++)
			dma_fence_put(fences[k]);
		free(fences);
	}
	return t;
}
static double merge(long n, long half)
{
	struct dma_fence **fences = malloc(sizeof(*fences) * 2 * half), *a, *b;
	double t = 0;

	for (long i = 0; i < 2 * half; i++) {
		fences[i] = peer_alloc(sizeof(**fences));
		dma_fence_init(fences[i], &plain, NULL, 1 + i * 2654435761UL % (2 * half), i);
	}
	a = array(fences, half);
	b = array(fences + half, half);
	for (long i = 0; i < n; i += 2 * half) {
		double begin = now();
		struct dma_fence *merged = dma_fence_unwrap_merge(a, b);

		t += now() - begin;
		dma_fence_put(merged);
	}
	dma_fence_put(a);
	dma_fence_put(b);
	for (long i = 0; i < 2 * half; i++) {
		dma_fence_signal(fences[i]);
		dma_fence_put(fences[i]);
	}
	free(fences);
	return t;
}
static double merge_128(long n) { return merge(n, 128); }
static double merge_2048(long n) { return merge(n, 2048); }

/* Objects that get 64 fences, of as many contexts; and one that has them. */
static void fill(struct dma_resv *resv, struct dma_fence *fences)
{
	dma_resv_init(resv);
	dma_resv_lock(resv, NULL);
	for (int i = 0; i < 64; i++) {
		dma_resv_reserve_fences(resv, 1);
		dma_resv_add_fence(resv, fences + i, DMA_RESV_USAGE_READ);
	}
	dma_resv_unlock(resv);
}
static void make_64(struct dma_fence *fences)
{
	for (int i = 0; i < 64; i++)
		dma_fence_init(fences + i, &plain, NULL, 1 + i, 1);
}
static double resv_add(long n)
{
	struct dma_fence fences[64];
	struct dma_resv resv;
	double t = 0;

	make_64(fences);
	for (long i = 0; i < n; i += 64) {
		double begin = now();

		fill(&resv, fences);
		t += now() - begin;
		dma_resv_fini(&resv);
	}
	return t;
}
static double resv_iterate(long n)
{
	struct dma_resv_iter cursor;
	struct dma_fence fences[64], *fence;
	struct dma_resv resv;
	double t;

	make_64(fences);
	fill(&resv, fences);
	/* The lists that were too short are free. */
	rcu_barrier();
	t = now();
	for (long i = 0; i < n; i += 64) {
		dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
		dma_resv_for_each_fence_unlocked(&cursor, fence)
			USE(fence);
		dma_resv_iter_end(&cursor);
	}
	t = now() - t;
	dma_resv_fini(&resv);
	return t;
}

OPERATION(synchronize, , synchronize_rcu(), )

/* Grace periods with a reader that is in and out of sections. */
static void *reader(void *p)
{
	attach_thread();
	on_the_second();
	while (!__atomic_load_n((int *)p, __ATOMIC_RELAXED)) {
		rcu_read_lock();
		for (int i = 0; i < 20; i++)
			USE(i);
		rcu_read_unlock();
	}
	detach_thread();
	return NULL;
}
static double synchronize_reader(long n)
{
	pthread_t thread;
	int stop = 0;
	double t;

	pthread_create(&thread, NULL, reader, &stop);
	usleep(1000);
	t = synchronize(n);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return t;
}

static void nothing(struct rcu_head *head) { USE(head); }
static double call(long n)
{
	struct rcu_head *heads = malloc(sizeof(*heads) * n);
	double t = now();

	for (long i = 0; i < n; i++)
		call_rcu(heads + i, nothing);
	rcu_barrier();
	t = now() - t;
	free(heads);
	return t;
}

/* Blocks that are freed after a grace period, until all are. */
static double retire(long n)
{
	double t = now();

	for (long i = 0; i < n; i++)
		call_rcu((struct rcu_head *)peer_alloc(64), free_at_0);
	rcu_barrier();
	return now() - t;
}

/* So many fences that stay. */
static double memory(long n)
{
	double t = now();

	for (long i = 0; i < n; i++)
		USE(make(i));
	return now() - t;
}

/* What is there, in the order of the names. */
static const struct operation {
	const char *name;
	double (*run)(long n);
} operations[] = {
#define IS(name) { #name, name }
	IS(rcu), IS(init_signal), IS(alloc_signal_put), IS(alloc_signal_free), IS(init_add_signal),
	IS(alloc_add_signal_put), IS(add_remove), IS(is_signaled_pending), IS(is_signaled_op),
	IS(is_signaled), IS(status), IS(get_put), IS(driver_name), IS(timeline_name), IS(wait_signaled),
	IS(describe), IS(deadline), IS(deadline_op), IS(callbacks_1), IS(callbacks_16), IS(callbacks_1024),
	IS(wait_any_poll), IS(wait_any), IS(threads_1), IS(threads_2_own), IS(threads_2_one),
	IS(threads_4_own), IS(threads_4_one), IS(round_trip), IS(chain_walk), IS(chain_collect),
	IS(array_complete), IS(merge_128), IS(merge_2048), IS(resv_add), IS(resv_iterate), IS(synchronize), IS(synchronize_reader),
	{ "call_rcu", call }, IS(retire), IS(memory), { "busted", get_put },
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
void PEER(barrier)(void) { rcu_barrier(); }
void PEER(step)(void) { stepping = true; }
