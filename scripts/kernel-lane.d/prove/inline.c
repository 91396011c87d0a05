// SPDX-License-Identifier: GPL-2.0-only
/* What is inline in C, for linux.rs. */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/umh.h>

void *prove_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

void *prove_kzalloc(size_t size, gfp_t flags)
{
	return kzalloc(size, flags);
}

void prove_spin_lock_init(spinlock_t *lock)
{
	spin_lock_init(lock);
}

void prove_timer_init(struct timer_list *timer, void (*function)(struct timer_list *),
		      unsigned int flags, const char *name)
{
	static struct lock_class_key key;

	timer_init_key(timer, function, flags, name, &key);
}

void prove_kfree_rcu(struct rcu_head *head, void *pointer)
{
	kvfree_call_rcu((void *)head, pointer);
}

/* Has a program of the machine load or unload driver.ko, and waits for it. */
static int prove_module(char *verb, char *module, char *number, char *place)
{
	char *argv[] = { "/bin/busybox", verb, module, number, place, NULL };
	char *envp[] = { NULL };

	return call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);
}

int prove_insmod(int number, void *place)
{
	char numbers[16], places[32];

	snprintf(numbers, sizeof(numbers), "number=%d", number);
	snprintf(places, sizeof(places), "place=%lu", (unsigned long)place);
	return prove_module("insmod", "/driver.ko", numbers, places) ? -EIO : 0;
}

int prove_rmmod(void)
{
	return prove_module("rmmod", "driver", NULL, NULL);
}
