/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files, and their descriptors in the one process that there is.
 */
#ifndef _LINUX_FILE_H
#define _LINUX_FILE_H

#include <linux/kernel.h>

struct file;

int get_unused_fd_flags(unsigned int flags);
void put_unused_fd(unsigned int fd);
void fd_install(unsigned int fd, struct file *file);
int close_fd(unsigned int fd);
void fput(struct file *file);

#endif
