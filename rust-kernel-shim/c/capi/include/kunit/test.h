/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KUnit, as far as the tests of fences use it. kunit.c runs the suites, and prints KTAP.
 */
#ifndef _KUNIT_TEST_H
#define _KUNIT_TEST_H

#include <linux/kernel.h>
#include <setjmp.h>

#define KUNIT_PARAM_DESC_SIZE 128

struct kunit {
	const void *param_value;
	const char *name;
	bool failed;
	bool skipped;
	char comment[256];
	jmp_buf end;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	/* Returns the parameter after prev, and describes it; NULL after the last. */
	const void *(*generate_params)(struct kunit *test, const void *prev, char *desc);
};

struct kunit_suite {
	const char *name;
	int (*suite_init)(struct kunit_suite *suite);
	void (*suite_exit)(struct kunit_suite *suite);
	struct kunit_case *test_cases;
	struct kunit_suite *next;
};

void kunit_register(struct kunit_suite *suite);
__attribute__((format(printf, 4, 5)))
void kunit_fail(struct kunit *test, const char *file, int line, const char *fmt, ...);
__attribute__((format(printf, 2, 3)))
void kunit_mark_skipped(struct kunit *test, const char *fmt, ...);

#define kunit_test_suite(suite) \
static void __attribute__((constructor)) kunit_register_##suite(void) \
{ \
	kunit_register(&(suite)); \
}

#define KUNIT_CASE(test) { .run_case = test, .name = #test }
#define KUNIT_CASE_PARAM(test, params) { .run_case = test, .name = #test, .generate_params = params }
#define KUNIT_ARRAY_PARAM_DESC(what, array, member) \
static const void *what##_gen_params(struct kunit *test, const void *prev, char *desc) \
{ \
	typeof((array)[0]) *next = prev ? (typeof(next))prev + 1 : (array); \
	if (next >= (array) + ARRAY_SIZE(array)) \
		return NULL; \
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", next->member); \
	return next; \
}

#define kunit_abort(test) longjmp((test)->end, 1)
#define kunit_skip(test, fmt, ...) do { \
	kunit_mark_skipped(test, fmt, ##__VA_ARGS__); \
	kunit_abort(test); \
} while (0)

#define KUNIT_FAIL(test, fmt, ...) kunit_fail(test, __FILE__, __LINE__, fmt, ##__VA_ARGS__)
#define KUNIT_EXPECT_EQ(test, left, right) do { \
	if ((left) != (right)) \
		KUNIT_FAIL(test, "expected %s == %s", #left, #right); \
} while (0)
#define KUNIT_ASSERT_EQ_MSG(test, left, right, fmt, ...) do { \
	if ((left) != (right)) { \
		KUNIT_FAIL(test, fmt, ##__VA_ARGS__); \
		kunit_abort(test); \
	} \
} while (0)
#define KUNIT_ASSERT_NOT_NULL(test, ptr) do { \
	if (!(ptr)) { \
		KUNIT_FAIL(test, "expected %s to be no null pointer", #ptr); \
		kunit_abort(test); \
	} \
} while (0)

#endif
