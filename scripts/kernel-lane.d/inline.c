// SPDX-License-Identifier: GPL-2.0-only
/* What is inline in C, for main.rs. */
#include <linux/slab.h>
#include <linux/spinlock.h>

void *misuses_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

void *misuses_kzalloc(size_t size, gfp_t flags)
{
	return kzalloc(size, flags);
}

void misuses_spin_lock_init(spinlock_t *lock)
{
	spin_lock_init(lock);
}
