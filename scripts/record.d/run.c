// SPDX-License-Identifier: GPL-2.0-only
/* The table of commands. */
#include "record.h"

#define ANY (MAX_ARGS - 1)

static const struct command {
	const char *name;
	int min, max;		/* number of words behind the name */
	enum place also;
	void (*fn)(struct call *c);
} commands[] = {
#define COMMAND(name, min, max, also) { #name, min, max, also, cmd_##name },
#include "commands.h"
};

static const struct command *command_find(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

bool allowed_in(const char *name, enum place place)
{
	const struct command *cmd = command_find(name);

	return cmd && (place == AT_TOP || cmd->also == place);
}

/* The line that a callback or a thread keeps: the words from @first on. */
void join(char *line, struct call *c, int first)
{
	int i;

	line[0] = 0;
	for (i = first; i < c->argc; i++) {
		if (i > first)
			strlcat(line, " ", LINE_LEN);
		strlcat(line, c->argv[i], LINE_LEN);
	}
}

/* Runs one line. Afterwards c->res is the result, or what is wrong if c->bad. */
void run_line(struct call *c, enum place place, const char *line)
{
	const struct command *cmd;
	char *rest, *w;

	memset(c, 0, sizeof(*c));
	c->place = place;
	strscpy(c->line, line);
	strscpy(c->res, "ok");
	rest = strim(c->line);
	while ((w = strsep(&rest, " \t"))) {
		if (!*w)
			continue;
		if (c->argc == MAX_ARGS) {
			fail(c, "too many words");
			return;
		}
		c->argv[c->argc++] = w;
	}
	if (!c->argc) {
		fail(c, "empty line");
		return;
	}
	cmd = command_find(c->argv[0]);
	if (!cmd)
		fail(c, "no such command: %s", c->argv[0]);
	else if (c->argc - 1 < cmd->min || c->argc - 1 > cmd->max)
		fail(c, "wrong number of words for %s", cmd->name);
	else if (!allowed_in(cmd->name, place))
		fail(c, "%s cannot run here", cmd->name);
	else
		cmd->fn(c);
	if (c->cut)
		fail(c, "the result is too long");
	while (c->n_used)
		c->used[--c->n_used]->busy--;
}
