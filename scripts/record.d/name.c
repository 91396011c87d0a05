// SPDX-License-Identifier: GPL-2.0-only
/* Names of all kinds. */
#include "record.h"

static const char * const kind_name[] = {
	"fence", "context", "lock", "callback", "resv", "thread"
};

static struct name names[MAX_NAMES];
static int n_names;

struct name *name_find(enum kind kind, const char *text)
{
	int i;

	for (i = 0; i < n_names; i++)
		if (names[i].kind == kind && !strcmp(names[i].text, text))
			return &names[i];
	return NULL;
}

/* Can @text be the name of a new object of this kind? */
bool name_ok(struct call *c, enum kind kind, const char *text)
{
	const char *p;

	if (c->bad)
		return false;
	if (!(isalpha(text[0]) || text[0] == '_') || !strcmp(text, "NULL") ||
	    strlen(text) >= NAME_LEN) {
		fail(c, "not a name: %s", text);
		return false;
	}
	for (p = text; *p; p++)
		if (!isalnum(*p) && *p != '_' && *p != '-' && *p != '.') {
			fail(c, "not a name: %s", text);
			return false;
		}
	if (name_find(kind, text)) {
		fail(c, "%s %s exists", kind_name[kind], text);
		return false;
	}
	if (n_names == MAX_NAMES) {
		fail(c, "too many names");
		return false;
	}
	return true;
}

void name_add(enum kind kind, const char *text, u64 value)
{
	struct name *n = &names[n_names++];

	strscpy(n->text, text);
	n->kind = kind;
	n->value = value;
}

struct name *name_arg(struct call *c, enum kind kind, const char *text)
{
	struct name *n = name_find(kind, text);

	if (!n)
		fail(c, "no %s %s", kind_name[kind], text);
	return n;
}

u64 context_arg(struct call *c, const char *text)
{
	struct name *n = name_arg(c, K_CONTEXT, text);

	return n ? n->value : 0;
}

void forget_names(void)
{
	n_names = 0;
}
