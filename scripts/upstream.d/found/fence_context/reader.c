// SPDX-License-Identifier: GPL-2.0-only
/* What is inline in C, for Rust; and a reader that keeps a fence's names for a second. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/kthread.h>

void reader_get(struct dma_fence *f) { dma_fence_get(f); }
void reader_put(struct dma_fence *f) { dma_fence_put(f); }
void reader_set_error(struct dma_fence *f, int error) { dma_fence_set_error(f, error); }
bool reader_is_signaled(struct dma_fence *f) { return dma_fence_is_signaled(f); }
bool reader_test_flag(struct dma_fence *f) { return dma_fence_test_signaled_flag(f); }
void reader_lock(struct dma_fence *f, unsigned long *flags) { dma_fence_lock_irqsave(f, *flags); }
void reader_unlock(struct dma_fence *f, unsigned long *flags) { dma_fence_unlock_irqrestore(f, *flags); }

static DECLARE_COMPLETION(inside);
static DECLARE_COMPLETION(left);
static bool dropped;

static int reader(void *data)
{
	struct dma_fence *f = data;
	const char *driver, *timeline;
	int ms;

	rcu_read_lock();
	driver = (__force const char *)dma_fence_driver_name(f);
	timeline = (__force const char *)dma_fence_timeline_name(f);
	pr_info("fence_context: names: %.16s, %.16s\n", driver, timeline);
	complete(&inside);
	for (ms = 0; ms < 1000 && !READ_ONCE(dropped); ms++)
		mdelay(1);
	pr_info("fence_context: names: %.16s, %.16s; context dropped: %d\n", driver, timeline,
		READ_ONCE(dropped));
	rcu_read_unlock();
	dma_fence_put(f);
	complete(&left);
	return 0;
}

/* Returns when the reader has the names. */
int reader_start(struct dma_fence *f)
{
	struct task_struct *task;

	reinit_completion(&inside);
	reinit_completion(&left);
	WRITE_ONCE(dropped, false);
	task = kthread_create(reader, dma_fence_get(f), "reader");
	if (IS_ERR(task)) {
		dma_fence_put(f);
		return PTR_ERR(task);
	}
	wake_up_process(task);
	wait_for_completion(&inside);
	return 0;
}

void reader_dropped(void)
{
	WRITE_ONCE(dropped, true);
	wait_for_completion(&left);
}
