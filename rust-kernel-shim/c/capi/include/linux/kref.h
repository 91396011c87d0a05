/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_KREF_H
#define _LINUX_KREF_H

#include <linux/kernel.h>

struct kref {
	int refcount;
};

void kref_init(struct kref *kref);
unsigned int kref_read(const struct kref *kref);
void kref_get(struct kref *kref);
int kref_get_unless_zero(struct kref *kref);
int kref_put(struct kref *kref, void (*release)(struct kref *kref));

#endif
