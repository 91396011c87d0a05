/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_LIST_H
#define _LINUX_LIST_H

#include <linux/kernel.h>

struct list_head {
	struct list_head *next, *prev;
};

void INIT_LIST_HEAD(struct list_head *list);
bool list_empty(const struct list_head *head);
void list_add(struct list_head *new, struct list_head *head);
void list_add_tail(struct list_head *new, struct list_head *head);
void list_del_init(struct list_head *entry);
void list_replace(struct list_head *old, struct list_head *new);

#define list_entry(ptr, type, member) container_of(ptr, type, member)

#endif
