// SPDX-License-Identifier: GPL-2.0-only
/*
 * ask RUNS: writes the scenarios in /scenarios, line by line, to the module, and prints
 * what it told, each transcript between "@@ begin RUN NAME" and "@@ end".
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"

static int module = -1, trace = -1;

static void die(const char *what)
{
	printf("@@ failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* The names of contexts in a scenario: its own, and #1, #2, ... as they appear. */
static struct { unsigned long long number; char name[48]; } contexts[1024];
static int n_contexts, n_unnamed;

static void name_context(unsigned long long number, const char *name)
{
	if (n_contexts == sizeof(contexts) / sizeof(contexts[0]))
		die("too many contexts");
	contexts[n_contexts].number = number;
	snprintf(contexts[n_contexts++].name, sizeof(contexts[0].name), "%s", name);
}

static const char *context_name(unsigned long long number)
{
	char name[24];
	int i;

	if (!number)
		return "stub";
	for (i = 0; i < n_contexts; i++)
		if (contexts[i].number == number)
			return contexts[i].name;
	snprintf(name, sizeof(name), "#%d", ++n_unnamed);
	name_context(number, name);
	return contexts[n_contexts - 1].name;
}

/* What the module noted. */
static void print_note(const char *text)
{
	unsigned long long number;
	char name[48];
	int n;

	if (sscanf(text, "@ctx %llu %47s", &number, name) == 2) {
		name_context(number, name);
		return;
	}
	fputs("  ", stdout);
	while (*text) {
		n = 0;
		if (sscanf(text, "{%llu}%n", &number, &n) == 1 && n) {
			fputs(context_name(number), stdout);
			text += n;
		} else {
			putchar(*text++);
		}
	}
	putchar('\n');
}

/* An event of the kernel's: "init: driver=..." is printed as "init driver=...". */
static void print_event(const char *text)
{
	const char *colon = strchr(text, ':'), *context = strstr(text, " context=");
	unsigned long long number;
	int n = 0;

	if (!colon || !context || sscanf(context, " context=%llu%n", &number, &n) != 1)
		printf("  * STRANGE %s\n", text);
	else
		printf("  ~ %.*s%.*s context=%s%s\n", (int)(colon - text), text,
			(int)(context - colon - 1), colon + 1, context_name(number), context + n);
}

/* The text behind a prefix, or NULL. */
static const char *behind(const char *line, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(line, prefix, n) ? NULL : line + n;
}

static void print_trace(const char *line)
{
	const char *p;

	while (*line == ' ')
		line++;
	if ((p = behind(line, "record_note: ")))
		print_note(p);
	else if ((p = behind(line, "dma_fence_")))
		print_event(p);
	else if ((p = behind(line, "console: "))) {
		if (behind(p, "WARNING: "))
			puts("  * WARN");
		else if (behind(p, "kernel BUG at") || behind(p, "BUG: ") || behind(p, "Oops"))
			printf("  * BUG %s\n", p);
	} else if (behind(line, "CPU:") && strstr(line, "LOST"))
		printf("  * LOST %s\n", line);
	else if (*line)
		printf("  * STRANGE %s\n", line);
}

/* Reads what the trace buffer holds, and prints it. */
static void drain(int silent)
{
	static char buf[65536], line[8192];
	static size_t used;
	ssize_t n, i;

	while ((n = read(trace, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				if (used < sizeof(line) - 1)
					line[used++] = buf[i];
				continue;
			}
			line[used] = 0;
			used = 0;
			if (!silent)
				print_trace(line);
		}
	}
	if (n < 0 && errno != EAGAIN)
		die("trace_pipe");
}

static void command(const char *text, int silent)
{
	if (!silent)
		printf("%s\n", text);
	if (write(module, text, strlen(text)) < 0)
		die(text);
	drain(silent);
}

/*
 * The command without its comment, its words separated by one space; false if none
 * is left. A line that begins with a space is an observation of a transcript.
 */
static int tidy(char *line)
{
	char *in = line, *to = line;

	if (isspace((unsigned char)*in))
		*in = 0;
	for (; *in && *in != '#'; in++) {
		if (!isspace((unsigned char)*in))
			*to++ = *in;
		else if (to > line && to[-1] != ' ')
			*to++ = ' ';
	}
	while (to > line && to[-1] == ' ')
		to--;
	*to = 0;
	return to > line;
}

static void scenario(int run, const char *name)
{
	char path[300], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/scenarios/%s", name);
	f = fopen(path, "r");
	if (!f)
		die(path);
	n_contexts = n_unnamed = 0;
	command(".reset", 1);
	printf("@@ begin %d %s\n", run, name);
	while (getline(&line, &size, f) >= 0) {
		if (!tidy(line))
			continue;
		if (!strcmp(line, "end"))
			break;
		command(line, 0);
	}
	command("end", 0);
	puts("@@ end");
	command(".reset", 1);
	free(line);
	fclose(f);
}

static int is_scenario(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void prepare(void)
{
	struct sched_param prio = { .sched_priority = 50 };

	module = open("/proc/fence_record", O_WRONLY);
	if (module < 0)
		die("/proc/fence_record");

	/* No thread of a scenario may overtake the command that woke it. */
	put_file("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	if (sched_setscheduler(0, SCHED_FIFO, &prio))
		die("SCHED_FIFO");

	put_file(TRACING "/options/context-info", "0");
	put_file(TRACING "/events/fence_record/enable", "1");
	put_file(TRACING "/events/dma_fence/enable", "1");
	put_file(TRACING "/events/printk/console/enable", "1");
	put_file(TRACING "/trace", "\n");
	trace = open(TRACING "/trace_pipe", O_RDONLY | O_NONBLOCK);
	if (trace < 0)
		die("trace_pipe");
}

int main(int argc, char **argv)
{
	struct dirent **files;
	struct utsname kernel;
	struct timespec now;
	int n, i, run, runs = argc > 1 ? atoi(argv[1]) : 1;

	/* What a scenario that Linux does not survive has come to can be seen. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	prepare();

	/* A timestamp of one second or more is one of the clock's. */
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec < 2)
			usleep(50000);
	} while (now.tv_sec < 2);

	uname(&kernel);
	printf("@@ kernel %s %s\n", kernel.release, kernel.version);
	n = scandir("/scenarios", &files, is_scenario, alphasort);
	if (n < 0)
		die("/scenarios");
	for (run = 1; run <= runs; run++)
		for (i = 0; i < n; i++)
			scenario(run, files[i]->d_name);
	puts("@@ done");
	return 0;
}
