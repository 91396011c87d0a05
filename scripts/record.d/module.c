// SPDX-License-Identifier: GPL-2.0-only
/* The module: a file to write commands to, and which fences the kernel has. */
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

#include "record.h"

void cmd_end(struct call *c)
{
	refuse_blocked(c);
	refuse_locked(c);
	if (!c->bad)
		say_live(c);
}

/* Silently brings the module back to where it was before the scenario. */
static void reset(void)
{
	muted = true;
	signal_fences();
	settle();
	forget_threads();
	end_resvs();
	put_fences();
	settle();
	forget_fences();
	forget_callbacks();
	forget_locks();
	forget_names();
	muted = false;
}

static ssize_t record_write(struct file *file, const char __user *user, size_t len, loff_t *pos)
{
	static DEFINE_MUTEX(one_at_a_time);
	static struct call top;
	char line[LINE_LEN];

	if (len >= sizeof(line))
		return -E2BIG;
	if (copy_from_user(line, user, len))
		return -EFAULT;
	line[len] = 0;

	mutex_lock(&one_at_a_time);
	if (!strcmp(line, ".reset")) {
		reset();
	} else {
		run_line(&top, AT_TOP, line);
		settle();
		note("%s %s", top.bad ? "?" : "=", top.res);
	}
	mutex_unlock(&one_at_a_time);
	return len;
}

static const struct proc_ops record_proc_ops = {
	.proc_write = record_write,
};

static struct tracepoint *tp_init, *tp_destroy;

static void on_init(void *data, struct dma_fence *f)
{
	fence_born();
}

static void on_destroy(void *data, struct dma_fence *f)
{
	fence_dies(f);
}

static void find_tracepoint(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "dma_fence_init"))
		tp_init = tp;
	else if (!strcmp(tp->name, "dma_fence_destroy"))
		tp_destroy = tp;
}

static int __init record_init(void)
{
	int ret;

	if (num_online_cpus() != 1) {
		pr_err("fence_record: expected a machine with one CPU\n");
		return -EINVAL;
	}
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	if (!tp_init || !tp_destroy)
		return -ENOENT;
	make_ops();
	ret = tracepoint_probe_register(tp_init, on_init, NULL);
	if (ret)
		return ret;
	ret = tracepoint_probe_register(tp_destroy, on_destroy, NULL);
	if (!ret && !proc_create("fence_record", 0200, NULL, &record_proc_ops)) {
		tracepoint_probe_unregister(tp_destroy, on_destroy, NULL);
		ret = -ENOMEM;
	}
	if (ret)
		tracepoint_probe_unregister(tp_init, on_init, NULL);
	return ret;
}

/* No exit: the machine is thrown away after the run. */
module_init(record_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Runs scenarios of fences on the dma_fence of this kernel");
