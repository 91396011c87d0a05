/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module that runs scenarios on the dma_fence of the running kernel.
 *
 * A line of the language (Documentation/scenarios.rst) is written to
 * /proc/fence_record at a time. The module makes the call that the line names, and
 * tells what it saw in the trace event record_note, between the kernel's own events
 * of dma_fence. In a note "{17}" stands for context 17, and a note that begins with
 * "@ctx" has the name of a context; ask.c replaces the one by the other.
 *
 * It needs a machine with one CPU, where a spinlock that is taken was taken further
 * up in the same call, and where irq_work has run before the next statement.
 */
#ifndef FENCE_RECORD_H
#define FENCE_RECORD_H

#include <linux/ctype.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

/* The limits are those of the language, with the end of each string. */
#define NAME_LEN	32
#define LINE_LEN	200
#define MAX_ARGS	24
#define MAX_NAMES	384
#define MAX_FENCES	192
#define MAX_ACTIONS	6
#define MAX_CALLBACKS	48
#define MAX_LOCKS	8
#define MAX_RESVS	8
#define MAX_THREADS	8

/* A note of a result fits into a page of the trace buffer. */
#define RES_LEN		3072

enum place { AT_TOP, IN_CALLBACK, IN_THREAD };

enum kind { K_FENCE, K_CONTEXT, K_LOCK, K_CALLBACK, K_RESV, K_THREAD };

/* A fence that the scenario has a name for. */
struct obj {
	struct dma_fence *f;
	char name[NAME_LEN];
	int held;		/* references that belong to the scenario */
	int busy;		/* commands under way that name it */
	bool gone;		/* the kernel has destroyed it */
	bool shared_stub;
};

/* A command under way. */
struct call {
	enum place place;
	bool bad;		/* res says why it was refused, and is no result */
	bool cut;		/* res had no room for all of it */
	int n_used;		/* fences that the command names */
	struct obj *used[MAX_ARGS];
	int argc;
	char *argv[MAX_ARGS];
	char line[LINE_LEN];
	char res[RES_LEN];
};

struct name {
	char text[NAME_LEN];
	enum kind kind;
	u64 value;		/* an index into the table of its kind, or a context */
};

#define COMMAND(name, min, max, also) void cmd_##name(struct call *c);
#include "commands.h"
#undef COMMAND

/* run.c */
bool allowed_in(const char *command, enum place place);
void run_line(struct call *c, enum place place, const char *line);
void join(char *line, struct call *c, int first);

/* say.c */
extern bool muted;
__printf(1, 2) void note(const char *fmt, ...);
__printf(2, 3) void say(struct call *c, const char *fmt, ...);
__printf(2, 3) void say_more(struct call *c, const char *fmt, ...);
__printf(2, 3) void fail(struct call *c, const char *fmt, ...);
void say_bool(struct call *c, bool v);
void say_num(struct call *c, long v);
const char *num_str(char *buf, size_t len, long v);
long num_arg(struct call *c, const char *s);
u64 u64_arg(struct call *c, const char *s);
void list_open(struct call *c);
__printf(2, 3) void list_item(struct call *c, const char *fmt, ...);
void list_close(struct call *c);

/* name.c */
struct name *name_find(enum kind kind, const char *text);
bool name_ok(struct call *c, enum kind kind, const char *text);
void name_add(enum kind kind, const char *text, u64 value);
struct name *name_arg(struct call *c, enum kind kind, const char *text);
u64 context_arg(struct call *c, const char *text);
void forget_names(void);

/* known.c */
struct obj *obj_of(struct dma_fence *f);
const char *fence_str(struct dma_fence *f);
bool room_for_fence(struct call *c);
struct obj *obj_add(const char *name, struct dma_fence *f);
struct obj *peek_arg(struct call *c, const char *text);
struct obj *obj_arg(struct call *c, const char *text);
struct dma_fence *fence_arg(struct call *c, const char *text);
struct dma_fence *fence_peek(struct call *c, const char *text);
struct dma_fence *fence_or_null(struct call *c, const char *text);
bool locked(struct dma_fence *f);
const char *locked_str(struct dma_fence *f);
bool walkable(struct call *c);
bool lockable(struct call *c, struct dma_fence *f);
bool lockable_unless_signaled(struct call *c, struct dma_fence *f);
void say_new_fence(struct call *c, const char *name, struct dma_fence *f);
void say_live(struct call *c);
void signal_fences(void);
void put_fences(void);
void forget_fences(void);
void fence_born(void);
void fence_dies(struct dma_fence *f);

/* fence.c */
void make_ops(void);
const char *option(const char *arg, const char *name);
void forget_locks(void);

/* callback.c */
void forget_callbacks(void);

/* wait.c */
void say_wait(struct call *c, long ret);
bool word(struct call *c, const char *text, const char *expected);
void settle(void);
void refuse_blocked(struct call *c);
void forget_threads(void);

/* resv.c */
void refuse_locked(struct call *c);
void end_resvs(void);

#endif
