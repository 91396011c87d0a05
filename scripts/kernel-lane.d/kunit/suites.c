// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs suites of KUnit in a kernel without it, when "1" is written to the module's
 * parameter "kunit", and prints what KUnit would. As there, each case is a thread, which an
 * assertion that fails ends.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>

typedef bool (*run_t)(void);

void kunit_failed(const char *file, int file_len, int line, const char *text, int text_len);

#define SUITE(name) run_t kunit_suite_##name(size_t n, const char **case_name);
#include "kunit_suites.h"
#undef SUITE

static const struct {
	const char *name;
	run_t (*nth)(size_t n, const char **case_name);
} suites[] = {
#define SUITE(name) { #name, kunit_suite_##name },
#include "kunit_suites.h"
};

/* The case that runs. */
static struct {
	struct task_struct *task;
	struct completion done;
	const char *name;
	run_t run;
	bool passed;
} now;

void kunit_failed(const char *file, int file_len, int line, const char *text, int text_len)
{
	printk(KERN_ERR "    # %s: ASSERTION FAILED at %.*s:%d\n", now.name, file_len, file, line);
	printk(KERN_ERR "    Expected %.*s to be true, but is false\n", text_len, text);
	if (current == now.task)
		kthread_complete_and_exit(&now.done, 0);
	printk(KERN_ERR "    This is not the task of the case, which goes on\n");
}

static int run(void *data)
{
	now.passed = now.run();
	kthread_complete_and_exit(&now.done, 0);
}

/* False if the case does not end. */
static bool run_case(void)
{
	init_completion(&now.done);
	now.passed = false;
	now.task = kthread_create(run, NULL, "kunit/%s", now.name);
	if (IS_ERR(now.task))
		return true;
	wake_up_process(now.task);
	return wait_for_completion_timeout(&now.done, 60 * HZ);
}

static int run_suite(int number)
{
	size_t n, failed = 0, cases = 0;

	while (suites[number].nth(cases, &now.name))
		cases++;
	printk(KERN_INFO "    KTAP version 1\n");
	printk(KERN_INFO "    # Subtest: %s\n", suites[number].name);
	printk(KERN_INFO "    1..%zu\n", cases);
	for (n = 0; n < cases; n++) {
		now.run = suites[number].nth(n, &now.name);
		if (!run_case()) {
			printk(KERN_ERR "    # %s: does not end\n", now.name);
			printk(KERN_INFO "    not ok %zu %s\n", n + 1, now.name);
			return -ETIMEDOUT;
		}
		failed += !now.passed;
		printk(KERN_INFO "    %s %zu %s\n", now.passed ? "ok" : "not ok", n + 1, now.name);
	}
	printk(KERN_INFO "# %s: pass:%zu fail:%zu skip:0 total:%zu\n",
	       suites[number].name, cases - failed, failed, cases);
	printk(KERN_INFO "%s %d %s\n", failed ? "not ok" : "ok", number + 1, suites[number].name);
	return 0;
}

static int run_suites(const char *value, const struct kernel_param *param)
{
	int number, ret = 0;

	/* As a word to insmod it would be heard before the driver is there. */
	if (THIS_MODULE->state != MODULE_STATE_LIVE)
		return -EBUSY;
	printk(KERN_INFO "KTAP version 1\n");
	printk(KERN_INFO "1..%zu\n", ARRAY_SIZE(suites));
	for (number = 0; number < ARRAY_SIZE(suites) && !ret; number++)
		ret = run_suite(number);
	return ret;
}

static const struct kernel_param_ops kunit_ops = { .set = run_suites };
module_param_cb(kunit, &kunit_ops, NULL, 0200);
