// SPDX-License-Identifier: GPL-2.0-only
/* What a command says: notes in the trace, results, numbers and lists. */
#include "record.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

bool muted;

void note(const char *fmt, ...)
{
	/* Too large for the stack; on one CPU no other uses it with interrupts off. */
	static char text[RES_LEN + LINE_LEN];
	unsigned long flags;
	va_list ap;

	if (muted)
		return;
	local_irq_save(flags);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	trace_record_note(text);
	local_irq_restore(flags);
}

static __printf(3, 0) void append(struct call *c, size_t at, const char *fmt, va_list ap)
{
	if (vsnprintf(c->res + at, sizeof(c->res) - at, fmt, ap) >= sizeof(c->res) - at)
		c->cut = true;
}

/* The result. */
void say(struct call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(c, 0, fmt, ap);
	va_end(ap);
}

/* What stands behind that. */
void say_more(struct call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(c, strlen(c->res), fmt, ap);
	va_end(ap);
}

/* The command is wrong, in place of a result; the first thing that is wrong counts. */
void fail(struct call *c, const char *fmt, ...)
{
	va_list ap;

	if (c->bad)
		return;
	c->bad = true;
	va_start(ap, fmt);
	vsnprintf(c->res, sizeof(c->res), fmt, ap);
	va_end(ap);
}

void say_bool(struct call *c, bool v)
{
	say(c, "%s", v ? "true" : "false");
}

static const struct { int no; const char *name; } errnos[] = {
	{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EINTR, "EINTR" },
	{ EIO, "EIO" }, { EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" },
	{ EFAULT, "EFAULT" }, { EBUSY, "EBUSY" }, { ENODEV, "ENODEV" },
	{ EINVAL, "EINVAL" }, { ENOSPC, "ENOSPC" }, { EDEADLK, "EDEADLK" },
	{ ENODATA, "ENODATA" }, { ETIME, "ETIME" }, { EPROTO, "EPROTO" },
	{ EOVERFLOW, "EOVERFLOW" }, { EOPNOTSUPP, "EOPNOTSUPP" },
	{ ETIMEDOUT, "ETIMEDOUT" }, { ECANCELED, "ECANCELED" },
	{ ERESTARTSYS, "ERESTARTSYS" },
};

/* A negative errno by name, any other number in decimal. */
const char *num_str(char *buf, size_t len, long v)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (v == -errnos[i].no) {
			snprintf(buf, len, "-%s", errnos[i].name);
			return buf;
		}
	snprintf(buf, len, "%ld", v);
	return buf;
}

void say_num(struct call *c, long v)
{
	num_str(c->res, sizeof(c->res), v);
}

static bool parse_num(const char *s, long *v)
{
	int i;

	if (s[0] == '-' && isalpha(s[1])) {
		for (i = 0; i < ARRAY_SIZE(errnos); i++)
			if (!strcmp(s + 1, errnos[i].name)) {
				*v = -errnos[i].no;
				return true;
			}
		return false;
	}
	return !kstrtol(s, 0, v);
}

long num_arg(struct call *c, const char *s)
{
	long v = 0;

	if (!parse_num(s, &v))
		fail(c, "not a number: %s", s);
	return v;
}

u64 u64_arg(struct call *c, const char *s)
{
	u64 v = 0;

	if (kstrtou64(s, 0, &v))
		fail(c, "not an unsigned number: %s", s);
	return v;
}

/* A list in a result: [a b c] */
void list_open(struct call *c)
{
	say(c, "[");
}

void list_item(struct call *c, const char *fmt, ...)
{
	va_list ap;

	if (c->res[strlen(c->res) - 1] != '[')
		say_more(c, " ");
	va_start(ap, fmt);
	append(c, strlen(c->res), fmt, ap);
	va_end(ap);
}

void list_close(struct call *c)
{
	say_more(c, "]");
}
