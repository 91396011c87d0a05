// SPDX-License-Identifier: GPL-2.0-only
/*
 * kunit.c - run the suites that are linked with it, and print KTAP.
 *
 *   PROGRAM [--limit SECONDS] [SUITE...]   all suites, or those named
 *   PROGRAM --list                         their names
 *
 * Each suite is a process of its own, so that a test that hangs or crashes can be named and
 * ended, and the rest goes on. Exit status: 0 if none fails, 1 if one does, 2 usage.
 */
#include <kunit/test.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum outcome { PASS, FAIL, SKIP, OUTCOMES };

/* What a suite's process tells its parent. */
static struct progress {
	int number;			/* of the test that runs, from 0 */
	time_t started;
	int count[OUTCOMES];		/* results, parameters counted each by itself */
} *progress;

static struct kunit_suite *suites;

void kunit_register(struct kunit_suite *suite)
{
	struct kunit_suite **last = &suites;

	while (*last && strcmp((*last)->name, suite->name) < 0)
		last = &(*last)->next;
	suite->next = *last;
	*last = suite;
}

void kunit_fail(struct kunit *test, const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	test->failed = true;
	printf("    # %s: FAILED at %s:%d: %s\n", test->name, file, line, text);
}

void kunit_mark_skipped(struct kunit *test, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(test->comment, sizeof(test->comment), fmt, args);
	va_end(args);
	test->comment[strcspn(test->comment, "\n")] = 0;
	test->skipped = true;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Totals, as kunit.py wants them; of one result there are none. */
static void print_totals(const char *indent, const char *name, const int count[OUTCOMES])
{
	printf("%s# %s: pass:%d fail:%d skip:%d total:%d\n", indent, name, count[PASS], count[FAIL],
	       count[SKIP], count[PASS] + count[FAIL] + count[SKIP]);
}

static enum outcome run_once(const struct kunit_case *test_case, struct kunit *test)
{
	test->name = test_case->name;
	if (!setjmp(test->end))
		test_case->run_case(test);
	return test->failed ? FAIL : test->skipped ? SKIP : PASS;
}

static void run_case(const struct kunit_case *test_case, int number)
{
	int count[OUTCOMES] = { 0 };
	enum outcome outcome;
	static struct kunit test;

	memset(&test, 0, sizeof(test));
	if (test_case->generate_params) {
		char desc[KUNIT_PARAM_DESC_SIZE] = "";
		const void *param = NULL;
		int n = 0;

		printf("        KTAP version 1\n        # Subtest: %s\n", test_case->name);
		while ((param = test_case->generate_params(&test, param, desc))) {
			memset(&test, 0, sizeof(test));
			test.param_value = param;
			outcome = run_once(test_case, &test);
			count[outcome]++;
			printf("        %s %d %s%s%s\n", outcome == FAIL ? "not ok" : "ok", ++n, desc,
			       outcome == SKIP ? " # SKIP " : "", test.comment);
		}
		print_totals("    ", test_case->name, count);
		outcome = count[FAIL] ? FAIL : count[PASS] ? PASS : SKIP;
	} else {
		outcome = run_once(test_case, &test);
		count[outcome]++;
	}
	printf("    %s %d %s%s%s\n", outcome == FAIL ? "not ok" : "ok", number + 1, test_case->name,
	       outcome == SKIP ? " # SKIP " : "", test_case->generate_params ? "" : test.comment);
	for (outcome = 0; outcome < OUTCOMES; outcome++)
		progress->count[outcome] += count[outcome];
}

/* The process of a suite: the tests from progress->number on. */
static void run_tests(struct kunit_suite *suite)
{
	if (suite->suite_init && suite->suite_init(suite)) {
		printf("    # %s: the suite cannot be initialised\n", suite->name);
		exit(1);
	}
	while (suite->test_cases[progress->number].run_case) {
		progress->started = now();
		run_case(&suite->test_cases[progress->number], progress->number);
		progress->number++;
	}
	progress->started = now();
	if (suite->suite_exit)
		suite->suite_exit(suite);
	exit(0);
}

/* Whether all went well. */
static bool run_suite(struct kunit_suite *suite, int limit)
{
	int total = 0;
	bool well = true;

	while (suite->test_cases[total].run_case)
		total++;
	memset(progress, 0, sizeof(*progress));
	printf("    KTAP version 1\n    # Subtest: %s\n    1..%d\n", suite->name, total);
	for (;;) {
		const char *name;
		char reason[64];
		bool hangs = false;
		int status;
		pid_t child;

		progress->started = now();
		child = fork();
		if (child < 0) {
			perror("fork");
			exit(2);
		}
		if (!child)
			run_tests(suite);
		while (!waitpid(child, &status, WNOHANG)) {
			if (now() - progress->started > limit) {
				hangs = true;
				kill(child, SIGKILL);
			}
			usleep(1000);
		}
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			break;
		well = false;
		if (hangs)
			snprintf(reason, sizeof(reason), "has not ended after %d s", limit);
		else if (WIFSIGNALED(status))
			snprintf(reason, sizeof(reason), "ended by signal %d", WTERMSIG(status));
		else
			snprintf(reason, sizeof(reason), "ended with status %d", WEXITSTATUS(status));
		name = suite->test_cases[progress->number].name;
		printf("    # %s: %s: %s\n", suite->name, name ? name : "the end of the suite", reason);
		if (!name)
			break;
		printf("    not ok %d %s\n", ++progress->number, name);
		progress->count[FAIL]++;
		if (progress->number == total)
			break;
	}
	print_totals("", suite->name, progress->count);
	return well && !progress->count[FAIL];
}

/* Whether it is among the names, of which there may be none. */
static bool wanted(const struct kunit_suite *suite, char **names)
{
	bool any = !*names;

	for (; *names; names++)
		any |= !strcmp(*names, suite->name);
	return any;
}

int main(int argc, char **argv)
{
	struct kunit_suite *suite;
	int limit = 60, number = 0, bad = 0, total[OUTCOMES] = { 0 };
	char **names = argv + 1;

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (*names && !strcmp(*names, "--list")) {
		for (suite = suites; suite; suite = suite->next)
			puts(suite->name);
		return 0;
	}
	if (*names && !strcmp(*names, "--limit")) {
		limit = names[1] ? atoi(names[1]) : 0;
		names += 2;
	}
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED || limit <= 0)
		return 2;
	for (suite = suites; suite; suite = suite->next)
		number += wanted(suite, names);
	if (!number)
		return 2;
	printf("KTAP version 1\n1..%d\n", number);
	number = 0;
	for (suite = suites; suite; suite = suite->next) {
		bool well;
		int outcome;

		if (!wanted(suite, names))
			continue;
		well = run_suite(suite, limit);
		for (outcome = 0; outcome < OUTCOMES; outcome++)
			total[outcome] += progress->count[outcome];
		printf("%s %d %s\n", well ? "ok" : "not ok", ++number, suite->name);
		bad |= !well;
	}
	print_totals("", "Totals", total);
	return bad;
}
