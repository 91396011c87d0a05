/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files by which programs have fences.
 */
#ifndef _LINUX_SYNC_FILE_H
#define _LINUX_SYNC_FILE_H

#include <linux/dma-fence.h>
#include <linux/file.h>

/* As far as it is for others. */
struct sync_file {
	struct file *file;
	char user_name[32];
};

struct sync_file *sync_file_create(struct dma_fence *fence);
struct dma_fence *sync_file_get_fence(int fd);
char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len);

#endif
