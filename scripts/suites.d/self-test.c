// SPDX-License-Identifier: GPL-2.0-only
/* A suite with one test of each end, for "scripts/suites kunit --self-test". */
#include <kunit/test.h>
#include <linux/sync_file.h> /* which no suite of the kernel needs */
#include <stdlib.h>

static void test_passes(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 1, 1);
}

static void test_fails(struct kunit *test)
{
	KUNIT_FAIL(test, "as it should");
}

static void test_ends(struct kunit *test)
{
	KUNIT_ASSERT_NOT_NULL(test, NULL);
	abort();
}

static void test_skips(struct kunit *test)
{
	kunit_skip(test, "for a reason\n");
	abort();
}

static void test_hangs(struct kunit *test)
{
	for (;;)
		pause();
}

static void test_crashes(struct kunit *test)
{
	abort();
}

static const struct number {
	const char *desc;
	int value;
} numbers[] = { { "one", 1 }, { "two", 2 } };

KUNIT_ARRAY_PARAM_DESC(number, numbers, desc);

static void test_is_one(struct kunit *test)
{
	const struct number *number = test->param_value;

	KUNIT_EXPECT_EQ(test, number->value, 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_passes),
	KUNIT_CASE(test_fails),
	KUNIT_CASE(test_ends),
	KUNIT_CASE(test_skips),
	KUNIT_CASE(test_hangs),
	KUNIT_CASE(test_crashes),
	KUNIT_CASE_PARAM(test_is_one, number_gen_params),
	{}
};

static struct kunit_suite suite = { .name = "self-test", .test_cases = cases };

kunit_test_suite(suite);
