/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_SEQ_FILE_H
#define _LINUX_SEQ_FILE_H

#include <linux/kernel.h>

/* The text's first count bytes are there; all of them, and more, after an overflow. */
struct seq_file {
	char *buf;
	size_t size;
	size_t count;
	void *private;
};

int seq_write(struct seq_file *seq, const void *data, size_t len);
void seq_puts(struct seq_file *seq, const char *s);

#endif
