/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_TIMER_H
#define _LINUX_TIMER_H

#include <linux/spinlock.h>
#include <linux/timekeeping.h>

#define HZ 250

unsigned long jiffies(void);
#define jiffies (jiffies)()

struct timer_list {
	unsigned long space[10];
};

void timer_init_key(struct timer_list *timer, void (*func)(struct timer_list *timer),
		    unsigned int flags, const char *name, struct lock_class_key *key);
#define timer_setup(timer, func, flags) do { \
	static struct lock_class_key __key; \
	timer_init_key(timer, func, flags, #timer, &__key); \
} while (0)
#define timer_setup_on_stack timer_setup
#define timer_destroy_on_stack(timer) ((void)(timer))
#define timer_container_of(var, timer, member) container_of(timer, typeof(*(var)), member)

int mod_timer(struct timer_list *timer, unsigned long expires);
int timer_delete_sync(struct timer_list *timer);
bool timer_pending(const struct timer_list *timer);

#endif
